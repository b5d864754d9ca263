import { flickerEvents } from '../../../../../contract/flicker';
import { startOkta, type Okta, type OktaOptions } from '../../../../../dev/vendors/okta';
import { startPages, type Pages, type PagesOptions } from '../../../../../dev/vendors/pages';
import { REMEMBERED } from '../../../../../runtime/flicker/sources/api/window';
import { apiConfig, Harness } from './harness';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const open: { stop?(): Promise<void>; close?(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await (one.stop?.() ?? one.close?.());
});

async function serve(options?: PagesOptions): Promise<Pages> {
  const pages = await startPages(options);
  open.push(pages);
  return pages;
}

function run(
  config: Parameters<typeof apiConfig>[0],
  batch?: ConstructorParameters<typeof Harness>[1],
  now = NOW,
  legacy?: unknown,
) {
  const harness = new Harness(apiConfig(config), batch, now, legacy);
  open.push(harness);
  return harness;
}

const event = (id: number, time = NOW + id * 1000) => ({ time, body: { id, time, text: `event ${id}` } });
const offset = { pagination_type: 'offset', offset_param: 'offset', limit_param: 'limit', page_size: 2 } as const;

describe('a first start', () => {
  it('commits now before the first read, and asks for what came since', async () => {
    const pages = await serve();
    const source = run({ endpoint: pages.url('offset'), time_filter_param: 'since', id_field: 'id' });
    await source.start();
    expect(source.position).toEqual({ watermark: NOW, floor: NOW });
    expect(pages.requests).toEqual([]);
    pages.add(event(-1), event(0), event(1));
    source.time += 60_000;
    await source.restart();
    await source.poll();
    expect(pages.requests[0]?.url.searchParams.get('since')).toBe(new Date(NOW - 1000).toISOString());
    expect(source.shipped.map(({ id }) => id)).toEqual(['0', '1']);
  });

  it('begins at the beginning, or at a time', async () => {
    const pages = await serve();
    pages.add(event(-2), event(-1));
    const all = run({ endpoint: pages.url('offset'), time_filter_param: 'since', start_from: 'beginning' });
    await all.poll();
    expect(all.shipped.length).toBe(2);
    expect(pages.requests[0]?.url.search).toBe('');
    const some = run({ endpoint: pages.url('offset'), start_from: new Date(NOW - 1000).toISOString(), id_field: 'id' });
    await some.poll();
    expect(some.shipped.map(({ id }) => id)).toEqual(['-1']);
  });

  it('goes on where a version 1 registry ends', async () => {
    const pages = await serve({ pageSize: 2 });
    pages.add(event(-3), event(-2), event(-1), event(0));
    const saved = (cursor: string | null) => ({
      api_sources: { api: { last_timestamp: new Date(NOW - 2000).toISOString(), cursor } },
    });
    const plain = run(
      { endpoint: pages.url('offset'), id_field: 'id', pagination: offset },
      undefined,
      NOW,
      saved(null),
    );
    await plain.poll();
    expect(plain.shipped.map(({ id }) => id)).toEqual(['-2', '-1', '0']);
    const cursor = { pagination_type: 'cursor', cursor_param: 'cursor', next_cursor_field: 'meta.next' } as const;
    const walking = run(
      { endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor },
      undefined,
      NOW,
      saved('2'),
    );
    await walking.poll();
    expect(walking.shipped.map(({ id }) => id)).toEqual(['-1', '0']);
  });

  it('refuses a position that it cannot read, and leaves it', async () => {
    const pages = await serve();
    const source = run({ endpoint: pages.url('offset') });
    await source.start();
    const entry = source.committed.sources['api'];
    if (entry) entry.position = { watermark: 'secret' };
    await expect(source.restart()).rejects.toThrow('the saved position of the source "api" cannot be read');
  });

  it('does not follow a saved page of another endpoint', async () => {
    const pages = await serve();
    pages.add(event(1), event(2), event(3));
    const input = { endpoint: pages.url('offset'), pagination: offset, start_from: 'beginning', max_pages: 1 } as const;
    const source = run(input);
    await source.poll();
    expect(source.position['walk']).toMatchObject({ at: 2 });
    await source.restart(apiConfig({ ...input, endpoint: `${pages.url('offset')}?other=1` }));
    await source.poll();
    expect(pages.requests[1]?.url.searchParams.get('offset')).toBe('0');
  });
});

