import { z } from 'zod';
import { hostname, httpUrl, strictObject, type SettingsMode } from '../../settings';
import { delivery, httpSettings } from './common';

/** Logs of Datadog. */
export function datadogDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('datadog'),
    api_key: z.string().min(1).describe('API key; use `${NAME}` to take it from a variable.'),
    site: hostname(mode).default('datadoghq.com').describe('Site of the account, such as `datadoghq.eu`.'),
    endpoint: httpUrl(mode)
      .optional()
      .describe('Another address than `https://http-intake.logs.<site>`; `/api/v2/logs` is added.'),
    source: z.string().min(1).default('flicker').describe('`ddsource`: chooses the pipeline.'),
    service: z.string().min(1).optional().describe('`service`; the name of the source by default.'),
    hostname: z.string().min(1).optional().describe('`hostname`; that of the program by default.'),
    tags: z.record(z.string().min(1), z.string()).default({}).describe('`ddtags`.'),
    ...httpSettings(mode, true),
    ...delivery(mode),
  });
}
