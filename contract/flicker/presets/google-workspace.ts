import { z } from 'zod';
import { text, type SettingsMode } from '../../settings';
import type { Preset } from './preset';
import { day, hour, minute, second } from './units';

const quota = ['rateLimitExceeded', 'userRateLimitExceeded', 'quotaExceeded'];

/** Newest first and never otherwise. Activities come late, by how much depends on the application; some come days late. */
export const googleWorkspace = {
  name: 'google_workspace',
  title: 'Google Workspace activity reports',
  reference: 'https://developers.google.com/workspace/admin/reports/reference/rest/v1/activities/list',
  settings: (mode: SettingsMode) => ({
    application: text(
      mode,
      (value) => /^[a-z_]+$/.test(value),
      'an application of the Reports API, such as login, admin or drive',
    ).describe('Whose activities: `login`, `admin`, `drive`, `token`, `saml`, `groups`, `calendar`, `gmail`, …'),
    service_account_key: z.string().min(1).describe('The JSON key of a service account with domain-wide delegation.'),
    subject: z.string().min(1).describe('E-mail address of the administrator it acts for.'),
  }),
  endpoint: 'https://admin.googleapis.com/admin/reports/v1/activity/users/all/applications/{application}',
  auth: [
    {
      type: 'google_service_account',
      key: '{service_account_key}',
      subject: '{subject}',
      scope: 'https://www.googleapis.com/auth/admin.reports.audit.readonly',
    },
  ],
  first: { query: { startTime: '{from}', endTime: '{to}', maxResults: '{size}' } },
  next: { query: { startTime: '{from}', endTime: '{to}', maxResults: '{size}', pageToken: '{cursor}' } },
  paging: { by: 'cursor', field: 'nextPageToken' },
  pageSize: { default: 1000, max: 1000 },
  results: 'items',
  resultsMayBeMissing: true,
  id: ['id.time', 'id.uniqueQualifier', 'id.applicationName'],
  time: { field: 'id.time', format: 'rfc3339' },
  mode: {
    kind: 'window',
    chunkMs: hour,
    lagMs: {
      setting: 'application',
      values: { calendar: 3 * hour, groups: 3 * hour, saml: 3 * hour, token: 3 * hour, user_accounts: 3 * hour },
      otherwise: 15 * minute,
    },
    overlapMs: {
      setting: 'application',
      values: { calendar: day, groups: day, saml: day, token: day, user_accounts: day },
      otherwise: 6 * hour,
    },
    rereadMs: 15 * minute,
  },
  pollMs: 60 * second,
  retentionMs: 180 * day,
  rate: {
    waitMs: 5 * second,
    refusals: [{ status: 403, field: 'error.errors.0.reason', values: quota }, { status: 503 }],
  },
  expired: [{ status: 400 }],
} as const satisfies Preset;
