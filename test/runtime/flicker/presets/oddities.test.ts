import { flickerEvents, presets } from '../../../../contract';
import { failureAs200 } from '../../../../dev/vendors/cloudflare';
import type { Answer, VendorOptions } from '../../../../dev/vendors/frame';
import { secondaryLimit, secondaryLimitInWords } from '../../../../dev/vendors/github';
import { quotaExceeded } from '../../../../dev/vendors/google-workspace';
import { tooManyAtOnce } from '../../../../dev/vendors/okta';
import { Bench, cases, NOW } from './vendors';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const open: Bench[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

/** A source of this vendor that has started, with events that it has not read yet. */
async function behind(
  name: string,
  { events = 25, ...options }: Omit<VendorOptions, 'now'> & { events?: number; emptyPages?: number } = {},
  input: object = {},
): Promise<Bench> {
  const one = cases.find((other) => other.name === name);
  if (!one) throw new Error(`there is no case ${name}`);
  const b = await Bench.open(one, options, input);
  open.push(b);
  await b.source.start();
  b.advance(MINUTE);
  b.vendor.append(events);
  b.advance(one.lagMs + 1000);
  return b;
}

const sorted = (ids: readonly string[]) => [...ids].sort();
const gaps = ({ source }: Bench) => source.log.filter(({ event }) => event === flickerEvents.gap);
const forbidden: Answer = { status: 403, body: { message: 'no', error: { errors: [{ reason: 'forbidden' }] } } };

async function arrivesInFull(b: Bench): Promise<void> {
  await b.drain();
  expect(sorted(b.shipped)).toEqual(sorted(b.ids()));
}

describe('what a vendor answers', () => {
  it.each<[string, Answer, number]>([
    ['okta', tooManyAtOnce(Date.parse('2026-03-01T12:01:31Z')), 30_000],
    ['github', secondaryLimit, 60_000],
    ['github', secondaryLimitInWords, 60_000],
    ['google_workspace', quotaExceeded('userRateLimitExceeded'), 5000],
    ['google_workspace', quotaExceeded('quotaExceeded'), 5000],
    ['google_workspace', { status: 503, body: {} }, 5000],
    ['cloudflare', { status: 429, body: {} }, 300_000],
    ['onepassword', { status: 429, body: {} }, 60_000],
    ['slack', { status: 429, headers: { 'Retry-After': 7 }, body: { ok: false, error: 'rate_limited' } }, 7000],
  ])('when it limits the rate, %s', async (name, answer, waitMs) => {
    const b = await behind(name);
    await b.source.fill();
    b.vendor.fail(answer);
    const failure = await b.source.fill().catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: expect.stringContaining('limits the rate') });
    const { retryAfterMs } = failure as { retryAfterMs?: number };
    expect(retryAfterMs).toBeGreaterThanOrEqual(waitMs);
    expect(retryAfterMs).toBeLessThanOrEqual(waitMs + 1000);
    b.advance(waitMs + 1000);
    await arrivesInFull(b);
  });

  it.each<[string, Answer]>([
    ['onepassword', { status: 429, body: {} }],
    ['github', secondaryLimitInWords],
  ])('when it says nothing about how long, the wait doubles: %s', async (name, answer) => {
    const b = await behind(name);
    const waits: unknown[] = [];
    for (let n = 0; n < 3; n++) {
      b.vendor.fail(answer);
      const failure = (await b.source.fill().catch((error: unknown) => error)) as { retryAfterMs: number };
      waits.push(failure.retryAfterMs);
      b.advance(failure.retryAfterMs);
    }
    expect(waits).toEqual([60_000, 120_000, 240_000]);
    await arrivesInFull(b);
  });

  it.each(['github', 'google_workspace', 'slack'])('a 403 for good of %s is no rate limit', async (name) => {
    const b = await behind(name);
    await b.source.fill();
    b.vendor.fail(forbidden);
    await expect(b.source.fill()).rejects.toThrow(/answered 403.*: check the credentials/);
  });

  it('a 404 is of what the settings name, as nobody has written an endpoint', async () => {
    const b = await behind('github');
    b.vendor.fail({ status: 404, body: { message: 'Not Found' } });
    await expect(b.source.fill()).rejects.toThrow(/answered 404: check the settings of the source, and what its cred/);
  });

  it('an error in the clothes of a 200 is an error', async () => {
    const b = await behind('cloudflare');
    b.vendor.fail(failureAs200);
    await expect(b.source.fill()).rejects.toThrow('answered 200, 10000');
    const slack = await behind('slack');
    slack.vendor.fail({ status: 200, body: { ok: false, error: 'feature_not_enabled' } });
    await expect(slack.source.fill()).rejects.toThrow('answered 200, feature_not_enabled');
    await arrivesInFull(b);
    await arrivesInFull(slack);
  });

  it.each(['okta', 'github'])('a next link of %s to another host is not followed', async (name) => {
    const b = await behind(name);
    b.vendor.fail({ status: 200, headers: { Link: '<https://evil.example/?after=x>; rel="next"' }, body: [] });
    await expect(b.source.fill()).rejects.toThrow('the next page of');
    expect(b.source.shipped).toEqual([]);
    await arrivesInFull(b);
  });

  it.each(['slack', 'cloudflare'])('a cursor of %s that does not move ends the walk', async (name) => {
    const b = await behind(name, { events: 0 });
    const stuck = { entries: [], result: [], success: true, response_metadata: { next_cursor: 'same' } };
    const answer = { status: 200, body: { ...stuck, result_info: { cursors: { after: 'same' } } } };
    b.vendor.fail(...Array.from({ length: 20 }, () => answer));
    await b.source.poll();
    expect(b.vendor.requests.length).toBeLessThan(10);
  });
});

