import { flickerEvents } from '../../../../../contract/flicker';
import { event, offset, open, run, serve } from './fixtures';

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
    ['401', answer(401), 'answered 401: check the credentials, and what they may read'],
    ['403', answer(403), 'answered 403: check the credentials'],
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
