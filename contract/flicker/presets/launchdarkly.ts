import { z } from 'zod';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

/** Newest first, twenty on a page. */
export const launchdarkly = {
  name: 'launchdarkly',
  title: 'LaunchDarkly audit log',
  reference: 'https://launchdarkly.com/docs/api/audit-log/get-audit-log-entries',
  experimental: true,
  settings: () => ({
    token: z.string().min(1).describe('An access token that may read.'),
  }),
  endpoint: 'https://app.launchdarkly.com/api/v2/auditlog',
  auth: [{ type: 'headers', headers: { authorization: '{token}' } }],
  first: { query: { after: '{from}', before: '{to}', limit: '{size}' } },
  requestTime: 'unix_ms',
  paging: { by: 'url', field: '_links.next.href' },
  pageSize: { default: 20, max: 20 },
  results: 'items',
  id: ['_id'],
  time: { field: 'date', format: 'unix_ms' },
  mode: { kind: 'window', chunkMs: 7 * day, lagMs: minute, overlapMs: hour, rereadMs: 15 * minute, exclusive: true },
  pollMs: 60 * second,
  // The vendor names no end.
  retentionMs: 1825 * day,
} as const satisfies Preset;
