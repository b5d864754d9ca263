import { z } from 'zod';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

/** Newest first. */
export const pagerduty = {
  name: 'pagerduty',
  title: 'PagerDuty audit records',
  reference: 'https://developer.pagerduty.com/api-reference/audit-records-list',
  experimental: true,
  settings: () => ({
    token: z.string().min(1).describe('A REST API key of the account.'),
  }),
  endpoint: 'https://api.pagerduty.com/audit/records',
  headers: { accept: 'application/vnd.pagerduty+json;version=2' },
  auth: [{ type: 'headers', headers: { authorization: 'Token token={token}' } }],
  first: { query: { since: '{from}', until: '{to}', limit: '{size}' } },
  next: { query: { since: '{from}', until: '{to}', limit: '{size}', cursor: '{cursor}' } },
  paging: { by: 'cursor', field: 'next_cursor' },
  pageSize: { default: 100, max: 100 },
  results: 'records',
  id: ['id'],
  time: { field: 'execution_time', format: 'rfc3339' },
  mode: { kind: 'window', chunkMs: day, lagMs: 5 * minute, overlapMs: hour, exclusive: true },
  pollMs: 60 * second,
  retentionMs: 365 * day,
  expired: [{ status: 400 }],
} as const satisfies Preset;
