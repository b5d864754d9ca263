import { createServer } from 'node:http';
import { failureAs200 } from '../../../../../dev/vendors/cloudflare';
import { quotaExceeded } from '../../../../../dev/vendors/google-workspace';
import { listen } from '../../../../../dev/vendors/listen';
import { flickerEvents } from '../../../../../contract/flicker';
import { NOW, open } from './fixtures';
import { parsed } from '../../presets/vendors';
import { Harness } from './harness';
import { subjects } from './vendors';

const MINUTE = 60_000;

/** `ahead`: by how much this clock is ahead of the vendor's. */
async function begin(name: string, options: { limitPerWindow?: number; events?: number; ahead?: { ms: number } } = {}) {
  const start = subjects[name];
  if (!start) throw new Error(`there is no vendor ${name}`);
  const clock = { read: () => NOW };
  const { limitPerWindow } = options;
  const subject = await start({ now: () => clock.read(), ...(limitPerWindow !== undefined && { limitPerWindow }) });
  const source = new Harness(subject.config, { events: options.events ?? 1000, bytes: 1024 ** 2 }, NOW);
  clock.read = () => source.time - (options.ahead?.ms ?? 0);
  open.push({ stop: () => subject.vendor.stop() }, source);
  await source.start();
  const gaps = () => source.log.filter(({ event }) => event === flickerEvents.gap).map(({ fields }) => fields);
  const sent = () => subject.vendor.requests.filter(({ url }) => !url.pathname.includes('token'));
  const tokens = () => subject.vendor.requests.filter(({ url }) => url.pathname.includes('token'));
  const append = (count: number, time: number) => void subject.vendor.append(count, time);
  return { ...subject, source, append, gaps, sent, tokens };
}

const iso = (time: number) => new Date(time).toISOString();

describe('a cursor that the vendor no longer knows', () => {
  it.each(['okta', 'auth0', 'onepassword'])(
    'begins again before the newest event and reports the gap: %s',
    async (name) => {
      const { vendor, append, ids, source, gaps, sent } = await begin(name);
      append(3, NOW);
      await source.poll();
      source.time += 20 * MINUTE;
      append(4, source.time - 15 * MINUTE);
      append(6, source.time);
      for (let i = 0; i < 5; i++) await source.poll();
      const newest = source.time;
      source.time += MINUTE;
      append(5, source.time);
      const all = [...ids()].sort();
      vendor.expireCursors();
      await expect(source.poll()).rejects.toThrow('refused the page at which the walk was to go on');
      expect(gaps()).toEqual([
        { source: 'api', from: expect.stringMatching(iso(newest).slice(0, 16)), to: iso(source.time) },
      ]);
      expect(await source.metric('flicker_source_gaps_total')).toBe(1);
      // What it knows survives a kill.
      await source.restart();
      for (let i = 0; i < 5; i++) await source.poll();
      if (name === 'onepassword') {
        const starts = sent().filter(({ body }) => JSON.stringify(body).includes('start_time'));
        expect(starts.map(({ body }) => body)).toEqual([
          { limit: 7, start_time: iso(NOW) },
          { limit: 7, start_time: iso(newest - 10 * MINUTE) },
        ]);
      }
      // Events of the overlap are told by id.
      expect(source.shipped.map(({ id }) => id).sort()).toEqual(all);
    },
  );

  it('begins the window again, and ships none of it twice', async () => {
    const { vendor, append, ids, source, gaps, sent } = await begin('slack');
    append(30, NOW);
    source.time += 5 * MINUTE;
    await source.fill();
    await source.fill();
    const oldest = sent()[0]?.query['oldest'];
    vendor.expireCursors();
    await expect(source.fill()).rejects.toThrow('(400, invalid_cursor)');
    expect(gaps().length).toBe(1);
    await source.restart();
    await source.poll();
    expect(sent().at(3)?.query).toMatchObject({ oldest });
    expect(source.shipped.map(({ id }) => id).sort()).toEqual([...ids()].sort());
  });
});

