import { z } from 'zod';
import type { Preset } from './preset';
import { day, minute, second } from './units';

/** The first body says where to start, each later one holds the cursor alone. A cursor is good for ever. */
export const onepassword = {
  name: 'onepassword',
  title: '1Password Events',
  reference: 'https://developer.1password.com/docs/events-api/reference',
  settings: () => ({
    feature: z
      .enum(['auditevents', 'itemusages', 'signinattempts'])
      .describe('Which events; the token must be made for them.'),
    host: z
      .enum(['events.1password.com', 'events.1password.ca', 'events.1password.eu', 'events.ent.1password.com'])
      .default('events.1password.com')
      .describe('Where the account is.'),
    token: z.string().min(1).describe('Bearer token of the Events Reporting integration.'),
  }),
  endpoint: 'https://{host}/api/v2/{feature}',
  method: 'POST',
  auth: [{ type: 'headers', headers: { authorization: 'Bearer {token}' } }],
  first: { body: { limit: '{size}', start_time: '{from}' } },
  next: { body: { cursor: '{cursor}' } },
  paging: { by: 'cursor', field: 'cursor', more: 'has_more' },
  pageSize: { default: 1000, max: 1000 },
  results: 'items',
  id: ['uuid'],
  time: { field: 'timestamp', format: 'rfc3339' },
  mode: { kind: 'cursor', restAt: 'no_more' },
  pollMs: 30 * second,
  retentionMs: 120 * day,
  // 600 a minute and 30,000 an hour are allowed: this keeps both. Shared by all integrations of the account.
  rate: { budget: { requests: 500, perMs: minute }, waitMs: minute },
  expired: [{ status: 400 }],
} as const satisfies Preset;
