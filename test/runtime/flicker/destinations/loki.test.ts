import type { Answer } from '../../../../runtime/flicker/destination';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { deliver } from '../../../../runtime/flicker/delivery';
import { keptLetters, surroundings } from '../delivery/support';
import { closeAll, closers, receiver, textOf } from './receiver';
import { context, destinationConfig, extraShipment, never, shipment } from './support';

afterEach(closeAll);

let now = Date.parse('2026-03-04T05:06:07.890Z');
const clock = { ...context.clock, now: () => now++ };

async function loki(endpoint: string, settings: object = {}) {
  const destination = await createDestination(destinationConfig({ type: 'loki', endpoint, ...settings }), {
    ...context,
    clock,
  });
  closers.push(() => destination.close());
  return destination;
}

interface Push {
  streams: { stream: Record<string, string>; values: [string, string, Record<string, string>?][] }[];
}

/** Takes pushes as Loki does: of equal entries of a stream one is kept; an entry that is refused answers 400, the others stay. */
async function store(refuses: (line: string) => boolean = () => false) {
  const kept = new Set<string>();
  const pushes: Push[] = [];
  const { origin, received } = await receiver((response, request) => {
    const push = JSON.parse(textOf(request)) as Push;
    pushes.push(push);
    let refused = '';
    for (const { stream, values } of push.streams) {
      for (const [time, line] of values) {
        expect(time).toMatch(/^\d{19}$/);
        if (refuses(line)) refused = `entry for stream '{job="secret"}' has timestamp too old: ${time}`;
        else kept.add(`${JSON.stringify(stream)} ${time} ${line}`);
      }
    }
    response.writeHead(refused ? 400 : 204).end(refused);
  });
  return { kept, pushes, origin, received };
}

test('pushes streams by their labels, times in nanoseconds, ids as metadata', async () => {
  const { origin, received, pushes } = await store();
  const to = await loki(origin, {
    tenant: 'blue',
    labels: { env: 'prod' },
    label_attributes: ['k8s.pod.name', 'nothing'],
  });
  const time = '2026-01-02T03:04:05.123456789Z';
  const web = { time, attributes: { 'k8s.pod.name': 'web', 'container.id': 'c1' } };
  expect(
    await to.send(
      extraShipment([
        { line: 'one', ...web },
        { line: 'two', time: '2026-01-02T05:04:05+02:00' },
        { line: 'three', ...web, time: '2026-01-02T03:04:05.5Z' },
      ]),
      never,
    ),
  ).toEqual({ kind: 'accepted' });
  expect(received[0]).toMatchObject({
    method: 'POST',
    url: '/loki/api/v1/push',
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip', 'x-scope-orgid': 'blue' },
  });
  const metadata = { path: '/var/log/app.log', container_id: 'c1' };
  expect(pushes).toEqual([
    {
      streams: [
        {
          stream: { env: 'prod', k8s_pod_name: 'web' },
          values: [
            ['1767323045123456789', 'one', { id: 'id-0', ...metadata }],
            ['1767323045500000000', 'three', { id: 'id-2', ...metadata }],
          ],
        },
        {
          stream: { env: 'prod' },
          values: [['1767323045000000000', 'two', { id: 'id-1', path: '/var/log/app.log' }]],
        },
      ],
    },
  ]);
});

test('without structured metadata an entry is a time and a line; the path may be a label', async () => {
  const { origin, pushes } = await store();
  await (
    await loki(`${origin}/loki/api/v1/push`, { structured_metadata: false, label_attributes: ['path'] })
  ).send(extraShipment([{ line: 'one', time: '2026-01-02T03:04:05Z' }]), never);
  expect(pushes).toEqual([
    { streams: [{ stream: { job: 'flicker', path: '/var/log/app.log' }, values: [['1767323045000000000', 'one']] }] },
  ]);
});

test('equal lines are as many entries as there are events', async () => {
  const { origin, kept } = await store();
  const to = await loki(origin);
  await to.send(shipment(['same', 'same', 'same']), never);
  expect(kept.size).toBe(3);
  const time = '2026-01-02T03:04:05Z';
  await to.send(extraShipment(['a', 'b', 'a', 'a'].map((line) => ({ line, time }))), never);
  expect(kept.size).toBe(7);
});

