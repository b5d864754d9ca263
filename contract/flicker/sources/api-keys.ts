import { z } from 'zod';
import { text, type SettingsMode } from '../../settings';

/** Keys of every `api_sources` entry, whether it has a preset or not. */
export function apiKeys(mode: SettingsMode) {
  return {
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, { error: 'expected letters, digits, ".", "_" and "-", 100 at most' })
      .describe('Unique name: the key of its position in the registry. A renamed source is a new source.'),
    message_field: z.string().optional().describe('Dot path to the text to ship; the whole entry as JSON by default.'),
    start_from: z
      .union([z.enum(['now', 'beginning']), text(mode, isRfc3339, 'an RFC 3339 time with a zone')])
      .default('now')
      .describe('Where to start at the very first start: `now`, `beginning`, or an RFC 3339 time.'),
    headers: z.record(z.string(), z.string()).default({}).describe('More request headers.'),
    max_pages: z.int().min(1).default(100).describe('Most pages in one poll; the walk resumes at the next poll.'),
  };
}

function isRfc3339(value: string): boolean {
  return (
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i.test(value) && !Number.isNaN(Date.parse(value))
  );
}
