import { hostname } from 'node:os';
import type { Answer } from '../../../../runtime/flicker/destination';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { closeAll, closers, receiver, textOf } from './receiver';
import { context, destinationConfig, extraShipment, never, shipment } from './support';

afterEach(closeAll);

async function datadog(endpoint: string | undefined, settings: object = {}) {
  const config = destinationConfig({ type: 'datadog', api_key: 'secret', endpoint, ...settings });
  const destination = await createDestination(config, context);
  closers.push(() => destination.close());
  return destination;
}

test('sends logs as the v2 intake takes them', async () => {
  const { origin, received } = await receiver((response) => response.writeHead(202).end('{}'));
  const to = await datadog(origin, {
    tags: { env: 'prod', team: 'a' },
    service: 'web',
    hostname: 'h',
    source: 'nginx',
  });
  const events = extraShipment([
    { line: 'one', time: '2026-01-02T03:04:05.123Z', attributes: { 'container.name': 'web' } },
  ]);
  expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
  expect(received[0]).toMatchObject({
    method: 'POST',
    url: '/api/v2/logs',
    headers: { 'dd-api-key': 'secret', 'content-type': 'application/json', 'content-encoding': 'gzip' },
  });
  expect(received.map(textOf).map((text) => JSON.parse(text) as unknown)).toEqual([
    [
      {
        ddsource: 'nginx',
        ddtags: 'env:prod,team:a',
        hostname: 'h',
        service: 'web',
        message: 'one',
        path: '/var/log/app.log',
        id: 'id-0',
        timestamp: '2026-01-02T03:04:05.123Z',
        attributes: { 'container.name': 'web' },
      },
    ],
  ]);
});

test('the site chooses the intake; the source is the service unless it is told', async () => {
  expect((await datadog(undefined, { site: 'datadoghq.eu' })).label).toBe(
    'datadog https://http-intake.logs.datadoghq.eu',
  );
  const { origin, received } = await receiver((response) => response.writeHead(202).end());
  await (await datadog(origin)).send(shipment(['one']), never);
  expect(JSON.parse(textOf(received[0] ?? fail()))).toEqual([
    expect.objectContaining({ service: 'app', hostname: hostname(), ddsource: 'flicker' }),
  ]);
});

const fail = () => {
  throw new Error('nothing was received');
};

test('a request holds 1,000 events and 5 MB at most; an event that the intake would cut is refused', async () => {
  const { origin, received } = await receiver((response) => response.writeHead(202).end());
  const to = await datadog(origin, { compression: false });
  const many = Array.from({ length: 1001 }, (_, i) => String(i));
  expect(await to.send(shipment(many), never)).toEqual({ kind: 'accepted' });
  const counts = received.splice(0).map((request) => (JSON.parse(textOf(request)) as unknown[]).length);
  expect(counts).toEqual([1000, 1]);
  const large = Array.from({ length: 6 }, () => 'x'.repeat(990_000));
  expect(await to.send(shipment([...large, 'x'.repeat(1_000_000)]), never)).toEqual({
    kind: 'partial',
    refused: [{ index: 6, reason: 'Datadog takes events of at most 1000000 bytes' }],
    retry: [],
    reason: '',
    uncertain: false,
  });
  expect(received.map(({ body }) => body.length <= 5_000_000)).toEqual([true, true]);
});

test.each<[number, Partial<Answer>]>([
  [202, { kind: 'accepted' }],
  [400, { kind: 'too-large' }],
  [401, { kind: 'blocked' }],
  [403, { kind: 'blocked' }],
  [408, { kind: 'retry', uncertain: false }],
  [413, { kind: 'too-large' }],
  [429, { kind: 'retry', uncertain: false }],
  [500, { kind: 'retry', uncertain: true }],
  [503, { kind: 'retry', uncertain: false }],
])('%i', async (status, expected) => {
  const { origin } = await receiver((response) => response.writeHead(status).end());
  const answer = await (await datadog(origin)).send(shipment(['one', 'two']), never);
  expect(answer).toMatchObject(expected);
  expect(JSON.stringify(answer)).not.toContain('secret');
});