describe('credentials', () => {
  it.each([
    [{ api_key: 'key', basic: { username: 'u', password: 'p' } }, 'Bearer key'],
    [{ basic: { username: 'u', password: 'pä' } }, `Basic ${Buffer.from('u:pä').toString('base64')}`],
    [{ headers: { Authorization: 'SSWS token' } }, 'SSWS token'],
  ])('%j', async (input, authorization) => {
    const pages = await serve();
    await run({ endpoint: pages.url('offset'), ...input }).poll();
    expect(pages.requests[0]?.headers['authorization']).toBe(authorization);
  });

  it.each(['redirect', 'link'] as const)('are not sent to another host by a %s', async (way) => {
    const [pages, other] = [await serve(), await serve()];
    pages.add(event(1));
    const pagination = way === 'link' ? { pagination: { pagination_type: 'link' } as const } : {};
    const source = run({ endpoint: pages.url('link'), results_field: '', api_key: 'key', ...pagination });
    await source.start();
    const before = source.position;
    pages.fail(
      way === 'link'
        ? { kind: 'next', value: `${other.origin}/x?token=1` }
        : { kind: 'redirect', to: `${other.origin}/x?token=1` },
    );
    await expect(source.poll()).rejects.toThrow(
      way === 'link'
        ? `the next page of ${pages.url('link')} is on ${other.origin}, but credentials are sent to ${pages.origin} only`
        : `${pages.url('link')} redirects to ${other.origin}, but credentials are sent to ${pages.origin} only`,
    );
    expect(other.requests).toEqual([]);
    expect(source.position).toEqual(before);
    await source.poll();
    expect(source.shipped.length).toBe(1);
  });

  it('follow a redirect to the same host', async () => {
    const pages = await serve();
    pages.add(event(1));
    pages.fail({ kind: 'redirect', to: '/offset?moved=1' });
    const source = run({ endpoint: pages.url('offset'), api_key: 'key' });
    await source.poll();
    expect(pages.requests[1]?.headers['authorization']).toBe('Bearer key');
    expect(source.shipped.length).toBe(1);
  });
});

