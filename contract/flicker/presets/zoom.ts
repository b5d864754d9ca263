import { z } from 'zod';
import type { Preset } from './preset';
import { day, hour, minute } from './units';

/** Newest first, whole days only. Entries have no id. A page token lives for fifteen minutes. */
export const zoom = {
  name: 'zoom',
  title: 'Zoom reports of activities and operations',
  reference: 'https://developers.zoom.us/docs/api/meetings/#tag/reports',
  experimental: true,
  settings: () => ({
    report: z.enum(['activities', 'operationlogs']).describe('Sign-ins and sign-outs, or what administrators did.'),
    account_id: z.string().min(1).describe('Account id of a server-to-server OAuth app.'),
    client_id: z.string().min(1).describe('Its client id.'),
    client_secret: z.string().min(1).describe('Its client secret.'),
  }),
  endpoint: 'https://api.zoom.us/v2/report/{report}',
  auth: [
    {
      type: 'client_credentials',
      tokenUrl: 'https://zoom.us/oauth/token',
      clientId: '{client_id}',
      clientSecret: '{client_secret}',
      grant: 'account_credentials',
      params: { account_id: '{account_id}' },
    },
  ],
  first: { query: { from: '{from}', to: '{to}', page_size: '{size}' } },
  next: { query: { from: '{from}', to: '{to}', page_size: '{size}', next_page_token: '{cursor}' } },
  requestTime: 'date',
  paging: { by: 'cursor', field: 'next_page_token' },
  pageSize: { default: 300, max: 300 },
  results: { setting: 'report', values: { operationlogs: 'operation_logs' }, otherwise: 'activity_logs' },
  time: { field: 'time', format: 'rfc3339' },
  mode: { kind: 'window', chunkMs: day, lagMs: 5 * minute, overlapMs: hour, coarse: true },
  pollMs: 5 * minute,
  retentionMs: 180 * day,
  expired: [{ status: 400 }, { field: 'code', values: [300] }],
} as const satisfies Preset;
