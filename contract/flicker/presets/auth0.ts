import { z } from 'zod';
import { hostname, type SettingsMode } from '../../settings';
import type { Preset } from './preset';
import { day, minute, second } from './units';

/**
 * By checkpoint, which is the id of the last log. The first log is found by a search; behind it Auth0 wants its `next` links
 * followed. Logs are ordered by `log_id`, their dates are not. A checkpoint lives as long as its log, which depends on the plan.
 */
export const auth0 = {
  name: 'auth0',
  title: 'Auth0 tenant logs',
  reference: 'https://auth0.com/docs/api/management/v2/logs/get-logs',
  settings: (mode: SettingsMode) => ({
    domain: hostname(mode).describe("The tenant's own domain, not a custom one: `company.eu.auth0.com`."),
    client_id: z.string().min(1).describe('A machine-to-machine application with `read:logs`.'),
    client_secret: z.string().min(1).describe('Its secret.'),
  }),
  endpoint: 'https://{domain}/api/v2/logs',
  auth: [
    {
      type: 'client_credentials',
      tokenUrl: '/oauth/token',
      clientId: '{client_id}',
      clientSecret: '{client_secret}',
      send: 'form',
      params: { audience: 'https://{domain}/api/v2/' },
    },
  ],
  first: { query: { q: 'date:[{from} TO *]', sort: 'date:1', per_page: '100' } },
  next: { query: { from: '{cursor}', take: '{size}' } },
  paging: { by: 'last_id', field: 'log_id', first: 'least', link: true },
  pageSize: { default: 100, max: 100 },
  results: '',
  id: ['log_id'],
  time: { field: 'date', format: 'rfc3339' },
  mode: { kind: 'cursor', restAt: 'empty_page', overlapMs: 10 * minute, earlierMs: 10 * minute },
  pollMs: 30 * second,
  // Of the largest plan; smaller ones keep logs for days.
  retentionMs: 30 * day,
  expired: [{ status: 400 }],
} as const satisfies Preset;
