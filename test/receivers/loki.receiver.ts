import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { deliver } from '../../runtime/flicker/delivery';
import type { Answer, Shipment } from '../../runtime/flicker/destination';
import { createDestination } from '../../runtime/flicker/destinations';
import { keptLetters, surroundings } from '../runtime/flicker/delivery/support';
import { closeAll, closers } from '../runtime/flicker/destinations/receiver';
import { context, destinationConfig, extraShipment, never, shipment } from '../runtime/flicker/destinations/support';
import { freePort, nasty, start, type Program } from './program';

const binary = process.env.LOKI || 'loki';
const folder = mkdtempSync(join(tmpdir(), 'holdfast-loki-'));
let endpoint: string;
let program: Program | undefined;

beforeAll(async () => {
  if (!/^loki, version/.test(String(spawnSync(binary, ['--version']).stdout ?? ''))) {
    throw new Error(
      'there is no Loki: name one in LOKI, or put it on the PATH as loki, and run this again. Releases have it ' +
        '(github.com/grafana/loki/releases), and so has a build of its Go module: a go.mod of your own with ' +
        '"require github.com/grafana/loki/v3 v3.7.8" and the replace directives of its go.mod, but that of ./pkg/push, then ' +
        '"go build -mod=mod github.com/grafana/loki/v3/cmd/loki"',
    );
  }
  const [http, grpc] = [await freePort(), await freePort()];
  endpoint = `http://127.0.0.1:${http}`;
  const file = join(folder, 'loki.json');
  writeFileSync(join(folder, 'tenants.json'), JSON.stringify(tenants));
  writeFileSync(file, JSON.stringify(config(http, grpc)));
  program = start(binary, [`-config.file=${file}`]);
  await program.until(() =>
    fetch(`${endpoint}/ready`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
});

afterEach(closeAll);

afterAll(async () => {
  await program?.stop();
  rmSync(folder, { recursive: true });
});

/** What is not Loki's default, by tenant. Each test has a tenant of its own. */
const tenants = {
  overrides: {
    slow: { ingestion_rate_mb: 0.05, ingestion_burst_size_mb: 0.1 },
    'slow-stream': { per_stream_rate_limit: '20KB', per_stream_rate_limit_burst: '40KB' },
    plain: { allow_structured_metadata: false },
  },
};

/** A config, as JSON, which is YAML too: one process, all on its disk, limits as they are by default. */
const config = (http: number, grpc: number) => ({
  auth_enabled: true,
  server: {
    http_listen_address: '127.0.0.1',
    http_listen_port: http,
    grpc_listen_address: '127.0.0.1',
    grpc_listen_port: grpc,
    log_level: 'error',
  },
  analytics: { reporting_enabled: false },
  common: {
    path_prefix: folder,
    replication_factor: 1,
    instance_addr: '127.0.0.1',
    ring: { kvstore: { store: 'inmemory' }, instance_addr: '127.0.0.1' },
    storage: { filesystem: { chunks_directory: join(folder, 'chunks'), rules_directory: join(folder, 'rules') } },
  },
  schema_config: {
    configs: [
      {
        from: '2024-01-01',
        store: 'tsdb',
        object_store: 'filesystem',
        schema: 'v13',
        index: { prefix: 'index_', period: '24h' },
      },
    ],
  },
  ingester: { lifecycler: { min_ready_duration: '0s', final_sleep: '0s' } },
  limits_config: { max_entries_limit_per_query: 100_000 },
  runtime_config: { file: join(folder, 'tenants.json') },
});

const found = z.object({
  data: z.object({
    result: z.array(
      z.object({
        stream: z.record(z.string(), z.string()),
        values: z.array(
          z.tuple([
            z.string(),
            z.string(),
            z.object({ structuredMetadata: z.record(z.string(), z.string()).default({}) }).optional(),
          ]),
        ),
      }),
    ),
  }),
});

/** What Loki adds by itself. */
const added = new Set(['service_name', 'detected_level']);
const own = (names: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(names).filter(([name]) => !added.has(name)));

/** The entries of a tenant, in the order of their times. */
async function entries(tenant: string) {
  const now = Date.now();
  const query = new URLSearchParams({
    query: '{job="flicker"}',
    start: `${now - 8 * DAY}000000`,
    end: `${now + DAY}000000`,
    limit: '100000',
    direction: 'forward',
  });
  const headers = { 'x-scope-orgid': tenant, 'x-loki-response-encoding-flags': 'categorize-labels' };
  const response = await fetch(`${endpoint}/loki/api/v1/query_range?${query.toString()}`, { headers });
  if (!response.ok) throw new Error(`Loki answered ${response.status} ${await response.text()}`);
  return found
    .parse(await response.json())
    .data.result.flatMap(({ stream, values }) =>
      values.map(([time, line, extra]) => ({
        time,
        line,
        labels: own(stream),
        metadata: own(extra?.structuredMetadata ?? {}),
      })),
    )
    .toSorted((a, b) => (BigInt(a.time) < BigInt(b.time) ? -1 : 1));
}

const linesOf = async (tenant: string) => (await entries(tenant)).map(({ line }) => line);

async function loki(tenant: string, settings: object = {}) {
  const to = await createDestination(destinationConfig({ type: 'loki', endpoint, tenant, ...settings }), context);
  closers.push(() => to.close());
  return to;
}

/** Delivers as the shipper does, on a clock that does not wait. */
async function delivered(events: Shipment, tenant: string) {
  const { letters, deadLetters } = keptLetters();
  const outcome = await deliver(events, { ...surroundings().context, destination: await loki(tenant), deadLetters });
  return { outcome, letters: letters.map(({ reason, lines }) => [reason, lines]) };
}

const DAY = 86_400_000;
const MINUTE = 60_000;
const at = (ms: number) => new Date(Date.now() + ms).toISOString();
const refusal = (cause: string) => `the receiver answered 400 Bad Request: ${cause}`;

test.each([{ compression: true }, { compression: false }])(
  'stores every event with its text, time, labels and metadata, compression $compression',
  async ({ compression }) => {
    const tenant = `whole-${compression}`;
    const to = await loki(tenant, {
      compression,
      labels: { job: 'flicker', env: 'prod' },
      label_attributes: ['k8s.pod.name'],
    });
    const second = at(-MINUTE).slice(0, 19);
    const texts = [...nasty, '', '\u{fffe}\u{ffff}', 'same', 'same'];
    const events = texts.map((line, i) => ({
      line,
      time: `${second}.${String(i).padStart(9, '0')}Z`,
      path: '/p "]',
      attributes: { 'k8s.pod.name': 'wéb', 'container.id': 'c"1' },
    }));
    // Sent twice, as after a kill: the second time nothing is added.
    for (let i = 0; i < 2; i++) {
      expect(await to.send(extraShipment(events), never)).toEqual({ kind: 'accepted' });
      expect(await entries(tenant)).toEqual(
        texts.map((line, at) => ({
          time: `${Date.parse(`${second}Z`) / 1000}${String(at).padStart(9, '0')}`,
          line,
          labels: { job: 'flicker', env: 'prod', k8s_pod_name: 'wéb' },
          metadata: { id: `id-${at}`, path: '/p "]', container_id: 'c"1' },
        })),
      );
    }
  },
);

test('stores what takes several pushes once, in order, without times of its own', async () => {
  const lines = Array.from({ length: 12_000 }, (_, i) => (i % 3 === 0 ? 'same' : `line ${i}`));
  expect(await delivered(shipment(lines), 'many')).toEqual({
    outcome: { kind: 'settled', delivered: lines.length, deadLettered: 0 },
    letters: [],
  });
  expect(await linesOf('many')).toEqual(lines);
});

test.each<
  [string, (line: string, i: number) => { line: string; time?: string; attributes?: Record<string, string> }, string]
>([
  ['too long', (line, i) => ({ line: i === 7 ? 'x'.repeat(256 * 1024 + 1) : line }), 'max entry size'],
  ['too old', (line, i) => ({ line, time: at(i === 7 ? -8 * DAY : -MINUTE + i) }), 'timestamp too old'],
  ['too new', (line, i) => ({ line, time: at(i === 7 ? DAY / 2 : -MINUTE + i) }), 'timestamp too new'],
  ['too far behind its stream', (line, i) => ({ line, time: at(i === 7 ? -90 * MINUTE : i) }), 'entry too far behind'],
  [
    'of more metadata than Loki takes',
    (line, i) => ({ line, ...(i === 7 && { attributes: { big: 'x'.repeat(65_537) } }) }),
    'structured metadata',
  ],
])('an event that is %s is a dead letter, and the others are there once', async (name, event, cause) => {
  const tenant = name.replaceAll(' ', '-');
  const events = Array.from({ length: 20 }, (_, i) => event(`line ${i}`, i));
  const bad = events[7]?.line;
  const { outcome, letters } = await delivered(extraShipment(events), tenant);
  expect(outcome).toMatchObject({ kind: 'settled', delivered: 19, deadLettered: 1 });
  expect(letters).toEqual([[refusal(cause), [bad]]]);
  expect(await linesOf(tenant)).toEqual(events.flatMap(({ line }) => (line === bad ? [] : [line])));
});

test('takes an event that is behind its stream by less than an hour', async () => {
  const events = [0, -50 * MINUTE, -10 * MINUTE].map((ms) => ({ line: `${ms}`, time: at(ms) }));
  expect(await (await loki('late')).send(extraShipment(events), never)).toEqual({ kind: 'accepted' });
  expect(await linesOf('late')).toEqual([`${-50 * MINUTE}`, `${-10 * MINUTE}`, '0']);
});

test('a line of the longest that Loki takes, and 15 labels, are taken', async () => {
  const line = 'é'.repeat(128 * 1024);
  const labels = Object.fromEntries([['job', 'flicker'], ...Array.from({ length: 14 }, (_, i) => [`l${i}`, 'x'])]);
  expect(await (await loki('longest', { labels })).send(shipment([line]), never)).toEqual({ kind: 'accepted' });
  expect(await entries('longest')).toMatchObject([{ line, labels }]);
});

test.each<[string, Answer]>([
  ['slow', { kind: 'retry', reason: 'the receiver answered 429 Too Many Requests', uncertain: false }],
  ['slow-stream', { kind: 'retry', reason: 'the receiver answered 429 Too Many Requests', uncertain: false }],
])('what the limits of a tenant hold back (%s) is sent again until all is there once', async (tenant, answer) => {
  const to = await loki(tenant);
  const sent = Array.from({ length: 6 }, (_, batch) =>
    shipment(Array.from({ length: 10 }, (_, i) => `${batch} ${i} ${'x'.repeat(2000)}`)),
  );
  const answers: Answer[] = [];
  for (const events of sent) {
    for (;;) {
      const one = await to.send(events, never);
      answers.push(one);
      if (one.kind === 'accepted') break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  expect(answers.filter(({ kind }) => kind !== 'accepted')).toContainEqual(answer);
  expect(answers.filter(({ kind }) => kind !== 'accepted' && kind !== 'retry')).toEqual([]);
  const lines = await linesOf(tenant);
  expect(lines.map((line) => line.slice(0, 3))).toEqual(
    sent.flatMap((_, batch) => Array.from({ length: 10 }, (_, i) => `${batch} ${i}`)),
  );
});

test('without structured metadata where the tenant does not take it', async () => {
  const events = shipment(['one', 'two', 'two']);
  expect(await (await loki('plain')).send(events, never)).toMatchObject({
    kind: 'blocked',
    reason: expect.stringContaining('set structured_metadata: false'),
  });
  expect(await (await loki('plain', { structured_metadata: false })).send(events, never)).toEqual({ kind: 'accepted' });
  expect(await entries('plain')).toMatchObject(['one', 'two', 'two'].map((line) => ({ line, metadata: {} })));
});

test('a tenant that is missing blocks', async () => {
  const to = await createDestination(destinationConfig({ type: 'loki', endpoint }), context);
  closers.push(() => to.close());
  expect(await to.send(shipment(['one']), never)).toMatchObject({
    kind: 'blocked',
    reason: expect.stringContaining('401'),
  });
});