describe('bad input', () => {
  const answer = (status: number, headers = {}) => ({ kind: 'answer', status, headers }) as const;
  it.each([
    ['HTML', { kind: 'html' }, 'answered 200 with HTML (content type text/html); expected JSON: check `endpoint`'],
    [
      'cut JSON',
      { kind: 'answer', status: 200, body: '[{"secret-in-body":' },
      'with something that is not JSON (content type application/json)',
    ],
    ['a huge body', { kind: 'huge', bytes: 400_000 }, 'answered with more than 200000 bytes; ask for smaller pages'],
    ['a redirect loop', { kind: 'redirect-loop' }, 'redirects more than 5 times; set `endpoint`'],
    ['a hang', { kind: 'hang' }, 'did not answer within 0.15 s; the next poll tries again'],
    ['a hang in the body', { kind: 'hang-in-body' }, 'did not answer within 0.15 s'],
    ['a cut connection', { kind: 'cut' }, /cannot reach .*: (UND_ERR_SOCKET|ECONNRESET); the next poll/],
    ['500', answer(500), 'answered 500: the API has failed'],
    ['401', answer(401), 'answered 401: check `api_key`, `basic` or `headers`'],
    ['403', answer(403), 'answered 403: check `api_key`'],
    ['404', answer(404), 'answered 404: check `endpoint`'],
    ['400', answer(400), 'answered 400: expected 200; check `endpoint`'],
    ['a redirect to nowhere', answer(302), 'answered 302: expected a redirect with a location'],
    [
      'an encoding',
      answer(200, { 'content-encoding': 'gzip' }),
      'answered in content encoding gzip, which was not asked for',
    ],
    [
      'no results',
      { kind: 'answer', status: 200, body: '{"data":[]}' },
      'results_field "items" is missing; expected an array of entries',
    ],
    [
      'results that are no array',
      { kind: 'answer', status: 200, body: '{"items":{"a":1}}' },
      'results_field "items" is an object; expected an array',
    ],
    [
      'null results',
      { kind: 'answer', status: 200, body: '{"items":null}' },
      'results_field "items" is null; expected an array',
    ],
    ['a root that is null', { kind: 'answer', status: 200, body: 'null' }, 'results_field "items" is missing'],
  ] as const)('%s is reported, nothing is lost and nothing leaks', async (_, fault, message) => {
    const pages = await serve();
    pages.add(event(1), event(2), event(3));
    const source = run(
      {
        endpoint: `${pages.url('offset')}?key=secret-in-query`,
        api_key: 'secret-in-header',
        id_field: 'id',
        pagination: offset,
      },
      { events: 100, bytes: 10_000, limits: { timeoutMs: 150, maxBodyBytes: 200_000 } },
    );
    await source.fill();
    const before = structuredClone(source.position);
    pages.fail(fault);
    const failed = await source.poll().catch((error: unknown) => error);
    expect(failed).toMatchObject({
      name: 'SourceError',
      message: expect.stringMatching(message instanceof RegExp ? message : literal(message)),
    });
    expect(String(failed)).not.toContain('secret');
    expect(JSON.stringify(source.log)).not.toContain('secret');
    expect(source.position).toEqual(before);
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3']);
  });

  it('names the way when the root is no array, or nobody listens', async () => {
    const pages = await serve();
    await expect(run({ endpoint: pages.url('offset'), results_field: '' }).poll()).rejects.toThrow(
      'the answer is an object; expected an array of entries: check `results_field`',
    );
    await pages.stop();
    await expect(run({ endpoint: pages.url('offset') }).poll()).rejects.toThrow(/cannot reach http.*: ECONNREFUSED/);
    open.splice(0, 1);
  });

  it('stops at once when it is aborted', async () => {
    const pages = await serve();
    pages.fail({ kind: 'hang' });
    const source = run({ endpoint: pages.url('offset') });
    await source.start();
    const abort = new AbortController();
    const reason = new Error('stop');
    pages.onRequest = () => abort.abort(reason);
    await expect(source.fill(true, abort.signal)).rejects.toBe(reason);
  });

  it('tells an API that does not know the parameter from one with equal entries', async () => {
    const pages = await serve();
    pages.add(...Array.from({ length: 9 }, () => event(1)));
    const equal = run({ endpoint: pages.url('offset'), pagination: { ...offset, page_size: 1 } });
    await equal.poll();
    expect(equal.shipped.length).toBe(9);
    const wrong = run({
      endpoint: pages.url('offset'),
      pagination: { ...offset, offset_param: 'start', page_size: 1 },
    });
    await expect(wrong.poll()).rejects.toThrow(
      'answers every page with the same entries; it does not seem to know "start": check `offset_param`',
    );
    await expect(wrong.poll()).rejects.toThrow('check `offset_param`');
  });
});

function literal(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}

