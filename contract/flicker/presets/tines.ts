import { z } from 'zod';
import { hostname, type SettingsMode } from '../../settings';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

/** Newest first, times in whole seconds. */
export const tines = {
  name: 'tines',
  title: 'Tines audit logs',
  reference: 'https://www.tines.com/api/audit-logs/list/',
  experimental: true,
  settings: (mode: SettingsMode) => ({
    domain: hostname(mode).describe('The domain of the tenant: `company.tines.com`.'),
    token: z.string().min(1).describe('An API key.'),
  }),
  endpoint: 'https://{domain}/api/v1/audit_logs',
  auth: [{ type: 'headers', headers: { authorization: 'Bearer {token}' } }],
  first: { query: { after: '{from}', before: '{to}', per_page: '{size}' } },
  next: { query: { after: '{from}', before: '{to}', per_page: '{size}', page: '{cursor}' } },
  requestTime: 'rfc3339_seconds',
  paging: { by: 'page', start: 1, next: 'meta.next_page_number' },
  pageSize: { default: 500, max: 500 },
  results: 'audit_logs',
  id: ['id'],
  time: { field: 'created_at', format: 'rfc3339' },
  mode: { kind: 'window', chunkMs: 7 * day, lagMs: minute, overlapMs: hour, exclusive: true },
  pollMs: 60 * second,
  // The vendor names no end.
  retentionMs: 1825 * day,
} as const satisfies Preset;
