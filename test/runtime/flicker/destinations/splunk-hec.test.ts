import type { ServerResponse } from 'node:http';
import type { Answer } from '../../../../runtime/flicker/destination';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { VirtualClock } from '../delivery/support';
import { closeAll, closers, receiver, textOf, type Received } from './receiver';
import { context, destinationConfig, extraShipment, never, shipment } from './support';

afterEach(closeAll);

async function splunk(endpoint: string, settings: object = {}) {
  const clock = new VirtualClock();
  const config = destinationConfig({ type: 'splunk_hec', endpoint, token: 'secret', host: 'h', ...settings });
  const destination = await createDestination(config, { ...context, clock });
  closers.push(() => destination.close());
  return Object.assign(destination, { clock });
}

const fine = (response: ServerResponse) => void response.end('{"text":"Success","code":0}');

test('sends events one after the other, as the collector takes them', async () => {
  const { origin, received } = await receiver(fine);
  const to = await splunk(origin, { index: 'main', sourcetype: 'app' });
  const events = extraShipment([
    { line: 'one', time: '2026-01-02T03:04:05.123456789Z', attributes: { 'container.name': 'web' } },
    { line: ' ' },
  ]);
  expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
  expect(received[0]).toMatchObject({
    method: 'POST',
    url: '/services/collector/event',
    headers: { authorization: 'Splunk secret', 'content-encoding': 'gzip' },
  });
  expect(received[0]?.headers['x-splunk-request-channel']).toBeUndefined();
  const common = { host: 'h', source: '/var/log/app.log', sourcetype: 'app', index: 'main' };
  const sent = textOf(received[0] ?? nothing())
    .replaceAll('}{', '}\n{')
    .split('\n');
  expect(sent.map((one) => JSON.parse(one) as unknown)).toEqual([
    {
      ...common,
      time: '1767323045.123456789',
      event: 'one',
      fields: { path: '/var/log/app.log', id: 'id-0', 'container.name': 'web' },
    },
    // The collector refuses blank texts.
    { ...common, time: '1767225600.000000000', event: { line: ' ' }, fields: { path: '/var/log/app.log', id: 'id-1' } },
  ]);
});

const nothing = (): never => {
  throw new Error('nothing was received');
};

test.each<[number, object, Partial<Answer>]>([
  [200, { code: 0 }, { kind: 'accepted' }],
  [200, { html: 1 }, { kind: 'blocked', reason: expect.stringContaining('check the address') }],
  [403, { code: 1 }, { kind: 'blocked', reason: 'the receiver answered 403, code 1: the token is disabled' }],
  [401, { code: 2 }, { kind: 'blocked' }],
  [401, { code: 3 }, { kind: 'blocked' }],
  [403, { code: 4 }, { kind: 'blocked' }],
  [400, { code: 5 }, { kind: 'too-large' }],
  [400, { code: 7, 'invalid-event-number': 1 }, { kind: 'blocked', reason: expect.stringContaining('set index') }],
  [500, { code: 8 }, { kind: 'retry', uncertain: true }],
  [503, { code: 9 }, { kind: 'retry', uncertain: false }],
  [400, { code: 10 }, { kind: 'blocked', reason: expect.stringContaining('set acknowledgement') }],
  [400, { code: 14 }, { kind: 'blocked' }],
  [413, {}, { kind: 'too-large' }],
  [429, { code: 26 }, { kind: 'retry', uncertain: false }],
])('%i %j', async (status, body, expected) => {
  const { origin } = await receiver((response) => response.writeHead(status).end(JSON.stringify(body)));
  const answer = await (await splunk(origin)).send(shipment(['one', 'two']), never);
  expect(answer).toMatchObject(expected);
  expect(JSON.stringify(answer)).not.toContain('secret');
});

test.each([6, 12, 13, 15])('code %i refuses the event that it names', async (code) => {
  const { origin } = await receiver((response) =>
    response.writeHead(400).end(JSON.stringify({ text: 'no', code, 'invalid-event-number': 1 })),
  );
  const to = await splunk(origin);
  expect(await to.send(shipment(['one', 'two', 'three']), never)).toMatchObject({
    kind: 'partial',
    refused: [{ index: 1, reason: expect.stringContaining(`the receiver answered 400, code ${code}: `) }],
    retry: [0, 2],
    uncertain: true,
  });
  expect(await to.send(shipment(['one']), never)).toMatchObject({
    kind: 'partial',
    refused: [{ index: 0 }],
    retry: [],
  });
});

describe('with acknowledgement', () => {
  /** A collector whose indexers have a request when they were asked `after` times. */
  async function indexers(after: number, over: (request: Received) => [number, string] | undefined = () => undefined) {
    let asked = 0;
    let next = 7;
    return receiver((response, request) => {
      const [status, body] = over(request) ?? [200, undefined];
      if (body !== undefined) return void response.writeHead(status).end(body);
      if (request.url === '/services/collector/event') return void response.end(`{"code":0,"ackId":${next++}}`);
      const { acks } = JSON.parse(textOf(request)) as { acks: number[] };
      asked++;
      response.end(JSON.stringify({ acks: Object.fromEntries(acks.map((id) => [id, asked > after])) }));
    });
  }

  test('accepted is what the indexers have', async () => {
    const { origin, received } = await indexers(2);
    const to = await splunk(`${origin}/services/collector/event`, { acknowledgement: true });
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    expect(received.map(({ url }) => url)).toEqual([
      '/services/collector/event',
      ...Array<string>(3).fill('/services/collector/ack'),
    ]);
    expect(received.slice(1).map(({ body }) => String(body))).toEqual(Array(3).fill('{"acks":[7]}'));
    const channels = new Set(received.map(({ headers }) => headers['x-splunk-request-channel']));
    expect([...channels]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    expect(to.clock.sleeps).toEqual([1000, 1000]);
  });

  test('what they do not have in time is sent again', async () => {
    const { origin } = await indexers(1000);
    const to = await splunk(origin, { acknowledgement: true, acknowledgement_timeout_ms: 5000 });
    expect(await to.send(shipment(['one']), never)).toEqual({
      kind: 'retry',
      reason: 'not acknowledged within 5000 ms',
      uncertain: true,
    });
  });

  test('a failure to ask is asked again', async () => {
    let failures = 2;
    const { origin } = await indexers(0, ({ url }) =>
      url === '/services/collector/ack' && failures-- > 0 ? [503, ''] : undefined,
    );
    const to = await splunk(origin, { acknowledgement: true });
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    expect(to.clock.sleeps).toHaveLength(2);
  });

  test('a collector that gives no id is set up otherwise', async () => {
    const { origin } = await receiver(fine);
    const to = await splunk(origin, { acknowledgement: true });
    expect(await to.send(shipment(['one']), never)).toMatchObject({
      kind: 'blocked',
      reason: expect.stringContaining('turn it on, or unset acknowledgement'),
    });
  });

  test('an abort ends the wait', async () => {
    const { origin } = await indexers(1000);
    const stop = new AbortController();
    const to = await splunk(origin, { acknowledgement: true });
    to.clock.onSleep = () => stop.abort(new Error('stopped'));
    await expect(to.send(shipment(['one']), stop.signal)).rejects.toThrow('stopped');
  });
});

test('a request is of 1 MB at most', async () => {
  const { origin, received } = await receiver(fine);
  const lines = Array.from({ length: 20 }, () => 'x'.repeat(100_000));
  expect(await (await splunk(origin, { compression: false })).send(shipment(lines), never)).toEqual({
    kind: 'accepted',
  });
  expect(received.map(({ body }) => body.length <= 1_000_000)).toEqual([true, true, true]);
});
