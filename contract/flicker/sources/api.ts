import { z } from 'zod';
import { httpUrl, nearest, strictObject, type SettingsMode } from '../../settings';
import { presets, presetSourceSchemas } from '../presets';
import { apiKeys } from './api-keys';
import { commonKeys } from './common';

/** One `api_sources` entry: a preset of a vendor's API, or any paginated HTTP API. */
export function apiSourceSchema(mode: SettingsMode) {
  const common = commonKeys(mode, 30_000);
  return z.discriminatedUnion('preset', [anyApiSchema(mode, common), ...presetSourceSchemas(mode, common)], {
    error: (issue) => (issue.code === 'invalid_union' ? unknownPreset(issue.input) : undefined),
  });
}

function anyApiSchema(mode: SettingsMode, common: ReturnType<typeof commonKeys>) {
  return strictObject({
    preset: z.undefined().optional(),
    endpoint: httpUrl(mode).describe('URL of the GET request.'),
    results_field: z.string().describe('Dot path to the array of entries; empty when the answer itself is the array.'),
    timestamp_field: z.string().min(1).describe('Dot path to the time of an entry.'),
    timestamp_format: z
      .enum(['auto', 'rfc3339', 'unix', 'unix_ms', 'unix_us'])
      .default('auto')
      .describe(
        'How entries write their time. `auto` tells RFC 3339 and seconds, milliseconds, microseconds by magnitude.',
      ),
    id_field: z
      .string()
      .optional()
      .describe('Dot path to the unique id of an entry; a hash of the entry and its occurrence by default.'),
    api_key: z.string().optional().describe('Sent as `Authorization: Bearer …`; wins over `basic`.'),
    basic: strictObject({ username: z.string().describe('User name.'), password: z.string().describe('Password.') })
      .optional()
      .describe('HTTP basic credentials.'),
    oauth2: oauth2Schema(mode).optional().describe('Access tokens of OAuth 2; wins over `api_key` and `basic`.'),
    time_filter_param: z
      .string()
      .optional()
      .describe(
        'Query parameter that carries the time of the newest event seen, less an overlap that catches late ones.',
      ),
    time_filter_format: z
      .enum(['rfc3339', 'iso8601', 'unix', 'unix_ms'])
      .default('rfc3339')
      .describe('How that time is written (`iso8601` is `rfc3339`).'),
    pagination: paginationSchema().optional().describe('How further pages are asked for; one page by default.'),
    ...apiKeys(mode),
    ...common,
  });
}

/** OAuth 2 client credentials, with a secret or a signed assertion. */
function oauth2Schema(mode: SettingsMode) {
  return strictObject({
    token_url: httpUrl(mode).describe('URL that gives access tokens.'),
    client_id: z.string().min(1).describe('The client.'),
    client_secret: z.string().min(1).optional().describe('Its secret, sent as HTTP basic credentials.'),
    private_key: z
      .string()
      .min(1)
      .optional()
      .describe('Or its private key, PKCS #8 PEM or JWK, for `private_key_jwt` (RFC 7523).'),
    key_id: z.string().min(1).optional().describe('The `kid` of the key.'),
    grant_type: z.string().min(1).default('client_credentials').describe('The grant that is asked for with a secret.'),
    params: z.record(z.string(), z.string()).default({}).describe('More parameters: `scope`, `audience`.'),
  }).refine((oauth2) => (oauth2.client_secret === undefined) !== (oauth2.private_key === undefined), {
    error: 'expected client_secret or private_key',
  });
}

/** An API source without a preset, parsed. */
export type AnyApiConfig = z.output<ReturnType<typeof anyApiSchema>>;

function unknownPreset(input: unknown): string | undefined {
  const name = typeof input === 'object' && input !== null && 'preset' in input ? input.preset : undefined;
  if (name === undefined) return undefined;
  const known = presets.map((preset) => preset.name);
  const near = typeof name === 'string' ? nearest(name, known) : undefined;
  return `unknown preset ${JSON.stringify(name)}${near ? `, did you mean "${near}"?` : `; known presets: ${known.join(', ')}`}`;
}

/** How an API pages. Keys that another pagination type uses are accepted and have no effect, as in the original. */
function paginationSchema() {
  return strictObject({
    pagination_type: z
      .enum(['offset', 'cursor', 'page', 'link'])
      .default('offset')
      .describe('`offset` and `page` count, `cursor` follows a field, `link` follows `Link: rel="next"` (RFC 8288).'),
    page_size: z.int().min(1).default(100).describe('Entries asked for a page.'),
    limit_param: z.string().optional().describe('Query parameter of the page size.'),
    offset_param: z.string().optional().describe('Query parameter of the offset (`offset`).'),
    cursor_param: z.string().optional().describe('Query parameter of the cursor (`cursor`).'),
    next_cursor_field: z.string().optional().describe('Dot path to the next cursor in the answer (`cursor`).'),
    page_param: z.string().optional().describe('Query parameter of the page number, from 1 (`page`).'),
    next_page_field: z.string().optional().describe('Dot path to the next page number in the answer (`page`).'),
    has_more_field: z.string().optional().describe('Dot path to a boolean: whether there are more pages (`page`).'),
  }).superRefine((pagination, context) => {
    for (const key of requiredKeys[pagination.pagination_type]) {
      if (pagination[key] === undefined) {
        context.addIssue({
          code: 'custom',
          path: [key],
          input: pagination,
          message: `pagination_type "${pagination.pagination_type}" needs ${key}`,
        });
      }
    }
  });
}

const requiredKeys = {
  offset: ['offset_param'],
  cursor: ['cursor_param', 'next_cursor_field'],
  page: ['page_param'],
  link: [],
} as const;
