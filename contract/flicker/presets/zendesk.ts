import { z } from 'zod';
import { text, type SettingsMode } from '../../settings';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

const asked = { 'filter[created_at][]': ['{from}', '{to}'], sort: 'created_at', 'page[size]': '{size}' };

/** Ascending on request. The two bounds are one parameter, given twice. */
export const zendesk = {
  name: 'zendesk',
  title: 'Zendesk audit logs',
  reference: 'https://developer.zendesk.com/api-reference/ticketing/account-configuration/audit_logs/',
  experimental: true,
  settings: (mode: SettingsMode) => ({
    subdomain: text(
      mode,
      (value) => /^[a-z0-9][a-z0-9-]*$/i.test(value),
      'the part before .zendesk.com, such as company',
    ).describe('The part before `.zendesk.com`.'),
    email: z.string().min(1).describe('E-mail address of an administrator.'),
    token: z.string().min(1).describe('An API token.'),
  }),
  endpoint: 'https://{subdomain}.zendesk.com/api/v2/audit_logs',
  auth: [{ type: 'basic', username: '{email}/token', password: '{token}' }],
  first: { query: asked },
  next: { query: { ...asked, 'page[after]': '{cursor}' } },
  requestTime: 'rfc3339_seconds',
  paging: { by: 'cursor', field: 'meta.after_cursor', more: 'meta.has_more' },
  pageSize: { default: 100, max: 100 },
  results: 'audit_logs',
  id: ['id'],
  time: { field: 'created_at', format: 'rfc3339' },
  mode: { kind: 'window', chunkMs: 7 * day, lagMs: minute, overlapMs: hour },
  pollMs: 60 * second,
  // The vendor names no end.
  retentionMs: 1825 * day,
  expired: [{ status: 400 }],
} as const satisfies Preset;
