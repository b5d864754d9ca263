import { z } from 'zod';
import type { Preset } from './preset';
import { day, minute, second } from './units';

/** Ascending on request; `created:` counts whole seconds, and entries come late with no bound that GitHub names. */
export const github = {
  name: 'github',
  title: 'GitHub audit log',
  reference: 'https://docs.github.com/en/enterprise-cloud@latest/rest/orgs/orgs#get-the-audit-log-for-an-organization',
  settings: () => ({
    organization: z.string().min(1).optional().describe('Name of the organization. Or `enterprise`.'),
    enterprise: z.string().min(1).optional().describe('Slug of the enterprise.'),
    token: z.string().min(1).describe('A token with the scope `read:audit_log`.'),
    include: z.enum(['web', 'git', 'all']).default('all').describe('Which events: of the web, of Git, or both.'),
  }),
  endpoint: [
    'https://api.github.com/orgs/{organization}/audit-log',
    'https://api.github.com/enterprises/{enterprise}/audit-log',
  ],
  headers: { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' },
  auth: [{ type: 'headers', headers: { authorization: 'Bearer {token}' } }],
  first: { query: { phrase: 'created:>={from}', include: '{include}', order: 'asc', per_page: '{size}' } },
  requestTime: 'rfc3339_seconds',
  paging: { by: 'link' },
  pageSize: { default: 100, max: 100 },
  results: '',
  id: ['_document_id'],
  time: { field: '@timestamp', format: 'unix_ms' },
  mode: { kind: 'watermark', overlapMs: 10 * minute },
  pollMs: 60 * second,
  retentionMs: {
    setting: 'include',
    // Git events are kept for seven days, the others for 180.
    values: { git: 7 * day },
    otherwise: 180 * day,
  },
  // A refusal for too many requests at once may say so in words only.
  rate: { waitMs: minute, refusals: [{ status: 403, field: 'message', words: 'rate limit' }] },
  expired: [{ status: 400 }, { status: 422 }],
} as const satisfies Preset;
