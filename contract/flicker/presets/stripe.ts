import { z } from 'zod';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

/** Newest first; a page begins after the id of the last event of the page before. */
export const stripe = {
  name: 'stripe',
  title: 'Stripe events',
  reference: 'https://docs.stripe.com/api/events/list',
  experimental: true,
  settings: () => ({
    api_key: z.string().min(1).describe('A restricted key that may read events.'),
  }),
  endpoint: 'https://api.stripe.com/v1/events',
  auth: [{ type: 'headers', headers: { authorization: 'Bearer {api_key}' } }],
  first: { query: { 'created[gte]': '{from}', 'created[lt]': '{to}', limit: '{size}' } },
  next: { query: { 'created[gte]': '{from}', 'created[lt]': '{to}', limit: '{size}', starting_after: '{cursor}' } },
  requestTime: 'unix',
  paging: { by: 'last_id', field: 'id', more: 'has_more' },
  pageSize: { default: 100, max: 100 },
  results: 'data',
  id: ['id'],
  time: { field: 'created', format: 'unix' },
  mode: { kind: 'window', chunkMs: day, lagMs: minute, overlapMs: hour },
  pollMs: 60 * second,
  retentionMs: 30 * day,
  expired: [{ status: 400 }],
} as const satisfies Preset;
