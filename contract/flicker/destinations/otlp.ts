import { z } from 'zod';
import { httpUrl, strictObject, type SettingsMode } from '../../settings';
import { basic, bearer, delivery, httpSettings } from './common';

/** Logs of OpenTelemetry, over HTTP. */
export function otlpDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('otlp'),
    endpoint: httpUrl(mode).describe('Address of the receiver; `/v1/logs` is added.'),
    encoding: z.enum(['protobuf', 'json']).default('protobuf').describe('Form of the requests.'),
    resource: z
      .record(z.string().min(1), z.string())
      .default({})
      .describe('Attributes of the resource; `service.name` is the name of the source unless it is set here.'),
    basic: basic().optional().describe('HTTP basic credentials.'),
    auth: bearer().optional().describe('A bearer token; wins over `basic`.'),
    ...httpSettings(mode, true),
    ...delivery(mode),
  });
}
