import { z } from 'zod';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

const both = {
  settings: () => ({
    account_id: z.string().min(1).describe('Id of the account.'),
    token: z.string().min(1).describe("An API token that may read the account's audit logs."),
  }),
  auth: [{ type: 'headers', headers: { authorization: 'Bearer {token}' } }],
  pageSize: { default: 1000, max: 1000 },
  results: 'result',
  id: ['id'],
  mode: { kind: 'window', chunkMs: day, lagMs: 5 * minute, overlapMs: hour, exclusive: true },
  pollMs: 60 * second,
  // 18 months.
  retentionMs: 548 * day,
  // Who asks more often is shut out for five minutes, from all of Cloudflare's API.
  rate: { budget: { requests: 1200, perMs: 5 * minute }, waitMs: 5 * minute },
  expired: [{ status: 400 }],
  envelope: { ok: 'success', code: 'errors.0.code' },
} as const;

/** Both bounds must be given. */
export const cloudflare = {
  name: 'cloudflare',
  title: 'Cloudflare audit logs, version 2',
  reference:
    'https://developers.cloudflare.com/api/resources/accounts/subresources/logs/subresources/audit/methods/list/',
  endpoint: 'https://api.cloudflare.com/client/v4/accounts/{account_id}/logs/audit',
  first: { query: { since: '{from}', before: '{to}', direction: 'asc', limit: '{size}' } },
  next: { query: { since: '{from}', before: '{to}', direction: 'asc', limit: '{size}', cursor: '{cursor}' } },
  paging: { by: 'cursor', field: 'result_info.cursors.after' },
  time: { field: 'action.time', format: 'rfc3339' },
  ...both,
} as const satisfies Preset;

/** Numbered pages. */
export const cloudflareV1 = {
  name: 'cloudflare_v1',
  title: 'Cloudflare audit logs, version 1',
  reference: 'https://developers.cloudflare.com/api/resources/audit_logs/methods/list/',
  endpoint: 'https://api.cloudflare.com/client/v4/accounts/{account_id}/audit_logs',
  first: { query: { since: '{from}', before: '{to}', direction: 'asc', per_page: '{size}', page: '1' } },
  next: { query: { since: '{from}', before: '{to}', direction: 'asc', per_page: '{size}', page: '{cursor}' } },
  paging: { by: 'page', start: 1 },
  time: { field: 'when', format: 'rfc3339' },
  ...both,
} as const satisfies Preset;
