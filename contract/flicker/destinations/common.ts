import { z } from 'zod';
import { duration, strictObject, type SettingsMode } from '../../settings';

/** HTTP basic credentials. */
export const basic = () =>
  strictObject({
    username: z.string().describe('User name.'),
    password: z.string().describe('Password; use `${NAME}` to take it from a variable.'),
  });

/** A bearer token. */
export const bearer = () =>
  strictObject({
    type: z.enum(['bearer']).describe('How the token is sent.'),
    token: z.string().describe('The token.'),
  });

/** How a server is trusted, and who the client is. */
export const tls = () =>
  strictObject({
    cert_path: z.string().optional().describe('PEM file of the client certificate.'),
    key_path: z.string().optional().describe('PEM file of the client key.'),
    ca_cert_path: z.string().optional().describe('PEM file of the authority that signed the server certificate.'),
    accept_invalid_certs: z.boolean().default(false).describe('Accept any server certificate. For tests only.'),
  }).refine((told) => (told.cert_path === undefined) === (told.key_path === undefined), {
    error: 'cert_path and key_path belong together: give both, or none',
  });

export type TlsSettings = z.output<ReturnType<typeof tls>>;

/** What every destination that speaks HTTP takes. */
export const httpSettings = (mode: SettingsMode, compression: boolean) => ({
  headers: z.record(z.string(), z.string()).default({}).describe('More request headers.'),
  compression: z.boolean().default(compression).describe('Compress requests with gzip.'),
  timeout_ms: duration(mode, { min: 1 }).prefault(30_000).describe('How long one request may take.'),
  tls: tls().optional().describe('TLS with a private authority or a client certificate.'),
});

/** What every destination can be told of how events go there. */
export const delivery = (mode: SettingsMode) => ({
  name: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Name in logs, in the registry and on the status page; the type by default. Each of a list needs its own.',
    ),
  required: z
    .boolean()
    .default(true)
    .describe(
      'The source waits for this destination. `false`: what it does not take in time is spilled (`--track`), and the source goes on.',
    ),
  spill_after_ms: duration(mode)
    .optional()
    .describe(
      'A batch that is not accepted within this time is kept beside the registry (`--track`) and sent later, in order. By default never when `required`, else after 10 s.',
    ),
});

/** Whether records carry their id, where a destination sends them as they are. */
export const includeId = () =>
  z
    .boolean()
    .default(true)
    .describe('Send the field `id` with every record. `false` sends exactly the fields `path` and `line`.');

/** Region of an AWS resource. */
export const awsRegion = (what: string) =>
  z.string().optional().describe(`Region of ${what}; the program's own by default.`);
