import { z } from 'zod';
import type { Preset } from './preset';
import { day, minute, second } from './units';

/** Oldest first, by cursor, from another address for every page but the first. Events have no id. */
export const dropbox = {
  name: 'dropbox',
  title: 'Dropbox team log',
  reference: 'https://www.dropbox.com/developers/documentation/http/teams#team_log-get_events',
  experimental: true,
  settings: () => ({
    refresh_token: z.string().min(1).optional().describe('Refresh token of a team app with `events.read`.'),
    app_key: z.string().min(1).optional().describe('Key of the app.'),
    app_secret: z.string().min(1).optional().describe('Secret of the app.'),
    token: z.string().min(1).optional().describe('Instead of the three: an access token that does not expire.'),
  }),
  endpoint: 'https://api.dropboxapi.com/2/team_log/get_events',
  method: 'POST',
  auth: [
    {
      type: 'client_credentials',
      tokenUrl: 'https://api.dropboxapi.com/oauth2/token',
      clientId: '{app_key}',
      clientSecret: '{app_secret}',
      grant: 'refresh_token',
      params: { refresh_token: '{refresh_token}' },
    },
    { type: 'headers', headers: { authorization: 'Bearer {token}' } },
  ],
  first: { body: { limit: '{size}', time: { start_time: '{from}' } } },
  next: { path: 'get_events/continue', body: { cursor: '{cursor}' } },
  requestTime: 'rfc3339_seconds',
  paging: { by: 'cursor', field: 'cursor', more: 'has_more' },
  pageSize: { default: 1000, max: 1000 },
  results: 'events',
  time: { field: 'timestamp', format: 'rfc3339' },
  mode: { kind: 'cursor', restAt: 'no_more', overlapMs: 10 * minute },
  pollMs: 60 * second,
  retentionMs: 730 * day,
  expired: [{ status: 409, field: 'error..tag', values: ['reset', 'bad_cursor'] }, { status: 400 }],
} as const satisfies Preset;
