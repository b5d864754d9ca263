import { createHash } from 'node:crypto';
import type { Answer } from '../../../../runtime/flicker/destination';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { closeAll, closers, receiver, textOf } from './receiver';
import { context, destinationConfig, extraShipment, never, shipment } from './support';

afterEach(closeAll);

const at = Date.parse('2026-03-04T05:06:07.890Z');
const clock = { ...context.clock, now: () => at };

async function elasticsearch(url: string, settings: object = {}) {
  const config = destinationConfig({ type: 'elasticsearch', url, index: 'logs', ...settings });
  const destination = await createDestination(config, { ...context, clock });
  closers.push(() => destination.close());
  return destination;
}

/** Documents as a cluster keeps them: an id is created once. */
function cluster(statusOf: (document: { message: string }) => number | undefined = () => undefined) {
  const kept = new Map<string, unknown>();
  return {
    kept,
    answer: (body: string) => {
      const lines = body.split('\n');
      expect(lines.pop()).toBe('');
      const items: object[] = [];
      while (lines.length > 0) {
        const { create } = JSON.parse(lines.shift() ?? '') as { create: { _id: string; _index: string } };
        const document = JSON.parse(lines.shift() ?? '') as { message: string };
        const key = `${create._index}/${create._id}`;
        const status = statusOf(document) ?? (kept.has(key) ? 409 : 201);
        if (status === 201) kept.set(key, document);
        items.push({ create: { status, ...(status >= 300 && { error: { type: `type_${status}` } }) } });
      }
      const errors = items.some((item) => JSON.stringify(item).includes('error'));
      return JSON.stringify({ took: 1, errors, items });
    },
  };
}

test('creates a document by event, in one compressed request', async () => {
  const { kept, answer } = cluster();
  const { origin, received } = await receiver((response, request) => response.end(answer(textOf(request))));
  const to = await elasticsearch(`${origin}/es?pipeline=p`, { index: 'logs-%Y.%m.%d-%H' });
  const events = extraShipment([
    { line: 'é "1"' },
    {
      line: '{"a":1}',
      time: '2025-12-31T23:59:59.123456789Z',
      attributes: { 'container.name': 'web' },
      fields: '{"a":1}',
    },
  ]);
  expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
  expect(received).toHaveLength(1);
  expect(received[0]).toMatchObject({
    method: 'POST',
    url: '/es/_bulk?pipeline=p&filter_path=errors,items.*.status,items.*.error.type',
    headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
  });
  expect([...kept]).toEqual([
    [
      'logs-2026.03.04-05/id-0',
      { '@timestamp': '2026-03-04T05:06:07.890Z', path: '/var/log/app.log', message: 'é "1"' },
    ],
    [
      'logs-2025.12.31-23/id-1',
      {
        '@timestamp': '2025-12-31T23:59:59.123456789Z',
        path: '/var/log/app.log',
        message: '{"a":1}',
        attributes: { 'container.name': 'web' },
        fields: { a: 1 },
      },
    ],
  ]);
});

test('an id that is there already is a success', async () => {
  const { kept, answer } = cluster();
  const { origin } = await receiver((response, request) => response.end(answer(textOf(request))));
  const to = await elasticsearch(origin);
  expect(await to.send(shipment(['one', 'two']), never)).toEqual({ kind: 'accepted' });
  expect(await to.send(shipment(['one', 'two', 'three']), never)).toEqual({ kind: 'accepted' });
  expect(kept.size).toBe(3);
});

test('an id that is too long is sent as its hash', async () => {
  const { kept, answer } = cluster();
  const { origin } = await receiver((response, request) => response.end(answer(textOf(request))));
  const id = 'é'.repeat(257);
  await (await elasticsearch(origin)).send(extraShipment([{ line: 'one', id }]), never);
  expect([...kept.keys()]).toEqual([`logs/${createHash('sha256').update(id).digest('hex')}`]);
});

