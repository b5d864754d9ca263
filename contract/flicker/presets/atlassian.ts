import { z } from 'zod';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

/** Newest first. `from` and `to` are repeated with the cursor. */
export const atlassian = {
  name: 'atlassian',
  title: 'Atlassian organization events',
  reference: 'https://developer.atlassian.com/cloud/admin/organization/rest/api-group-events/',
  experimental: true,
  settings: () => ({
    organization_id: z.string().min(1).describe('Id of the organization.'),
    api_key: z.string().min(1).describe('An API key of the organization.'),
  }),
  endpoint: 'https://api.atlassian.com/admin/v1/orgs/{organization_id}/events',
  auth: [{ type: 'headers', headers: { authorization: 'Bearer {api_key}' } }],
  first: { query: { from: '{from}', to: '{to}' } },
  next: { query: { from: '{from}', to: '{to}', cursor: '{cursor}' } },
  requestTime: 'unix_ms',
  paging: { by: 'cursor', field: 'meta.next' },
  // The API has no parameter for it in this form.
  pageSize: { default: 200, max: 200 },
  results: 'data',
  id: ['id'],
  time: { field: 'attributes.time', format: 'rfc3339' },
  mode: { kind: 'window', chunkMs: day, lagMs: 5 * minute, overlapMs: hour, exclusive: true },
  pollMs: 60 * second,
  retentionMs: 180 * day,
  expired: [{ status: 400 }],
} as const satisfies Preset;
