import { z } from 'zod';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

/** Newest first, without an upper bound. */
export const terraformCloud = {
  name: 'terraform_cloud',
  title: 'Terraform Cloud audit trail',
  reference: 'https://developer.hashicorp.com/terraform/cloud-docs/api-docs/audit-trails',
  experimental: true,
  settings: () => ({
    token: z.string().min(1).describe('An audit trails token, or a token of the organization.'),
  }),
  endpoint: 'https://app.terraform.io/api/v2/organization/audit-trail',
  auth: [{ type: 'headers', headers: { authorization: 'Bearer {token}' } }],
  first: { query: { since: '{from}', 'page[number]': '1', 'page[size]': '{size}' } },
  next: { query: { since: '{from}', 'page[number]': '{cursor}', 'page[size]': '{size}' } },
  paging: { by: 'page', start: 1, next: 'pagination.next_page' },
  pageSize: { default: 1000, max: 1000 },
  results: 'data',
  id: ['id'],
  time: { field: 'timestamp', format: 'rfc3339' },
  mode: { kind: 'window', chunkMs: day, lagMs: 0, overlapMs: hour, exclusive: true },
  pollMs: 60 * second,
  retentionMs: 14 * day,
  rate: { waitMs: minute },
} as const satisfies Preset;
