import { z } from 'zod';
import { hostname, text, type SettingsMode } from '../../settings';
import type { Preset } from './preset';
import { day, minute, second } from './units';

const isFieldList = (text: string) =>
  /^[\w.]+(?:, ?[\w.]+)*$/.test(text) && ['Id', 'CreatedDate'].every((name) => text.split(/, ?/).includes(name));

/** A query in SOQL for any object that has `Id` and `CreatedDate`, oldest first. */
export const salesforce = {
  name: 'salesforce',
  title: 'Salesforce records by CreatedDate',
  reference: 'https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm',
  experimental: true,
  settings: (mode: SettingsMode) => ({
    domain: hostname(mode).describe('My Domain of the organization: `company.my.salesforce.com`.'),
    client_id: z.string().min(1).describe('Consumer key of a connected app with the client credentials flow.'),
    client_secret: z.string().min(1).describe('Its consumer secret.'),
    object: text(mode, (value) => /^[A-Za-z]\w*$/.test(value), 'the name of an object, such as SetupAuditTrail')
      .default('SetupAuditTrail')
      .describe('Object to read.'),
    fields: text(mode, isFieldList, 'names of fields, separated by commas, with Id and CreatedDate among them')
      .default('Id, CreatedDate, Action, Section, Display, CreatedBy.Username, DelegateUser')
      .describe('Fields of the object; `Id` and `CreatedDate` must be among them.'),
  }),
  endpoint: 'https://{domain}/services/data/v62.0/query',
  auth: [
    {
      type: 'client_credentials',
      tokenUrl: '/services/oauth2/token',
      clientId: '{client_id}',
      clientSecret: '{client_secret}',
    },
  ],
  first: {
    query: {
      q: 'SELECT {fields} FROM {object} WHERE CreatedDate >= {from} ORDER BY CreatedDate ASC, Id ASC',
    },
  },
  paging: { by: 'url', field: 'nextRecordsUrl' },
  // Chosen by the server.
  pageSize: { default: 2000, max: 2000 },
  results: 'records',
  id: ['Id'],
  time: { field: 'CreatedDate', format: 'rfc3339' },
  mode: { kind: 'watermark', overlapMs: 10 * minute },
  pollMs: 60 * second,
  retentionMs: 180 * day,
  rate: { refusals: [{ status: 403, field: '0.errorCode', values: ['REQUEST_LIMIT_EXCEEDED'] }] },
  expired: [{ status: 400, field: '0.errorCode', values: ['INVALID_QUERY_LOCATOR'] }],
} as const satisfies Preset;