describe('a clock that is ahead for a while', () => {
  it.each(['slack', 'cloudflare'])('lets no window reach into the future: %s', async (name) => {
    for (const restarted of [false, true]) {
      const ahead = { ms: 0 };
      const { append, ids, source } = await begin(name, { ahead, limitPerWindow: 1000 });
      append(3, NOW);
      source.time += 60 * MINUTE;
      await source.poll();
      ahead.ms = 360 * MINUTE;
      source.time += ahead.ms + 20 * MINUTE;
      append(3, source.time - ahead.ms);
      if (restarted) await source.restart();
      await source.poll();
      source.time -= ahead.ms;
      ahead.ms = 0;
      for (let i = 0; i < 20; i++) {
        source.time += 20 * MINUTE;
        append(2, source.time);
        await source.poll();
      }
      source.time += 600 * MINUTE;
      await source.poll();
      await source.poll();
      expect(source.shipped.map(({ id }) => id).sort()).toEqual([...ids()].sort());
    }
  });
});

describe('access tokens', () => {
  it.each(['okta, as a service app', 'auth0', 'google_workspace'])(
    'are fetched once, again before they end, and after a 401: %s',
    async (name) => {
      const { vendor, append, source, tokens, sent } = await begin(name);
      append(20, NOW);
      source.time += 20 * MINUTE;
      await source.poll();
      await source.poll();
      expect(tokens().length).toBe(1);
      // Nobody has told us, and the walk goes on.
      vendor.expireTokens?.();
      append(3, source.time);
      source.time += 20 * MINUTE;
      await source.poll();
      expect(tokens().length).toBe(2);
      expect(sent().filter(({ status }) => status === 401).length).toBe(1);
      source.time += 25 * 60 * MINUTE;
      await source.poll();
      expect(tokens().length).toBe(3);
      expect(sent().filter(({ status }) => status === 401).length).toBe(1);
      // Only the host of the API and the one of the tokens have seen credentials, each its own.
      expect(tokens().every(({ headers }) => !headers.authorization?.startsWith('Bearer'))).toBe(true);
    },
  );

  it('that are refused are an error without a secret', async () => {
    const { vendor, source } = await begin('auth0');
    vendor.fail({ status: 401, body: { error: 'access_denied', error_description: 'hunter2' } });
    await expect(source.poll()).rejects.toThrow(
      /gave no access token: it answered 401 \(access_denied\); check the client/,
    );
    expect(JSON.stringify(source.log)).not.toMatch(/secret|hunter/);
    // A 401 with a token that is brand new is no reason to try for ever.
    vendor.fail(
      { status: 200, body: { access_token: 'x' } },
      { status: 401, body: {} },
      { status: 200, body: { access_token: 'y' } },
      { status: 401, body: {} },
    );
    const before = vendor.requests.length;
    await expect(source.poll()).rejects.toThrow('answered 401: check the credentials');
    expect(vendor.requests.length - before).toBe(4);
  });

  it('are asked for when their server says so, and not while the API takes no requests', async () => {
    const { vendor, source, tokens } = await begin('auth0');
    vendor.fail({ status: 429, headers: { 'Retry-After': 90 }, body: { error: 'too_many_requests' } });
    const refused: unknown = await source.poll().catch((error: unknown) => error);
    expect(refused).toMatchObject({
      message: expect.stringMatching(/it answered 429 \(too_many_requests\); it is asked again$/),
      retryAfterMs: 90_000,
    });
    await source.poll();
    vendor.fail({ status: 429, headers: { 'Retry-After': 90 }, body: {} });
    await expect(source.poll()).rejects.toThrow('limits the rate of requests (429)');
    const before = tokens().length;
    await source.restart();
    await expect(source.poll()).rejects.toThrow('limits the rate of requests until');
    expect(tokens().length).toBe(before);
  });

  it('need a key that can be used, and do not quote it', async () => {
    const config = parsed({
      name: 'api',
      preset: 'okta',
      domain: 'a.okta.com',
      client_id: 'a',
      private_key: 'hunter2',
      endpoint: 'http://127.0.0.1:1/',
    });
    const source = new Harness(config, undefined, NOW);
    open.push(source);
    const error: unknown = await source.poll().catch((reason: unknown) => reason);
    expect(String(error)).toContain('the private key cannot be used: expected PKCS #8 PEM');
    expect(String(error)).not.toContain('hunter2');
  });
});

