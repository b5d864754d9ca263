import { presets } from '../../../../contract';
import { startVendor, type Answer, type Ask, type Vendor, type VendorRequest } from '../../../../dev/vendors/frame';
import { Harness } from '../sources/api/harness';
import { parsed, type PresetSourceInput } from './vendors';

// What Grove asks these vendors, and the documentation of each: two pages as the vendor sends them, and the requests that
// follow. The source starts at 10:00; it is polled at 12:00, and once more a minute later.

const START = '2026-03-01T10:00:00.250Z';
const NOW = Date.parse('2026-03-01T12:00:00.000Z');
const seconds = (time: string) => String(Date.parse(time) / 1000);
const ms = (time: string) => String(Date.parse(time));

interface Expected {
  readonly path?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface Case {
  readonly settings: object;
  /** Headers that every request carries. */
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
  readonly answers: (origin: string) => readonly [Omit<Answer, 'status'>, Omit<Answer, 'status'>];
  readonly requests: readonly [Expected, Expected];
  /** What the second poll asks; the first request with other times by default. */
  readonly again?: Expected;
  readonly ids: readonly unknown[];
  /** Grant of a token, and what it is asked with. */
  readonly token?: { readonly authorization: string; readonly form: unknown };
}

const page = (body: unknown) => ({ body });
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

const cases: Readonly<Record<string, Case>> = {
  atlassian: {
    settings: { organization_id: 'org', api_key: 'key' },
    headers: { authorization: 'Bearer key' },
    path: '/admin/v1/orgs/org/events',
    answers: () => [
      page({ data: [{ id: 'b', attributes: { time: '2026-03-01T11:02:00Z' } }], meta: { next: 'c1' } }),
      page({ data: [{ id: 'a', attributes: { time: '2026-03-01T11:01:00Z' } }], meta: {} }),
    ],
    requests: [
      { query: { from: ms('2026-03-01T09:59:59Z'), to: ms('2026-03-01T11:55:00Z') } },
      { query: { from: ms('2026-03-01T09:59:59Z'), to: ms('2026-03-01T11:55:00Z'), cursor: 'c1' } },
    ],
    ids: ['b', 'a'],
  },
  pagerduty: {
    settings: { token: 'key' },
    headers: { authorization: 'Token token=key', accept: 'application/vnd.pagerduty+json;version=2' },
    path: '/audit/records',
    answers: () => [
      page({ records: [{ id: 'b', execution_time: '2026-03-01T11:02:00Z' }], next_cursor: 'c1', limit: 100 }),
      page({ records: [{ id: 'a', execution_time: '2026-03-01T11:01:00Z' }], next_cursor: null, limit: 100 }),
    ],
    requests: [
      { query: { since: '2026-03-01T09:59:59.000Z', until: '2026-03-01T11:55:00.000Z', limit: '100' } },
      { query: { since: '2026-03-01T09:59:59.000Z', until: '2026-03-01T11:55:00.000Z', limit: '100', cursor: 'c1' } },
    ],
    ids: ['b', 'a'],
  },
  zoom: {
    settings: { report: 'operationlogs', account_id: 'acc', client_id: 'id', client_secret: 'secret' },
    token: { authorization: basic('id:secret'), form: { grant_type: 'account_credentials', account_id: 'acc' } },
    headers: { authorization: 'Bearer access' },
    path: '/v2/report/operationlogs',
    answers: () => [
      page({
        operation_logs: [
          { operator: 'o', action: 'b', time: '2026-03-01T11:02:00Z' },
          // Of the day, but before the window.
          { operator: 'o', action: 'old', time: '2026-03-01T08:00:00Z' },
        ],
        next_page_token: 'c1',
      }),
      page({ operation_logs: [{ operator: 'o', action: 'a', time: '2026-03-01T11:01:00Z' }], next_page_token: '' }),
    ],
    requests: [
      { query: { from: '2026-03-01', to: '2026-03-01', page_size: '300' } },
      { query: { from: '2026-03-01', to: '2026-03-01', page_size: '300', next_page_token: 'c1' } },
    ],
    again: { query: { from: '2026-03-01', to: '2026-03-01', page_size: '300' } },
    ids: [expect.any(String), expect.any(String)],
  },
  terraform_cloud: {
    settings: { token: 'key' },
    headers: { authorization: 'Bearer key' },
    path: '/api/v2/organization/audit-trail',
    answers: () => [
      page({
        data: [{ id: 'b', timestamp: '2026-03-01T11:02:00.000Z' }],
        pagination: { current_page: 1, next_page: 2 },
      }),
      page({
        data: [{ id: 'a', timestamp: '2026-03-01T11:01:00.000Z' }],
        pagination: { current_page: 2, next_page: null },
      }),
    ],
    requests: [
      { query: { since: '2026-03-01T09:59:59.000Z', 'page[number]': '1', 'page[size]': '1000' } },
      { query: { since: '2026-03-01T09:59:59.000Z', 'page[number]': '2', 'page[size]': '1000' } },
    ],
    ids: ['b', 'a'],
  },
  launchdarkly: {
    settings: { token: 'key' },
    headers: { authorization: 'key' },
    path: '/api/v2/auditlog',
    answers: () => [
      page({
        items: [{ _id: 'b', date: Date.parse('2026-03-01T11:02:00Z') }],
        _links: { next: { href: '/api/v2/auditlog?after=1&before=2&limit=20' } },
      }),
      page({ items: [{ _id: 'a', date: Date.parse('2026-03-01T11:01:00Z') }], _links: { self: { href: '/' } } }),
    ],
    requests: [
      { query: { after: ms('2026-03-01T09:59:59Z'), before: ms('2026-03-01T11:59:00Z'), limit: '20' } },
      { query: { after: '1', before: '2', limit: '20' } },
    ],
    ids: ['b', 'a'],
  },
  tines: {
    settings: { domain: 'company.tines.com', token: 'key' },
    headers: { authorization: 'Bearer key' },
    path: '/api/v1/audit_logs',
    answers: () => [
      page({ audit_logs: [{ id: 2, created_at: '2026-03-01T11:02:00Z' }], meta: { next_page_number: 2 } }),
      page({ audit_logs: [{ id: 1, created_at: '2026-03-01T11:01:00Z' }], meta: { next_page_number: null } }),
    ],
    requests: [
      { query: { after: '2026-03-01T09:59:59Z', before: '2026-03-01T11:59:00Z', per_page: '500' } },
      { query: { after: '2026-03-01T09:59:59Z', before: '2026-03-01T11:59:00Z', per_page: '500', page: '2' } },
    ],
    ids: ['2', '1'],
  },
  dropbox: {
    settings: { app_key: 'id', app_secret: 'secret', refresh_token: 'refresh' },
    token: { authorization: basic('id:secret'), form: { grant_type: 'refresh_token', refresh_token: 'refresh' } },
    headers: { authorization: 'Bearer access', 'content-type': 'application/json' },
    path: '/2/team_log/get_events',
    answers: () => [
      page({ events: [{ timestamp: '2026-03-01T11:01:00Z', n: 1 }], cursor: 'c1', has_more: true }),
      page({ events: [{ timestamp: '2026-03-01T11:02:00Z', n: 2 }], cursor: 'c2', has_more: false }),
    ],
    requests: [
      { body: { limit: 1000, time: { start_time: '2026-03-01T10:00:00Z' } } },
      { path: '/2/team_log/get_events/continue', body: { cursor: 'c1' } },
    ],
    again: { path: '/2/team_log/get_events/continue', body: { cursor: 'c2' } },
    ids: [expect.any(String), expect.any(String)],
  },
  stripe: {
    settings: { api_key: 'key' },
    headers: { authorization: 'Bearer key' },
    path: '/v1/events',
    answers: () => [
      page({ data: [{ id: 'evt_b', created: Date.parse('2026-03-01T11:02:00Z') / 1000 }], has_more: true }),
      page({ data: [{ id: 'evt_a', created: Date.parse('2026-03-01T11:01:00Z') / 1000 }], has_more: false }),
    ],
    requests: [
      {
        query: {
          'created[gte]': seconds('2026-03-01T10:00:00Z'),
          'created[lt]': seconds('2026-03-01T11:59:00Z'),
          limit: '100',
        },
      },
      {
        query: {
          'created[gte]': seconds('2026-03-01T10:00:00Z'),
          'created[lt]': seconds('2026-03-01T11:59:00Z'),
          limit: '100',
          starting_after: 'evt_b',
        },
      },
    ],
    ids: ['evt_b', 'evt_a'],
  },
  twilio: {
    settings: { api_key: 'SK', api_secret: 'secret' },
    headers: { authorization: basic('SK:secret') },
    path: '/v1/Events',
    answers: (origin) => [
      page({
        events: [{ sid: 'AEb', event_date: '2026-03-01T11:02:00Z' }],
        meta: { next_page_url: `${origin}/v1/Events?PageSize=1000&Page=1&PageToken=PAAE` },
      }),
      page({ events: [{ sid: 'AEa', event_date: '2026-03-01T11:01:00Z' }], meta: { next_page_url: null } }),
    ],
    requests: [
      { query: { StartDate: '2026-03-01T10:00:00Z', EndDate: '2026-03-01T11:55:00Z', PageSize: '1000' } },
      { query: { PageSize: '1000', Page: '1', PageToken: 'PAAE' } },
    ],
    ids: ['AEb', 'AEa'],
  },
  zendesk: {
    settings: { subdomain: 'company', email: 'admin@example.com', token: 'key' },
    headers: { authorization: basic('admin@example.com/token:key') },
    path: '/api/v2/audit_logs',
    answers: () => [
      page({
        audit_logs: [{ id: 1, created_at: '2026-03-01T11:01:00Z' }],
        meta: { has_more: true, after_cursor: 'c1' },
      }),
      page({
        audit_logs: [{ id: 2, created_at: '2026-03-01T11:02:00Z' }],
        meta: { has_more: false, after_cursor: 'c2' },
      }),
    ],
    requests: [
      {
        query: {
          'filter[created_at][]': '2026-03-01T10:00:00Z..2026-03-01T11:59:00Z',
          sort: 'created_at',
          'page[size]': '100',
        },
      },
      {
        query: {
          'filter[created_at][]': '2026-03-01T10:00:00Z..2026-03-01T11:59:00Z',
          sort: 'created_at',
          'page[size]': '100',
          'page[after]': 'c1',
        },
      },
    ],
    ids: ['1', '2'],
  },
  salesforce: {
    settings: { domain: 'company.my.salesforce.com', client_id: 'id', client_secret: 'secret' },
    token: { authorization: basic('id:secret'), form: { grant_type: 'client_credentials' } },
    headers: { authorization: 'Bearer access' },
    path: '/services/data/v62.0/query',
    answers: () => [
      page({
        done: false,
        nextRecordsUrl: '/services/data/v62.0/query/01g-1',
        records: [{ Id: 'a', CreatedDate: '2026-03-01T11:01:00.000+0000' }],
      }),
      page({ done: true, records: [{ Id: 'b', CreatedDate: '2026-03-01T11:02:00.000+0000' }] }),
    ],
    requests: [
      { query: { q: soql('2026-03-01T09:59:59.250Z') } },
      { path: '/services/data/v62.0/query/01g-1', query: {} },
    ],
    again: { query: { q: soql('2026-03-01T09:59:59.250Z') } },
    ids: ['a', 'b'],
  },
};

function soql(from: string): string {
  const fields = 'Id, CreatedDate, Action, Section, Display, CreatedBy.Username, DelegateUser';
  return `SELECT ${fields} FROM SetupAuditTrail WHERE CreatedDate >= ${from} ORDER BY CreatedDate ASC, Id ASC`;
}

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

/** A server that answers what it is told to answer next, and then this. */
async function scripted(answer: (ask: Ask) => Answer): Promise<Vendor<never>> {
  const vendor = await startVendor<never, never>(
    { now: () => NOW },
    {
      limitPerWindow: 1000,
      windowMs: 60_000,
      limited: () => ({ status: 429, body: {} }),
      answer,
      create: () => {
        throw new Error('it answers from a script');
      },
    },
  );
  open.push(vendor);
  return vendor;
}

it('covers every experimental preset', () => {
  const experimental = presets.filter((preset) => preset.experimental).map(({ name }) => name);
  expect(Object.keys(cases).sort()).toEqual([...experimental].sort());
});

describe.each(Object.entries(cases))('%s', (name, one) => {
  it('is asked as its vendor wants', async () => {
    const tokens: Ask[] = [];
    const issuer = await scripted((ask) => {
      tokens.push(ask);
      return { status: 200, body: { access_token: 'access', expires_in: 3600 } };
    });
    const vendor = await scripted(() => ({ status: 404, body: {} }));
    const { origin } = vendor;
    const input = {
      name: 'api',
      preset: name,
      ...one.settings,
      endpoint: `${origin}${one.path}`,
      ...(one.token && { token_url: `${issuer.origin}/token` }),
      start_from: START,
    };
    const source = new Harness(parsed(input as PresetSourceInput), undefined, NOW);
    open.push({ stop: () => source.close() });
    await source.start();
    const [first, second] = one.answers(origin).map((answer) => ({ status: 200, ...answer }));
    if (!first || !second) throw new Error('two pages are needed');
    const pages = () => vendor.requests;

    vendor.fail(first, second, { status: 429, headers: { 'Retry-After': 30 }, body: {} });
    // A window may be read again at once.
    const limited = (error: Error) => expect(error.message).toContain('limits the rate of requests (429');
    await source.poll().catch(limited);
    expect(pages().slice(0, 2).map(shown)).toEqual(one.requests.map((expected) => ({ path: one.path, ...expected })));
    for (const { headers } of pages()) expect(headers).toMatchObject(one.headers);
    expect(source.shipped.map(({ id }) => id)).toEqual(one.ids);
    if (one.token) {
      const [asked] = tokens;
      expect(asked?.headers.authorization).toBe(one.token.authorization);
      expect(asked?.body).toEqual(one.token.form);
    }

    // Then the first request comes again with other times, or the source goes on where the cursor says.
    source.time += 60_000;
    if (pages().length === 2) await source.poll().catch(limited);
    const [third] = pages().slice(2).map(shown);
    const [expected] = one.requests;
    if (one.again) expect(third).toEqual({ path: one.path, ...one.again });
    else {
      expect(third?.path).toBe(one.path);
      expect(Object.keys(third?.query ?? {})).toEqual(Object.keys(expected.query ?? {}));
    }
  });
});

/** A request as the cases write it. A parameter given several times is one text. */
function shown({ url, body }: VendorRequest): Expected {
  const query: Record<string, string> = {};
  for (const [key, value] of url.searchParams) query[key] = key in query ? `${query[key]}..${value}` : value;
  return { path: url.pathname, ...(body === undefined ? { query } : { body }) };
}
