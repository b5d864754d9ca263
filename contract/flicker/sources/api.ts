import { z } from 'zod';
import { httpUrl, strictObject, text, type SettingsMode } from '../../settings';
import { commonKeys } from './common';

/** One `api_sources` entry: a paginated HTTP API. */
export function apiSourceSchema(mode: SettingsMode) {
  return strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, { error: 'expected letters, digits, ".", "_" and "-", 100 at most' })
      .describe('Unique name: the key of its position in the registry. A renamed source is a new source.'),
    endpoint: httpUrl(mode).describe('URL of the GET request.'),
    results_field: z.string().describe('Dot path to the array of entries; empty when the answer itself is the array.'),
    timestamp_field: z.string().min(1).describe('Dot path to the time of an entry.'),
    timestamp_format: z
      .enum(['auto', 'rfc3339', 'unix', 'unix_ms', 'unix_us'])
      .default('auto')
      .describe(
        'How entries write their time. `auto` tells RFC 3339 and seconds, milliseconds, microseconds by magnitude.',
      ),
    message_field: z.string().optional().describe('Dot path to the text to ship; the whole entry as JSON by default.'),
    id_field: z
      .string()
      .optional()
      .describe('Dot path to the unique id of an entry; a hash of the entry and its occurrence by default.'),
    start_from: z
      .union([z.enum(['now', 'beginning']), text(mode, isRfc3339, 'an RFC 3339 time with a zone')])
      .default('now')
      .describe('Where to start at the very first start: `now`, `beginning`, or an RFC 3339 time.'),
    api_key: z.string().optional().describe('Sent as `Authorization: Bearer …`; wins over `basic`.'),
    basic: strictObject({ username: z.string().describe('User name.'), password: z.string().describe('Password.') })
      .optional()
      .describe('HTTP basic credentials.'),
    headers: z.record(z.string(), z.string()).default({}).describe('More request headers.'),
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
    max_pages: z.int().min(1).default(100).describe('Most pages in one poll; the walk resumes at the next poll.'),
    ...commonKeys(mode, 30_000),
  });
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

function isRfc3339(value: string): boolean {
  return (
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i.test(value) && !Number.isNaN(Date.parse(value))
  );
}
