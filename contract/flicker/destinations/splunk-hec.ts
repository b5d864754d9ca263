import { z } from 'zod';
import { duration, httpUrl, strictObject, type SettingsMode } from '../../settings';
import { delivery, httpSettings } from './common';

/** The HTTP event collector of Splunk. */
export function splunkHecDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('splunk_hec'),
    endpoint: httpUrl(mode).describe('Address of the collector; `/services/collector/event` is added.'),
    token: z.string().min(1).describe('Token of the collector; use `${NAME}` to take it from a variable.'),
    index: z.string().min(1).optional().describe("Index; the token's own by default."),
    source: z.string().min(1).optional().describe('Source of the events; their path by default.'),
    sourcetype: z.string().min(1).optional().describe("Source type; the token's own by default."),
    host: z.string().min(1).optional().describe('Host of the events; that of the program by default.'),
    acknowledgement: z
      .boolean()
      .default(false)
      .describe('Wait until the indexers have the events. The token must have indexer acknowledgement on.'),
    acknowledgement_timeout_ms: duration(mode, { min: 1000 })
      .prefault(300_000)
      .describe('Events that are not acknowledged within this time are sent again.'),
    ...httpSettings(mode, true),
    ...delivery(mode),
  });
}
