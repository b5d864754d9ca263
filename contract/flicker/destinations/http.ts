import { z } from 'zod';
import { httpUrl, strictObject, type SettingsMode } from '../../settings';
import { basic, bearer, delivery, httpSettings, includeId } from './common';

/** POST of a JSON array. */
export function httpDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('http'),
    endpoint: httpUrl(mode).describe('URL that takes a POST of a JSON array of `{path, line, id}`.'),
    require_auth: z.boolean().default(false).describe('Refuse to start without `api_key`, `basic` or `auth`.'),
    api_key: z.string().optional().describe('Sent as `Authorization: Bearer …`; wins over `basic`.'),
    basic: basic().optional().describe('HTTP basic credentials.'),
    auth: bearer().optional().describe('Another way to write `api_key`.'),
    ...httpSettings(mode, false),
    include_id: includeId(),
    ...delivery(mode),
  }).refine((http) => !http.require_auth || http.api_key || http.basic || http.auth, {
    error: 'require_auth is true but there is no api_key, basic or auth: add one',
  });
}