describe('a rate limit', () => {
  it.each(['okta', 'github'])('is kept over a restart: %s', async (name) => {
    const { append, vendor, source, sent } = await begin(name, { limitPerWindow: 3 });
    append(40, NOW);
    source.time += 10;
    const refused: unknown = await (async () => {
      for (;;) await source.poll();
    })().catch((error: unknown) => error);
    expect(refused).toMatchObject({ retryAfterMs: expect.any(Number) });
    const asked = vendor.requests.length;
    for (let restarts = 0; restarts < 3; restarts++) {
      await source.restart();
      await expect(source.poll()).rejects.toThrow('the API limits the rate of requests until');
    }
    expect(vendor.requests.length).toBe(asked);
    expect(sent().every(({ status }) => status === 200)).toBe(true);
    source.time += (refused as { retryAfterMs: number }).retryAfterMs + 1000;
    await source.poll().catch(() => undefined);
    expect(vendor.requests.length).toBeGreaterThan(asked);
  });

  it('is counted where the vendor does not tell what remains', async () => {
    const { append, source, sent } = await begin('onepassword');
    append(7, NOW);
    await source.poll();
    append(30, NOW);
    const rate = { remaining: 2, resetAt: NOW + 30_000 };
    const [entry] = Object.values(source.committed.sources);
    expect(entry?.position['rate']).toEqual({ remaining: 499, resetAt: NOW + MINUTE });
    if (entry) entry.position = { ...entry.position, rate };
    await source.restart();
    await expect(source.poll()).rejects.toMatchObject({ retryAfterMs: 30_000 });
    await source.restart();
    await expect(source.poll()).rejects.toMatchObject({ retryAfterMs: 30_000 });
    expect(sent().length).toBe(3);
    source.time += 30_000;
    await source.poll();
    expect(source.shipped.length).toBe(37);
  });

  it('that is told by a body backs off, doubling', async () => {
    const { vendor, append, source, ids } = await begin('google_workspace');
    append(3, NOW);
    source.time += 30 * MINUTE;
    await source.poll();
    vendor.fail(
      quotaExceeded('rateLimitExceeded'),
      quotaExceeded('userRateLimitExceeded'),
      quotaExceeded('quotaExceeded'),
    );
    const waits: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      source.time += 16 * MINUTE;
      waits.push(await source.poll().catch((error: { retryAfterMs: number }) => error.retryAfterMs));
    }
    expect(waits).toEqual([5000, 10_000, 20_000]);
    vendor.fail({ status: 403, body: { error: { errors: [{ reason: 'forbidden' }] } } });
    source.time += MINUTE;
    await expect(source.poll()).rejects.toThrow('answered 403: check the credentials');
    await source.poll();
    expect(source.shipped.map(({ id }) => id).sort()).toEqual([...ids()].sort());
  });

  it('is waited for as long as a refusal says', async () => {
    const { vendor, append, source } = await begin('slack');
    append(1, NOW);
    source.time += 5 * MINUTE;
    vendor.exhaust();
    await expect(source.poll()).rejects.toMatchObject({ retryAfterMs: MINUTE });
    expect(source.position['notBefore']).toBe(source.time + MINUTE);
  });
});

