import { z } from 'zod';
import { hostname, type SettingsMode } from '../../settings';
import type { Preset } from './preset';
import { day, second } from './units';

/** Polling requests: everything in the order in which it was persisted, with a `next` link that never ends. */
export const okta = {
  name: 'okta',
  title: 'Okta System Log',
  reference: 'https://developer.okta.com/docs/api/openapi/okta-management/management/tags/systemlog',
  settings: (mode: SettingsMode) => ({
    domain: hostname(mode).describe('The domain of the organization: `company.okta.com`.'),
    token: z.string().min(1).optional().describe('An API token of a user who may read the log. Or the three below.'),
    client_id: z.string().min(1).optional().describe('A service app with the scope `okta.logs.read`.'),
    private_key: z.string().min(1).optional().describe('Its private key, PKCS #8 PEM or JWK.'),
    key_id: z.string().min(1).optional().describe('The `kid` of the key, when the app has several.'),
  }),
  endpoint: 'https://{domain}/api/v1/logs',
  auth: [
    { type: 'headers', headers: { authorization: 'SSWS {token}' } },
    {
      type: 'private_key_jwt',
      tokenUrl: '/oauth2/v1/token',
      clientId: '{client_id}',
      privateKey: '{private_key}',
      keyId: '{key_id}',
      params: { scope: 'okta.logs.read' },
    },
  ],
  first: { query: { since: '{from}', sortOrder: 'ASCENDING', limit: '{size}' } },
  paging: { by: 'link' },
  pageSize: { default: 1000, max: 1000 },
  results: '',
  id: ['uuid'],
  time: { field: 'published', format: 'rfc3339' },
  mode: { kind: 'cursor', restAt: 'short_page' },
  pollMs: 30 * second,
  retentionMs: 90 * day,
  // One token has half of the limit; the rest belongs to other clients of the organization.
  rate: { headers: { remaining: 'x-rate-limit-remaining', reset: 'x-rate-limit-reset' }, reserve: 1 },
  expired: [{ status: 400 }],
} as const satisfies Preset;
