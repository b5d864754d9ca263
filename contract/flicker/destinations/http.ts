import { z } from 'zod';
import { duration, httpUrl, strictObject, type SettingsMode } from '../../settings';
import { basic, includeId } from './common';

/** POST of a JSON array. */
export function httpDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('http'),
    endpoint: httpUrl(mode).describe('URL that takes a POST of a JSON array of `{path, line, id}`.'),
    require_auth: z.boolean().default(false).describe('Refuse to start without `api_key`, `basic` or `auth`.'),
    api_key: z.string().optional().describe('Sent as `Authorization: Bearer …`; wins over `basic`.'),
    basic: basic().optional().describe('HTTP basic credentials.'),
    auth: strictObject({
      type: z.enum(['bearer']).describe('How the token is sent.'),
      token: z.string().describe('The token.'),
    })
      .optional()
      .describe('Another way to write `api_key`.'),
    headers: z.record(z.string(), z.string()).default({}).describe('More request headers.'),
    compression: z.boolean().default(false).describe('Compress requests with gzip.'),
    timeout_ms: duration(mode, { min: 1 }).prefault(30_000).describe('How long one request may take.'),
    tls: strictObject({
      cert_path: z.string().describe('PEM file of the client certificate.'),
      key_path: z.string().describe('PEM file of the client key.'),
      ca_cert_path: z.string().optional().describe('PEM file of the authority that signed the server certificate.'),
      accept_invalid_certs: z.boolean().default(false).describe('Accept any server certificate. For tests only.'),
    })
      .optional()
      .describe('TLS with a client certificate.'),
    include_id: includeId(),
  }).refine((http) => !http.require_auth || http.api_key || http.basic || http.auth, {
    error: 'require_auth is true but there is no api_key, basic or auth: add one',
  });
}