describe('what a vendor is asked', () => {
  it('Okta: everything after empty pages, and one request a poll when there is nothing new', async () => {
    const b = await behind('okta', { emptyPages: 0.4, events: 60 });
    await arrivesInFull(b);
    const calm = await behind('okta', { emptyPages: 0, events: 5 });
    for (let polls = 0; polls < 4; polls++) await calm.source.poll();
    expect(calm.vendor.requests.map(({ query }) => Object.keys(query))).toEqual([
      ['since', 'sortOrder', 'limit'],
      ...Array.from({ length: 3 }, () => ['sortOrder', 'limit', 'after']),
    ]);
  });

  it('Slack: both bounds with every cursor', async () => {
    const b = await behind('slack');
    await arrivesInFull(b);
    expect(b.vendor.requests.some(({ query }) => query['cursor'] !== undefined)).toBe(true);
    for (const { query } of b.vendor.requests)
      expect(query).toMatchObject({ oldest: expect.stringMatching(/^\d+$/), latest: expect.stringMatching(/^\d+$/) });
  });

  it('Google: windows of an hour, and late ones every quarter of an hour', async () => {
    const start_from = new Date(NOW - 8 * 60 * MINUTE).toISOString();
    const b = await behind('google_workspace', { events: 0 }, { start_from, window_ms: undefined });
    for (let polls = 0; polls < 30; polls++) {
      await b.source.poll();
      b.advance(MINUTE);
    }
    const windows = b.vendor.requests.flatMap(({ query: { startTime, endTime } }) =>
      startTime && endTime ? Date.parse(endTime) - Date.parse(startTime) : [],
    );
    expect(Math.max(...windows)).toBe(60 * MINUTE);
    // 8 of the past, 30 new ones, and twice the last six hours.
    expect(windows.length).toBeGreaterThan(8 + 30);
    expect(windows.length).toBeLessThan(8 + 30 + 3 * 7);
  });

  it('Auth0: one log by search, all others by checkpoint alone', async () => {
    const b = await behind('auth0');
    await arrivesInFull(b);
    const [token, search, ...rest] = b.vendor.requests.map(({ query }) => Object.keys(query));
    expect([token, search]).toEqual([[], ['q', 'sort', 'per_page']]);
    expect(rest.every((names) => names.join() === 'from,take')).toBe(true);
  });

  it('Auth0: the link that a checkpoint has, as it is', async () => {
    const b = await behind('auth0', { events: 3 });
    await b.source.poll();
    const link = `${b.vendor.requests[1]?.url.origin}/api/v2/logs?from=x&take=7&other=1`;
    b.vendor.fail({ status: 200, headers: { Link: `<${link}>; rel="next"` }, body: [] });
    await b.source.poll();
    await b.source.restart();
    await expect(b.source.poll()).rejects.toThrow('refused the page');
    expect(b.vendor.requests.at(-1)?.url.href).toBe(link);
  });

  it('Auth0: the search finds the first log, though dates are not in the order of ids', async () => {
    const b = await behind('auth0', { events: 0, limitPerWindow: 1000 });
    b.advance(10 * MINUTE);
    b.vendor.append(1, NOW - 5 * MINUTE);
    b.vendor.append(1, NOW + 2 * MINUTE);
    b.vendor.append(150, NOW + 1000);
    b.vendor.append(150, NOW + 3 * MINUTE);
    await b.source.poll();
    expect(sorted(b.shipped)).toEqual(sorted(b.ids().slice(1)));
  });

  it('1Password: the cursor alone, also that of the last page', async () => {
    const b = await behind('onepassword');
    await arrivesInFull(b);
    const [first, ...rest] = b.vendor.requests.map(({ body }) => Object.keys(body as object));
    expect(first).toEqual(['limit', 'start_time']);
    expect(rest.length).toBeGreaterThan(3);
    expect(rest.every((names) => names.join() === 'cursor')).toBe(true);
    const polled = await behind('onepassword', { events: 20 });
    await polled.source.poll();
    expect(polled.shipped).toHaveLength(20);
    expect(polled.vendor.requests.map(({ answer }) => Reflect.get(answer as object, 'has_more'))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('GitHub and Cloudflare: ascending, GitHub in whole seconds, with Git', async () => {
    const github = await behind('github');
    await arrivesInFull(github);
    expect(github.vendor.requests[0]?.query).toEqual({
      phrase: expect.stringMatching(/^created:>=2026-03-01T11:59:59Z$/),
      include: 'all',
      order: 'asc',
      per_page: '10',
    });
    expect(github.vendor.requests[0]?.headers).toMatchObject({
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
      'user-agent': 'flicker',
    });
    const cloudflare = await behind('cloudflare');
    await arrivesInFull(cloudflare);
    for (const { query } of cloudflare.vendor.requests)
      expect(query).toMatchObject({
        since: expect.stringMatching(/Z$/),
        before: expect.stringMatching(/Z$/),
        direction: 'asc',
      });
  });

  it('Okta: all pages of a link that was made with another page size', async () => {
    const b = await behind('okta', { emptyPages: 0 });
    await b.source.fill();
    await b.restart({ page_size: 1000 });
    await b.source.poll();
    expect(sorted(b.shipped)).toEqual(sorted(b.ids()));
  });

  it('Okta: no last request of a rate limit', async () => {
    const b = await behind('okta');
    await b.source.fill();
    b.vendor.exhaust(2);
    await b.source.fill();
    const asked = b.pages;
    await expect(b.source.fill()).rejects.toThrow('limits the rate of requests until');
    expect(b.pages).toBe(asked);
  });

  it.each([
    ['slack', 'latest', MINUTE],
    ['google_workspace', 'endTime', 15 * MINUTE],
    ['google_workspace, of a slow application', 'endTime', 180 * MINUTE],
    ['cloudflare', 'before', 5 * MINUTE],
    ['cloudflare_v1', 'before', 5 * MINUTE],
  ])('%s: nothing that is so young that more of its time may come', async (name, parameter, lagMs) => {
    const b = await behind(name, { events: 0 });
    await b.source.poll();
    const asked = b.vendor.requests.flatMap(({ query }) => query[parameter] ?? []);
    const newest = asked.map((text) => (/^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text)));
    expect(newest.length).toBeGreaterThan(0);
    for (const time of newest) expect([time > b.now - lagMs - 1000, time <= b.now - lagMs]).toEqual([true, true]);
  });

  it.each(cases.filter(({ variant }) => !variant).map(({ name }) => name))(
    '%s: no larger page than it has, whatever a config may say',
    async (name) => {
      const max = presets.find((preset) => preset.name === name)?.pageSize.max;
      const b = await behind(name, {}, { page_size: max });
      await b.source.poll();
      expect(new Set(b.statuses)).toEqual(new Set([200]));
    },
  );

  it.each([
    // No more than 30,000 in an hour either.
    ['onepassword', 30_000 / 60],
    ['cloudflare', 1200],
  ])('%s: counted, where its answers do not say what remains, over restarts too', async (name, allowed) => {
    const b = await behind(name);
    const remaining = () => Reflect.get(b.source.position, 'rate');
    await b.source.fill();
    expect(remaining()).toMatchObject({ remaining: allowed - 1 });
    await b.source.restart();
    await b.source.fill();
    expect(remaining()).toMatchObject({ remaining: allowed - 2 });
    b.advance(5 * MINUTE);
    await b.source.fill();
    expect(remaining()).toMatchObject({ remaining: allowed - 1 });
  });
});

it.each(['okta', 'auth0', 'onepassword'])(
  '%s at another address goes on shortly before the newest event',
  async (name) => {
    const b = await behind(name, { events: 5 });
    await b.drain();
    // For longer than ids are remembered.
    b.advance(29 * DAY);
    b.vendor.append(3);
    await b.drain();
    b.vendor.append(2);
    const { origin, pathname } = new URL(b.vendor.requests.at(-1)?.url ?? '');
    await b.restart({ endpoint: `${origin.replace('127.0.0.1', 'localhost')}${pathname}` });
    await arrivesInFull(b);
  },
);

describe('the edges of windows', () => {
  it.each(['slack', 'google_workspace', 'cloudflare', 'cloudflare_v1'])(
    '%s: an event of exactly that time comes once',
    async (name) => {
      const b = await behind(name, { events: 0 }, { start_from: '2026-03-01T08:00:00Z', window_ms: 10 * MINUTE });
      const edge = Date.parse('2026-03-01T08:10:00Z');
      for (let n = 0; n < 6; n++) b.vendor.append(2, edge + n * 10 * MINUTE);
      await b.source.restart();
      await b.source.poll();
      expect(sorted(b.shipped)).toEqual(sorted(b.ids()));
    },
  );
});

it('more events than can be remembered: the time of which late ones are not read is a gap, told once', async () => {
  const b = await behind('cloudflare', { events: 10_001 }, { page_size: 1000 });
  b.vendor.append(10);
  b.advance(6 * MINUTE);
  await b.source.poll();
  await b.source.poll();
  expect(gaps(b)).toEqual([
    expect.objectContaining({ message: expect.stringMatching(/no late ones are read; raise `lag_ms`$/) }),
  ]);
  expect(b.shipped).toHaveLength(10_011);
});

describe('the limits of what a vendor keeps', () => {
  it.each(['okta', 'github', 'google_workspace', 'cloudflare', 'onepassword', 'slack', 'auth0'])(
    '%s: "beginning" asks for nothing older, and is not refused',
    async (name) => {
      const b = await behind(name, { events: 5 }, { start_from: 'beginning' });
      for (let fills = 0; fills < 3; fills++) await b.source.fill();
      expect(new Set(b.statuses)).toEqual(new Set([200]));
    },
  );

  it('being away for longer than that is a gap', async () => {
    const b = await behind('cloudflare', { events: 5 });
    await arrivesInFull(b);
    b.advance(600 * DAY);
    await b.source.restart();
    await b.source.fill();
    expect(gaps(b)).toEqual([expect.objectContaining({ fields: expect.objectContaining({ source: 'api' }) })]);
  });
});