describe('a walk', () => {
  const cursor = {
    pagination_type: 'cursor',
    cursor_param: 'cursor',
    next_cursor_field: 'meta.next',
    limit_param: 'limit',
    page_size: 2,
  } as const;

  it.each([
    ['null', null],
    ['empty', ''],
    ['missing', undefined],
    ['repeated', '2'],
  ])('ends at a cursor that is %s', async (_, value) => {
    const pages = await serve();
    pages.add(...[1, 2, 3, 4, 5, 6].map((id) => event(id)));
    const source = run({ endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor });
    await source.start();
    source.time += 60_000;
    await source.fill();
    pages.fail({ kind: 'next', value });
    expect(await source.fill()).toBe('idle');
    expect(pages.requests.map(({ url }) => url.searchParams.get('cursor'))).toEqual([null, '2']);
    expect(source.position['walk']).toBeUndefined();
    // The next walk sees what the API then shows.
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it('ends where cursors run in a circle', async () => {
    const pages = await serve();
    pages.add(...[1, 2, 3, 4, 5, 6].map((id) => event(id)));
    const source = run({ endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor });
    pages.fail({ kind: 'next', value: '2' }, { kind: 'next', value: '4' }, { kind: 'next', value: '2' });
    await source.poll();
    expect(pages.requests.length).toBe(3);
  });

  it('asks an API whose cursor never ends once a poll when it is empty', async () => {
    const pages = await serve();
    const source = run({ endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor });
    pages.fail({ kind: 'next', value: 'a0' });
    await source.poll();
    expect(pages.requests.length).toBe(1);
    expect(source.position['walk']).toMatchObject({ at: 'a0' });
  });

  it('asks with the same time filter until it ends, newest first', async () => {
    const pages = await serve({ order: 'newest-first' });
    const source = run({
      endpoint: pages.url('offset'),
      id_field: 'id',
      pagination: offset,
      time_filter_param: 'since',
      max_pages: 1,
    });
    await source.start();
    source.time += 60_000;
    pages.add(...[1, 2, 3, 4, 5].map((id) => event(id)));
    await source.poll();
    expect(source.position).toMatchObject({ watermark: NOW, walk: { newest: NOW + 5000 } });
    await source.restart();
    for (let i = 0; i < 3; i++) await source.poll();
    expect(new Set(pages.requests.map(({ url }) => url.searchParams.get('since')))).toEqual(
      new Set([new Date(NOW - 1000).toISOString()]),
    );
    expect(source.shipped.map(({ id }) => id)).toEqual(['5', '4', '3', '2', '1']);
    expect(source.position).toMatchObject({ watermark: NOW + 5000 });
    expect(source.position['walk']).toBeUndefined();
  });

  it('keeps its link when the page behind it is empty and has none', async () => {
    const pages = await serve();
    pages.add(event(1));
    const pagination = { pagination_type: 'link' } as const;
    const source = run({ endpoint: pages.url('link'), results_field: '', id_field: 'id', pagination });
    const next = `${pages.url('link')}?cursor=1`;
    pages.fail({ kind: 'next', value: next });
    await source.poll();
    expect(source.position['walk']).toMatchObject({ at: next, tail: true });
    pages.add(event(2));
    await source.poll();
    expect(pages.requests.at(-1)?.url.href).toBe(next);
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2']);
  });

  it('begins again when its page is refused', async () => {
    const pages = await serve();
    pages.add(...[1, 2, 3, 4].map((id) => event(id)));
    const source = run({ endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor });
    await source.fill();
    pages.fail({ kind: 'answer', status: 410 });
    await expect(source.fill()).rejects.toThrow('refused the page at which the walk was to go on (410)');
    await source.restart();
    await source.poll();
    expect(pages.requests.at(-2)?.url.searchParams.get('cursor')).toBeNull();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3', '4']);
  });

  it('hands on a page in parts, and resumes within it', async () => {
    const pages = await serve();
    pages.add(...[1, 2, 3, 4, 5].map((id) => event(id)));
    const source = run(
      { endpoint: pages.url('single'), results_field: '', id_field: 'id' },
      { events: 2, bytes: 10_000 },
    );
    expect(await source.fill()).toBe('more');
    expect(pages.requests.length).toBe(1);
    await source.restart();
    await source.fill();
    await source.restart();
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5']);
  });

  it('does not save again when nothing has moved', async () => {
    const pages = await serve();
    pages.add(event(1));
    const source = run({ endpoint: pages.url('offset'), id_field: 'id' });
    await source.poll();
    const before = JSON.stringify(source.committed);
    await source.poll();
    expect(JSON.stringify(source.committed)).toBe(before);
    expect(before.length).toBeLessThan(400);
  });
});

describe('entries', () => {
  it('without a readable time are shipped once, counted, and move nothing', async () => {
    const pages = await serve();
    pages.add(event(1), { time: 0, body: { id: 2, time: 'soon' } }, { time: 0, body: { id: 3 } });
    const source = run({ endpoint: pages.url('offset'), start_from: 'beginning' });
    source.time += 60_000;
    for (let i = 0; i < 3; i++) {
      await source.poll();
      await source.restart();
    }
    expect(source.lines).toEqual([
      '{"id":1,"time":' + String(NOW + 1000) + ',"text":"event 1"}',
      '{"id":2,"time":"soon"}',
      '{"id":3}',
    ]);
    expect(source.position['watermark']).toBe(NOW + 1000);
    expect(await source.metric('flicker_timestamps_unreadable_total')).toBe(2);
    expect(source.log.filter((line) => line.event === flickerEvents.timestampUnreadable)).toMatchObject([
      { fields: { entries: 2 } },
    ]);
  });

  it('of the future do not hide what is to come', async () => {
    const pages = await serve();
    const far = Date.now() + 1e11;
    pages.add({ time: far, body: { id: 1, time: far } });
    const source = run({ endpoint: pages.url('single'), results_field: '', id_field: 'id' }, undefined, Date.now());
    await source.poll();
    source.time += 5000;
    pages.add({ time: source.time, body: { id: 2, time: source.time } });
    await source.poll();
    await source.poll();
    pages.add({ time: source.time, body: { id: 3, time: source.time } });
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3']);
  });

  it('that come late are caught within the overlap', async () => {
    const pages = await serve({ order: 'oldest-first' });
    const source = run({
      endpoint: pages.url('offset'),
      id_field: 'id',
      time_filter_param: 'since',
      start_from: 'beginning',
    });
    source.time += 3_600_000;
    pages.add(event(1), event(500), event(700));
    await source.poll();
    pages.add(event(101), event(600));
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '500', '700', '101', '600']);
    // More than ten minutes before the newest: taken for one that was delivered long ago.
    pages.add(event(1200));
    await source.poll();
    pages.add(event(300));
    await source.poll();
    expect(source.shipped.at(-1)?.id).toBe('1200');
  });

  it('that come late are caught back to the oldest that is remembered', async () => {
    const pages = await serve();
    const source = run({ endpoint: pages.url('single'), results_field: '', id_field: 'id', start_from: 'beginning' });
    const add = (id: number, ms: number) => pages.add({ time: NOW + ms, body: { id, time: NOW + ms } });
    source.time += 60_000;
    for (let id = 0; id < 100; id++) add(id, id * 2);
    await source.poll();
    const floor = Number(source.position['floor']) - NOW;
    expect(floor).toBe((100 - REMEMBERED - 1) * 2 + 1);
    add(200, floor);
    add(201, floor - 1);
    await source.poll();
    expect(source.shipped.slice(100).map(({ id }) => id)).toEqual(['200']);
  });

  it('that are equal keep apart over a restart between their pages', async () => {
    const pages = await serve();
    pages.add(event(1), event(1));
    const source = run({ endpoint: pages.url('offset'), pagination: { ...offset, page_size: 1 } });
    await source.fill();
    await source.restart();
    await source.poll();
    expect(new Set(source.shipped.map(({ id }) => id)).size).toBe(2);
  });

  it('keep their id when they are read again', async () => {
    const pages = await serve();
    pages.add(event(1), event(1), event(2));
    const source = run({ endpoint: pages.url('single'), results_field: '', message_field: 'text' });
    await source.fill(false);
    await source.restart();
    await source.poll();
    const [first, second, third, ...again] = source.shipped;
    expect(again).toEqual([first, second, third]);
    expect(new Set([first?.id, second?.id, third?.id]).size).toBe(3);
    expect(first).toEqual({ path: 'api://api', line: 'event 1', id: expect.stringMatching(/^[\w-]{22}$/) });
  });

  it('are filtered and masked, and travel without ids when asked', async () => {
    const pages = await serve();
    pages.add(event(1), event(2), event(3));
    const source = run(
      {
        endpoint: pages.url('offset'),
        message_field: 'text',
        exclude_on: ['event 2'],
        masking: { enabled: true, rules: { custom: [{ name: 'three', pattern: '3' }] } },
      },
      { events: 10, bytes: 1000, includeId: false },
    );
    await source.poll();
    await source.poll();
    expect(source.shipped).toEqual([
      { path: 'api://api', line: 'event 1' },
      { path: 'api://api', line: 'event [THREE]' },
    ]);
    expect(await source.metric('flicker_events_filtered_total')).toBe(1);
    expect(await source.metric('flicker_events_read_total')).toBe(3);
    expect(await source.metric('flicker_api_requests_total', ',status="2xx"')).toBe(2);
  });
});

