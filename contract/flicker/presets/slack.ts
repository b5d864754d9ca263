import { z } from 'zod';
import type { Preset } from './preset';
import { day, minute, second } from './units';

/** Newest first and never otherwise. A request that does not repeat `oldest` runs back to the beginning of history. */
export const slack = {
  name: 'slack',
  title: 'Slack audit logs',
  reference: 'https://docs.slack.dev/reference/audit-logs-api/methods-actions-reference',
  settings: () => ({
    token: z.string().min(1).describe('User token (`xoxp-…`) of an organization owner with `auditlogs:read`.'),
  }),
  endpoint: 'https://api.slack.com/audit/v1/logs',
  auth: [{ type: 'headers', headers: { authorization: 'Bearer {token}' } }],
  first: { query: { oldest: '{from}', latest: '{to}', limit: '{size}' } },
  next: { query: { oldest: '{from}', latest: '{to}', limit: '{size}', cursor: '{cursor}' } },
  requestTime: 'unix',
  paging: { by: 'cursor', field: 'response_metadata.next_cursor' },
  pageSize: { default: 1000, max: 9999 },
  results: 'entries',
  id: ['id'],
  time: { field: 'date_create', format: 'unix' },
  mode: { kind: 'window', chunkMs: 7 * day, lagMs: minute, overlapMs: 10 * minute },
  pollMs: 60 * second,
  // Slack names no end; its history begins in March 2018.
  retentionMs: 3650 * day,
  rate: { waitMs: minute },
  expired: [{ field: 'error', values: ['invalid_cursor'] }],
  envelope: { ok: 'ok', code: 'error' },
} as const satisfies Preset;
