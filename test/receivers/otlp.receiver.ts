import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Answer } from '../../runtime/flicker/destination';
import { createDestination } from '../../runtime/flicker/destinations';
import { closeAll, closers, receiver, textOf, type Received } from '../runtime/flicker/destinations/receiver';
import { context, destinationConfig, extraShipment, never, shipment } from '../runtime/flicker/destinations/support';
import { accepts, freePort, nasty, start, type Program } from './program';

const otelcol = process.env.OTELCOL || 'otelcol';
const folder = mkdtempSync(join(tmpdir(), 'holdfast-otlp-'));
/** What the Collector passes on, as soon as it has it: it answers with the status of this receiver. */
let received: Received[];
let status = 200;
let endpoint: string;
let program: Program | undefined;

beforeAll(async () => {
  const components = String(spawnSync(otelcol, ['components']).stdout ?? '');
  if (!['otlpreceiver', 'otlphttpexporter'].every((module) => components.includes(module))) {
    throw new Error(
      'there is no OpenTelemetry Collector with otlpreceiver and otlphttpexporter: name one in OTELCOL, or put it on the ' +
        'PATH as otelcol, and run this again. Releases have both (github.com/open-telemetry/opentelemetry-collector-releases), ' +
        'and so has a build: "go install go.opentelemetry.io/collector/cmd/builder@v0.160.0" and a manifest with the two and ' +
        'the providers envprovider and fileprovider',
    );
  }
  const double = await receiver((response) => response.writeHead(status).end('{}'));
  received = double.received;
  const port = await freePort();
  endpoint = `http://127.0.0.1:${port}`;
  const config = join(folder, 'otelcol.json');
  writeFileSync(config, JSON.stringify(collector(port, double.origin)));
  program = start(otelcol, [`--config=file:${config}`]);
  await program.until(() => accepts(port));
});

beforeEach(() => {
  received.length = 0;
  status = 200;
});

afterAll(async () => {
  await program?.stop();
  await closeAll();
  rmSync(folder, { recursive: true });
});

/** A config, as JSON, which is YAML too. Without a queue, what has arrived is known when it answers. */
const collector = (port: number, to: string) => ({
  receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
  exporters: {
    otlp_http: {
      endpoint: to,
      encoding: 'json',
      compression: 'none',
      sending_queue: { enabled: false },
      retry_on_failure: { enabled: false },
    },
  },
  service: {
    telemetry: { metrics: { level: 'none' } },
    pipelines: { logs: { receivers: ['otlp'], exporters: ['otlp_http'] } },
  },
});

const logRecord = z.object({
  timeUnixNano: z.string().optional(),
  observedTimeUnixNano: z.string(),
  body: z.unknown(),
  attributes: z.array(z.unknown()),
});
const exported = z.object({
  resourceLogs: z
    .array(
      z.object({
        resource: z.object({ attributes: z.array(z.unknown()) }),
        scopeLogs: z
          .array(z.object({ scope: z.object({ name: z.string() }), logRecords: z.array(logRecord) }))
          .length(1),
      }),
    )
    .length(1),
});

/** The exports that arrived, each of one resource and one scope. */
const understood = () =>
  received
    .map((one) => exported.parse(JSON.parse(textOf(one))))
    .flatMap(({ resourceLogs }) =>
      resourceLogs.flatMap(({ resource, scopeLogs }) => scopeLogs.map((logs) => ({ ...logs, resource }))),
    );

const clock = { ...context.clock, now: () => Date.parse('2026-03-04T05:06:07.890Z') };

async function otlp(settings: object = {}) {
  const to = await createDestination(destinationConfig({ type: 'otlp', endpoint, ...settings }), { ...context, clock });
  closers.push(() => to.close());
  return to;
}

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });

const refused = (reason: string): Answer => ({
  kind: 'partial',
  refused: [{ index: 0, reason }],
  retry: [],
  reason: '',
  uncertain: false,
});