test('the same events sent again are the same entries', async () => {
  const { origin, kept, pushes } = await store();
  const to = await loki(origin);
  const again = shipment(['one', 'two', 'two']);
  for (let i = 0; i < 3; i++) await to.send(again, never);
  expect(kept.size).toBe(3);
  // In the order of the batch: each at a time of its own.
  const [first] = pushes.flatMap(({ streams }) =>
    streams.map(({ values }) => values.map(([time]) => BigInt(time) % 1000n)),
  );
  expect(first).toEqual([0n, 1n, 2n]);
});

test.each<[number, Partial<Answer>]>([
  [200, { kind: 'accepted' }],
  [401, { kind: 'blocked' }],
  [404, { kind: 'blocked' }],
  [413, { kind: 'too-large' }],
  [429, { kind: 'retry', uncertain: false, retryAfterMs: 2000 }],
  [500, { kind: 'retry', uncertain: true }],
])('%i', async (status, expected) => {
  const { origin } = await receiver((response) => response.writeHead(status, { 'Retry-After': '2' }).end());
  expect(await (await loki(origin)).send(shipment(['one', 'two']), never)).toMatchObject(expected);
});

test('one entry that is too old is refused with the cause, and without what the answer quotes', async () => {
  const { origin } = await store((line) => line === 'old');
  const to = await loki(origin);
  expect(await to.send(shipment(['old', 'new']), never)).toMatchObject({ kind: 'too-large' });
  expect(await to.send(shipment(['old']), never)).toMatchObject({
    kind: 'partial',
    refused: [{ index: 0, reason: 'the receiver answered 400 Bad Request: timestamp too old' }],
    retry: [],
  });
});

test('a Loki that takes no structured metadata pauses the source: no event would be taken', async () => {
  const text =
    'stream \'{job="secret"}\' includes structured metadata, but this feature is disallowed. Please see `limits_config.allow_structured_metadata`';
  const { origin } = await receiver((response) => response.writeHead(400).end(text));
  const answer = await (await loki(origin)).send(shipment(['one', 'two']), never);
  expect(answer).toMatchObject({ kind: 'blocked', reason: expect.stringContaining('set structured_metadata: false') });
  expect(JSON.stringify(answer)).not.toContain('secret');
});

test('one line that is refused makes no other entry twice, whether events have a time of their own or none', async () => {
  const { origin, kept } = await store((line) => line === 'bad');
  const { letters, deadLetters } = keptLetters();
  const destination = await loki(origin);
  for (const time of [undefined, '2026-01-02T03:04:05Z']) {
    kept.clear();
    const lines = Array.from({ length: 50 }, (_, i) => (i === 20 ? 'bad' : i % 2 ? 'same' : `${i}`));
    const events = extraShipment(lines.map((line) => ({ line, time })));
    expect(await deliver(events, { ...surroundings().context, destination, deadLetters })).toMatchObject({
      delivered: 49,
      deadLettered: 1,
    });
    expect(kept.size).toBe(49);
  }
  expect(letters.map(({ lines }) => lines)).toEqual([['bad'], ['bad']]);
});

test('a push is of 1 MB at most', async () => {
  const { origin, pushes } = await store();
  const lines = Array.from({ length: 25 }, (_, i) => `${i}`.padEnd(100_000, 'x'));
  expect(await (await loki(origin, { compression: false })).send(shipment(lines), never)).toEqual({ kind: 'accepted' });
  expect(pushes.map(({ streams }) => streams[0]?.values.length)).toEqual([9, 9, 7]);
});

test.each([
  [{ labels: {} }, /to an event without a label, and drops it/],
  [{ labels: {}, label_attributes: ['container.name'] }, /to an event without a label, and drops it/],
  [{ label_attributes: Array.from({ length: 15 }, (_, i) => `a${i}`) }, /15 together at most/],
  [{ labels: { 'a.b': 'c' } }, /expected a label name/],
])('%j is refused', (settings, message) => {
  expect(() => destinationConfig({ type: 'loki', endpoint: 'http://loki', ...settings })).toThrow(message);
});