test('each document is settled by its own status', async () => {
  const statuses = [201, 400, 409, 429, 200, 503, 403, 404];
  const { answer } = cluster(({ message }) => statuses[Number(message)]);
  const { origin } = await receiver((response, request) => response.end(answer(textOf(request))));
  const to = await elasticsearch(origin);
  expect(await to.send(shipment(statuses.map((_, i) => String(i))), never)).toEqual({
    kind: 'partial',
    refused: [{ index: 1, reason: 'the receiver answered 400 type_400' }],
    retry: [3, 5, 6, 7],
    reason: 'the receiver answered 429 type_429 for a document',
    uncertain: false,
  });
});

const basic = { username: 'ann', password: 'pw' };
test.each([
  [{ api_key: 'k', basic }, 'ApiKey k'],
  [{ basic }, `Basic ${Buffer.from('ann:pw').toString('base64')}`],
  [{ auth: { type: 'bearer', token: 't' }, basic }, 'Bearer t'],
  [{}, undefined],
])('is authorized by %j', async (settings, expected) => {
  const { origin, received } = await receiver((response) => response.end('{"errors":false}'));
  const to = await elasticsearch(origin, { ...settings, compression: false });
  await to.send(shipment(['one']), never);
  expect(received[0]?.headers.authorization).toBe(expected);
  expect(received[0]?.headers['content-encoding']).toBeUndefined();
  expect(to.label).toBe(`elasticsearch ${origin}`);
});

test.each<[string, number, string, Partial<Answer>]>([
  ['fine', 200, '{"errors":false,"items":[]}', { kind: 'accepted' }],
  [
    'a page of another server',
    200,
    '<html>',
    { kind: 'blocked', reason: expect.stringContaining('check the address') },
  ],
  ['answers for others', 200, '{"errors":true,"items":[]}', { kind: 'blocked' }],
  ['too many requests', 429, '', { kind: 'retry', uncertain: false }],
  ['unavailable', 503, '', { kind: 'retry', uncertain: false }],
  ['too large', 413, '', { kind: 'too-large' }],
  ['no rights', 403, '{"error":"secret"}', { kind: 'blocked' }],
  ['a bad request of several', 400, '', { kind: 'too-large', reason: 'the receiver answered 400 Bad Request' }],
])('%s', async (_, status, body, expected) => {
  const { origin } = await receiver((response) => response.writeHead(status).end(body));
  const answer = await (await elasticsearch(origin)).send(shipment(['one', 'two']), never);
  expect(answer).toMatchObject(expected);
  expect(JSON.stringify(answer)).not.toContain('secret');
});

test('one event in a bad request is refused', async () => {
  const { origin } = await receiver((response) => response.writeHead(400).end());
  expect(await (await elasticsearch(origin)).send(shipment(['one']), never)).toMatchObject({
    kind: 'partial',
    refused: [{ index: 0, reason: 'the receiver answered 400 Bad Request' }],
  });
});

test('an answer that is cut off may be repeated', async () => {
  const { origin } = await receiver((response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"errors":false,');
    setImmediate(() => response.destroy());
  });
  expect(await (await elasticsearch(origin)).send(shipment(['one']), never)).toMatchObject({
    kind: 'retry',
    uncertain: true,
  });
});

test('more than a request takes goes in several; what follows a failure is sent again', async () => {
  const sizes: number[] = [];
  const { origin } = await receiver((response, request) => {
    const text = textOf(request);
    sizes.push(text.length);
    if (sizes.length === 2) response.writeHead(429, { 'Retry-After': '3' }).end();
    else response.end('{"errors":false}');
  });
  const lines = Array.from({ length: 24 }, () => 'x'.repeat(1_000_000));
  const to = await elasticsearch(origin, { compression: false });
  expect(await to.send(shipment(lines), never)).toMatchObject({
    kind: 'partial',
    refused: [],
    retry: lines.map((_, i) => i).slice(9),
    retryAfterMs: 3000,
  });
  expect(sizes).toHaveLength(2);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000_000);
});

test('an abort ends the request with its reason', async () => {
  const stop = new AbortController();
  const { origin } = await receiver(() => stop.abort(new Error('stopped')));
  await expect((await elasticsearch(origin)).send(shipment(['one']), stop.signal)).rejects.toThrow('stopped');
});