describe('rate limits', () => {
  it('are obeyed, and kept over a restart', async () => {
    const pages = await serve();
    pages.add(event(1));
    pages.fail({ kind: 'answer', status: 429, headers: { 'Retry-After': '30' } });
    const source = run({ endpoint: pages.url('offset'), id_field: 'id' });
    await expect(source.poll()).rejects.toMatchObject({
      retryAfterMs: 30_000,
      message: expect.stringContaining('limits the rate of requests (429)'),
    });
    await source.restart();
    source.time += 29_000;
    await expect(source.poll()).rejects.toMatchObject({ retryAfterMs: 1000 });
    expect(pages.requests.length).toBe(1);
    source.time += 1000;
    await source.poll();
    expect(source.shipped.length).toBe(1);
  });

  it('pause a walk before they are exceeded, and lose nothing of the page that says so', async () => {
    const pages = await serve();
    pages.add(...[1, 2, 3].map((id) => event(id)));
    const headers = { 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': '10' };
    pages.fail({
      kind: 'answer',
      status: 200,
      headers,
      body: JSON.stringify({ items: [event(1).body, event(2).body] }),
    });
    const source = run({ endpoint: pages.url('offset'), id_field: 'id', pagination: offset });
    await expect(source.poll()).rejects.toMatchObject({ retryAfterMs: 11_000 });
    expect(source.shipped.length).toBe(2);
    source.time += 11_000;
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3']);
    expect(source.log.some((line) => line.event === flickerEvents.rateLimited)).toBe(true);
  });

  it.each([
    [429, {}, 60_000],
    [403, { 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': '5' }, 6000],
    [503, { 'Retry-After': '4' }, 4000],
  ])('%d %j waits %d ms', async (status, headers, retryAfterMs) => {
    const pages = await serve();
    pages.fail({ kind: 'answer', status, headers });
    await expect(run({ endpoint: pages.url('offset') }).poll()).rejects.toMatchObject({ retryAfterMs });
  });
});

describe("Okta's System Log", () => {
  async function okta(options: OktaOptions): Promise<{ api: Okta; config: Parameters<typeof apiConfig>[0] }> {
    const api = await startOkta(options);
    open.push(api);
    const config = {
      endpoint: api.url,
      results_field: '',
      timestamp_field: 'published',
      id_field: 'uuid',
      time_filter_param: 'since',
      headers: { Authorization: 'SSWS token' },
      pagination: { pagination_type: 'link' },
    } as const;
    return { api, config };
  }

  it('arrives in full, by links and over kills, however late events are', async () => {
    const { api, config } = await okta({ emptyPages: 0.3, token: 'token' });
    const source = run(config, { events: 60, bytes: 1024 ** 2 }, Date.now() - 60_000);
    await source.start();
    source.time = Date.now() + 1000;
    for (let round = 0; round < 12; round++) {
      api.append(round * 23);
      await source.fill(round % 3 > 0);
      await source.fill(round % 4 > 0);
      if (round % 5 === 4) await source.restart();
      // Long after it happened: the link tells that it is new.
      if (round > 6)
        api.append([
          { ...(api.events[0] as Okta['events'][number]), uuid: `late-${round}`, published: '2020-01-01T00:00:00Z' },
        ]);
    }
    const wanted = new Set(api.events.map(({ uuid }) => uuid));
    for (let polls = 0; polls < 100 && !api.requests.slice(-3).every(({ events }) => events === 0); polls++)
      await source.poll();
    expect(new Set(source.shipped.map(({ id }) => id))).toEqual(wanted);
    expect(api.requests.every(({ status }) => status === 200)).toBe(true);
    expect(
      api.requests
        .filter(({ query }) => query['since'] !== undefined)
        .every(({ query }) => query['after'] === undefined),
    ).toBe(true);
    expect(api.requests.at(-1)?.query).toEqual({ after: expect.any(String) });
    const before = JSON.stringify(source.committed);
    await source.poll();
    expect(JSON.stringify(source.committed)).toBe(before);
    expect(before.length).toBeLessThan(2048);
  });

  it('is asked no more often than it allows', async () => {
    const { api, config } = await okta({ limitPerWindow: 2, windowMs: 3_600_000, emptyPages: 0 });
    api.append(250);
    const source = run({ ...config, start_from: 'beginning' }, undefined, Date.now());
    await expect(source.poll()).rejects.toMatchObject({ retryAfterMs: expect.any(Number) });
    await source.restart();
    await expect(source.poll()).rejects.toThrow('the API limits the rate of requests until');
    expect(api.requests.map(({ status }) => status)).toEqual([200, 200]);
    expect(source.shipped.length).toBe(200);
  });

  it('refuses what the documentation refuses', async () => {
    const { api } = await okta({ token: 'token', limitPerWindow: 6, windowMs: 3_600_000 });
    const ask = async (query: string, token = 'token') =>
      fetch(`${api.url}${query}`, { headers: { Authorization: `SSWS ${token}` } });
    expect((await ask('?since=2026-01-01T00:00:00Z&after=0_x')).status).toBe(400);
    expect((await ask('?after=0_x')).status).toBe(400);
    expect((await ask('?limit=1001')).status).toBe(400);
    expect((await ask('', 'other')).status).toBe(401);
    const links = (await ask('')).headers.get('link');
    expect(links).toMatch(/rel="self", <.*after=.*>; rel="next"/);
    await ask('');
    const limited = await ask('');
    expect(limited.status).toBe(429);
    expect(limited.headers.get('x-rate-limit-remaining')).toBe('0');
    expect(Number(limited.headers.get('x-rate-limit-reset'))).toBeGreaterThan(Date.now() / 1000);
  });
});