describe('requests', () => {
  it('repeat what must be repeated, and nothing else', async () => {
    const slack = await begin('slack');
    slack.append(20, NOW);
    slack.source.time += 5 * MINUTE;
    await slack.source.poll();
    const [first, ...others] = slack.sent().map(({ query }) => query);
    expect(first).toEqual({ oldest: String(NOW / 1000), latest: String(NOW / 1000 + 240), limit: '7' });
    expect(others.length).toBeGreaterThan(2);
    for (const query of others) expect(query).toEqual({ ...first, cursor: expect.any(String) });

    const onepassword = await begin('onepassword');
    onepassword.append(20, NOW);
    await onepassword.source.poll();
    expect(onepassword.sent().map(({ body }) => body)).toEqual([
      { limit: 7, start_time: iso(NOW) },
      { cursor: expect.any(String) },
      { cursor: expect.any(String) },
    ]);
    // The cursor of the last page is used again, also after a restart.
    onepassword.append(1, NOW);
    await onepassword.source.restart();
    await onepassword.source.poll();
    expect(onepassword.sent().at(-1)?.body).toEqual({ cursor: expect.any(String) });
    expect(onepassword.source.shipped.length).toBe(21);

    const github = await begin('github');
    github.append(20, NOW);
    await github.source.poll();
    const queries = github.sent().map(({ query }) => query);
    expect(queries[0]).toEqual({
      phrase: `created:>=${iso(NOW - 1000).slice(0, 19)}Z`,
      include: 'all',
      order: 'asc',
      per_page: '7',
    });
    expect(github.sent()[0]?.headers).toMatchObject({
      accept: 'application/vnd.github+json',
      authorization: 'Bearer token',
    });
  });

  it('see an error that is dressed as an answer', async () => {
    const { vendor, append, source } = await begin('cloudflare');
    append(1, NOW);
    source.time += 10 * MINUTE;
    vendor.fail(failureAs200);
    await expect(source.poll()).rejects.toThrow('answered 200, 10000: expected an answer 200 without an error');
    await source.poll();
    expect(source.shipped.length).toBe(1);
  });
});

describe('windows', () => {
  it('without anything new are not worth a save, for a while', async () => {
    const { append, source } = await begin('google_workspace');
    append(5, NOW);
    source.time += 30 * MINUTE;
    await source.poll();
    const saved = JSON.stringify(source.committed);
    for (let polls = 0; polls < 5; polls++) {
      source.time += MINUTE;
      await source.poll();
    }
    expect(JSON.stringify(source.committed)).toBe(saved);
    source.time += 10 * MINUTE;
    await source.poll();
    expect(source.position['closed']).toBe(source.time - 15 * MINUTE);
  });

  it('are not asked for beyond what the vendor keeps', async () => {
    const { append, source, sent, gaps } = await begin('google_workspace');
    append(1, NOW);
    source.time += 60 * MINUTE;
    await source.poll();
    source.time += 200 * 86_400_000;
    await source.fill();
    expect(Date.parse(sent().at(-1)?.query['startTime'] ?? '')).toBe(source.time - 180 * 86_400_000 + MINUTE);
    expect(gaps()).toEqual([{ source: 'api', from: iso(NOW + 45 * MINUTE), to: iso(source.time - 180 * 86_400_000) }]);
  });
});

describe('a cursor that does not move', () => {
  async function slackThat(answer: (request: number) => { entries: unknown[]; cursor: string }) {
    let requests = 0;
    const running = await listen(
      createServer((_, response) => {
        const { entries, cursor } = answer(requests++);
        response.end(JSON.stringify({ entries, response_metadata: { next_cursor: cursor } }));
      }),
    );
    open.push(running);
    const config = parsed({ name: 'api', preset: 'slack', token: 'secret', endpoint: `${running.origin}/` });
    const source = new Harness(config, undefined, NOW);
    open.push(source);
    await source.start();
    source.time += 5 * MINUTE;
    return { source, requests: () => requests };
  }
  const entry = (id: number) => ({ id: String(id), date_create: NOW / 1000 });

  it('stops the walk when the same page comes again', async () => {
    const { source, requests } = await slackThat(() => ({ entries: [entry(1)], cursor: 'same' }));
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1']);
    expect(requests()).toBe(3);
  });

  it('goes on where pages differ', async () => {
    const { source } = await slackThat((n) => ({ entries: [entry(n)], cursor: n < 5 ? 'same' : '' }));
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['0', '1', '2', '3', '4', '5']);
  });
});

it('a source takes up the position that it had without a preset', async () => {
  const { append, source, config } = await begin('okta');
  append(3, NOW);
  const position = { watermark: NOW, floor: NOW, recent: { newest: NOW, cut: null, ids: '' } };
  source.committed.sources['api'] = { kind: 'api', startedAt: iso(NOW), batchNo: 4, position };
  await source.restart(config);
  await source.poll();
  await source.poll();
  expect(source.shipped.length).toBe(3);
});
