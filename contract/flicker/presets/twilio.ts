import { z } from 'zod';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

/** Newest first; the next page is a URL. */
export const twilio = {
  name: 'twilio',
  title: 'Twilio monitor events',
  reference: 'https://www.twilio.com/docs/usage/monitor-events',
  experimental: true,
  settings: () => ({
    api_key: z.string().min(1).optional().describe('SID of an API key (`SK…`), with `api_secret`.'),
    api_secret: z.string().min(1).optional().describe('Its secret.'),
    account_sid: z.string().min(1).optional().describe('Instead of the two: SID of the account, with `auth_token`.'),
    auth_token: z.string().min(1).optional().describe('Auth token of the account.'),
  }),
  endpoint: 'https://monitor.twilio.com/v1/Events',
  auth: [
    { type: 'basic', username: '{api_key}', password: '{api_secret}' },
    { type: 'basic', username: '{account_sid}', password: '{auth_token}' },
  ],
  first: { query: { StartDate: '{from}', EndDate: '{to}', PageSize: '{size}' } },
  requestTime: 'rfc3339_seconds',
  paging: { by: 'url', field: 'meta.next_page_url' },
  pageSize: { default: 1000, max: 1000 },
  results: 'events',
  id: ['sid'],
  time: { field: 'event_date', format: 'rfc3339' },
  mode: { kind: 'window', chunkMs: day, lagMs: 5 * minute, overlapMs: hour },
  pollMs: 60 * second,
  // 13 months; 30 days without a package.
  retentionMs: 396 * day,
} as const satisfies Preset;