describe.each([{ encoding: 'json' }, { encoding: 'protobuf' }])('$encoding', ({ encoding }) => {
  test.each([{ compression: true }, { compression: false }])(
    'is understood, compression $compression',
    async ({ compression }) => {
      const to = await otlp({ encoding, compression, resource: { 'deployment.environment.name': 'prod' } });
      const time = '2026-01-02T03:04:05.123456789Z';
      const fields = {
        n: -1,
        big: 9007199254740991,
        x: 0.5,
        huge: 1e300,
        ok: true,
        no: false,
        none: null,
        empty: '',
        list: ['a', 2, []],
        deep: { 'é "': { b: 'c' }, nothing: {} },
      };
      const events = extraShipment([
        ...nasty.map((line) => ({ line, time, path: '/p "]', attributes: { 'container.name': 'wéb' } })),
        { line: 'of a JSON line', fields: JSON.stringify(fields) },
        { line: 'of an API', path: 'api://okta' },
      ]);
      expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
      const observedTimeUnixNano = '1772600767890000000';
      expect(understood()).toEqual([
        {
          resource: { attributes: [text('service.name', 'app'), text('deployment.environment.name', 'prod')] },
          scope: { name: 'flicker' },
          logRecords: [
            ...nasty.map((line, i) => ({
              timeUnixNano: '1767323045123456789',
              observedTimeUnixNano,
              body: { stringValue: line },
              attributes: [
                text('container.name', 'wéb'),
                text('log.file.path', '/p "]'),
                text('log.record.uid', `id-${i}`),
              ],
            })),
            {
              observedTimeUnixNano,
              body: { stringValue: 'of a JSON line' },
              attributes: [
                { key: 'n', value: { intValue: '-1' } },
                { key: 'big', value: { intValue: '9007199254740991' } },
                { key: 'x', value: { doubleValue: 0.5 } },
                { key: 'huge', value: { doubleValue: 1e300 } },
                { key: 'ok', value: { boolValue: true } },
                { key: 'no', value: { boolValue: false } },
                { key: 'none', value: {} },
                text('empty', ''),
                {
                  key: 'list',
                  value: { arrayValue: { values: [{ stringValue: 'a' }, { intValue: '2' }, { arrayValue: {} }] } },
                },
                {
                  key: 'deep',
                  value: {
                    kvlistValue: {
                      values: [
                        { key: 'é "', value: { kvlistValue: { values: [text('b', 'c')] } } },
                        { key: 'nothing', value: { kvlistValue: {} } },
                      ],
                    },
                  },
                },
                text('log.file.path', '/var/log/app.log'),
                text('log.record.uid', `id-${nasty.length}`),
              ],
            },
            {
              observedTimeUnixNano,
              body: { stringValue: 'of an API' },
              attributes: [text('url.full', 'api://okta'), text('log.record.uid', `id-${nasty.length + 1}`)],
            },
          ],
        },
      ]);
    },
  );

  test('arrives whole when it takes several requests', async () => {
    const to = await otlp({ encoding });
    const lines = Array.from({ length: 12_000 }, (_, i) => `line ${i}`);
    expect(await to.send(shipment(lines), never)).toEqual({ kind: 'accepted' });
    const records = understood().map(({ logRecords }) => logRecords);
    expect(records.map(({ length }) => length)).toEqual([10_000, 2000]);
    expect(records.flat().map(({ body }) => body)).toEqual(lines.map((stringValue) => ({ stringValue })));
    const uids = lines.map((_, i) => text('log.record.uid', `id-${i}`));
    expect(records.flat().map(({ attributes }) => attributes.at(-1))).toEqual(uids);
  });

  test.each<[number, Answer]>([
    [429, { kind: 'retry', reason: 'the receiver answered 429 Too Many Requests', uncertain: false }],
    [503, { kind: 'retry', reason: 'the receiver answered 503 Service Unavailable', uncertain: false }],
    [400, refused('the receiver answered 400 Bad Request')],
    [500, refused('the receiver answered 500 Internal Server Error')],
  ])('is answered as what is behind the Collector answers: %i', async (code, answer) => {
    const to = await otlp({ encoding });
    status = code;
    expect(await to.send(shipment(['one']), never)).toEqual(answer);
    status = 200;
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    expect(received).toHaveLength(2);
  });
});
