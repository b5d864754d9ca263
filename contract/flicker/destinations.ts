import { z } from 'zod';
import { duration, httpUrl, nearest, strictObject, text, type SettingsMode } from '../settings';

/** Destination types that this version knows by name and does not deliver to yet. */
const planned = [
  'syslog',
  'elasticsearch',
  'opensearch',
  'loki',
  'otlp',
  'cloudwatch_logs',
  'splunk_hec',
  'datadog',
  'kinesis',
  'firehose',
  'sqs',
];
const available = ['http', 's3', 'file', 'stdout'];

const basic = () =>
  strictObject({
    username: z.string().describe('User name.'),
    password: z.string().describe('Password; use `${NAME}` to take it from a variable.'),
  });

const includeId = () =>
  z
    .boolean()
    .default(true)
    .describe('Send the field `id` with every record. `false` sends exactly the fields `path` and `line`.');

function httpDestination(mode: SettingsMode) {
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

function s3Destination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('s3'),
    bucket: text(
      mode,
      (value) => /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(value),
      'a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens',
    ).describe('Bucket of the archive.'),
    prefix: z
      .string()
      .default('')
      .transform((prefix) => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`))
      .describe('Prefix of every key; a trailing `/` is added. Objects are `<prefix><source>/<number>.jsonl`.'),
    region: z.string().optional().describe("Region of the bucket; the program's own by default."),
    compression: z.boolean().default(false).describe('Compress objects with gzip (`.jsonl.gz`).'),
    include_id: includeId(),
  });
}

function fileDestination() {
  return strictObject({
    type: z.literal('file'),
    path: z.string().min(1).describe('File that records are appended to, one JSON object a line.'),
    include_id: includeId(),
  });
}

function stdoutDestination() {
  return strictObject({ type: z.literal('stdout'), include_id: includeId() });
}

/** Where a source's events go. */
export function destinationSchema(mode: SettingsMode) {
  return z.discriminatedUnion(
    'type',
    [httpDestination(mode), s3Destination(mode), fileDestination(), stdoutDestination()],
    { error: (issue) => (issue.code === 'invalid_union' ? unknownType(issue.input) : undefined) },
  );
}

function unknownType(input: unknown): string | undefined {
  const type = typeof input === 'object' && input !== null && 'type' in input ? input.type : undefined;
  if (typeof type !== 'string') return `expected a destination with a type: ${available.join(', ')}`;
  if (planned.includes(type)) {
    return `destination type "${type}" is not available in this version; available: ${available.join(', ')}`;
  }
  const near = nearest(type, available);
  return `unknown destination type "${type}"${near ? `, did you mean "${near}"?` : `; available: ${available.join(', ')}`}`;
}
