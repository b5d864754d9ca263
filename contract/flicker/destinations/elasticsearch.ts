import { z } from 'zod';
import { httpUrl, strictObject, text, type SettingsMode } from '../../settings';
import { basic, bearer, delivery, httpSettings } from './common';

/** What may stand in the name of an index, placeholders apart. */
const INDEX = /^(?![-_+.]{1,2}$)[^A-Z\\/*?"<>| ,#%:]+$/;

/** An index or a data stream of Elasticsearch or OpenSearch. */
export function elasticsearchDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal(['elasticsearch', 'opensearch']),
    url: httpUrl(mode).describe('Address of the cluster; `/_bulk` is added.'),
    index: text(
      mode,
      (value) => INDEX.test(value.replace(/%[YmdH]/g, '0')),
      'the name of an index in lower case; %Y, %m, %d and %H stand for the time of the event',
    ).describe(
      'Index or data stream. `%Y`, `%m`, `%d` and `%H` stand for year, month, day and hour (UTC) of the event, as in `logs-%Y.%m.%d`.',
    ),
    api_key: z.string().optional().describe('Sent as `Authorization: ApiKey …`; wins over `auth` and `basic`.'),
    basic: basic().optional().describe('HTTP basic credentials.'),
    auth: bearer().optional().describe('A bearer token; wins over `basic`.'),
    ...httpSettings(mode, true),
    ...delivery(mode),
  });
}
