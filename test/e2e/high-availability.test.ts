import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  flickerCalls,
  flickerConfig,
  haProfiles,
  layoutOfKey,
  parseSettings,
  takeoverBounds,
  type FlickerConfigInput,
  type HaTiming,
} from '../../contract';
import { startReceiver, type Receiver } from '../../dev/receiver';
import { loggerTo } from '../../dev/sim/sabotage';
import { systemClock, type Clock } from '../../runtime/core/clock';
import { adoptSpill } from '../../runtime/flicker/adopt';
import { untracked } from '../../runtime/flicker/commits';
import { readState } from '../../runtime/flicker/state';
import { covers, recordedCalls } from './recorded-calls';
import { lines, quick, Stage, startRegistryBucket, text, until, type Program, type RegistryBucket } from './support';

const MAX_UNSAVED = 200;
/** Short, and still with room for a machine that is busy. */
const ha: Omit<HaTiming, 'clock_drift'> = {
  renew_ms: 250,
  deadline_ms: 1250,
  lease_ms: 2000,
  poll_ms: 200,
  abort_ms: 500,
  attempt_timeout_ms: 500,
};
const bounds = takeoverBounds({ ...ha, clock_drift: 0.01 }, 500);
const document = z.looseObject({
  lease: z.looseObject({ owner: z.string(), host: z.string(), epoch: z.number(), state: z.string() }),
  files: z.record(z.string(), z.looseObject({ offset: z.number() })).default({}),
  spill: z.array(z.looseObject({ key: z.string() })).default([]),
});

let state: RegistryBucket;
let stage: Stage;
let receiver: Receiver;
let got: string[];
let key: string;
let tests = 0;

beforeAll(async () => {
  state = await startRegistryBucket();
}, 60_000);
afterAll(() => state?.stop());
beforeEach(async () => {
  stage = new Stage();
  got = [];
  receiver = await startReceiver((records) => void got.push(...records.map(({ line }) => line)));
  key = `flicker/test/${++tests}-registry.json`;
});
afterEach(async () => {
  await stage.dispose();
  await receiver.stop();
});

const configOf = (log_files: FlickerConfigInput['log_files']): FlickerConfigInput => ({
  log_files,
  destination: { type: 'http', endpoint: receiver.url },
  registry: { save_interval_ms: 100, heartbeat_interval_ms: 500, max_unsaved_events: MAX_UNSAVED },
  ha,
});

function start(
  node: string,
  sources: FlickerConfigInput['log_files'],
  more: Partial<FlickerConfigInput> = {},
): Program {
  const args = ['--track', '--registry-file', `s3://${state.Bucket}/${key}`, '--node-id', node, '--debug'];
  return stage.start({ ...configOf(sources), ...more }, args, state.env);
}

const shared = (): FlickerConfigInput['log_files'] => [
  { name: 'app', path: stage.path('app.log'), shared: true, ...quick },
];

async function stored(of = key) {
  const { Body } = await state.s3.send(new GetObjectCommand({ Bucket: state.Bucket, Key: of }));
  return document.parse(JSON.parse((await Body?.transformToString()) ?? ''));
}

async function metric(program: Program, name: string): Promise<number> {
  const { port } = await program.event('http.listening');
  const page = await (await fetch(`http://127.0.0.1:${String(port)}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(page)?.[1]);
}

const all = (last: number) => until(`line ${last}`, () => got.includes(`line ${last}`));
/** Milliseconds until a standby has taken over. */
async function takeover(program: Program, since = performance.now()): Promise<number> {
  await program.event('registry.taken_over');
  return performance.now() - since;
}
const standing = (program: Program) =>
  until('a standby', async () => (await program.probe('/readyz')).startsWith('200 standby: '));

test('a standby takes over from a holder that is killed, and from one that is stopped; one that was frozen comes back as a standby', async () => {
  stage.write('app.log', text(1, 100));
  const first = start('a', shared());
  await all(100);
  const second = start('b', shared());
  await standing(second);
  const { owner, epoch } = (await stored()).lease;
  expect(await second.probe('/readyz')).toMatch(`200 standby: ${owner} on `);
  expect(await first.probe('/readyz')).toBe('200 ready');
  expect([await metric(first, 'flicker_leader'), await metric(second, 'flicker_leader')]).toEqual([1, 0]);

  // Killed with something under way.
  stage.append('app.log', text(101, 150));
  first.process.child.kill('SIGKILL');
  expect(await takeover(second)).toBeLessThan(bounds.crashMs);
  stage.append('app.log', text(151, 200));
  await all(200);
  expect((await stored()).lease).toMatchObject({ epoch: epoch + 1, state: 'held' });
  expect(await metric(second, 'flicker_takeover_seconds')).toBeGreaterThan(0);

  // Stopped: it gives the lease back.
  const third = start('c', shared());
  await standing(third);
  const stopped = performance.now();
  const code = second.stop();
  expect(await takeover(third, stopped)).toBeLessThan(bounds.cleanMs + 1000); // it drains first
  expect(await code).toBe(0);

  // Frozen for longer than a lease.
  const fourth = start('d', shared());
  await standing(fourth);
  third.process.child.kill('SIGSTOP');
  await takeover(fourth);
  const { lease } = await stored();
  third.process.child.kill('SIGCONT');
  await third.event('registry.expired');
  await standing(third);
  expect(third.process.child.exitCode).toBeNull();
  expect(await third.probe('/livez')).toBe('200 live');
  expect([await metric(third, 'flicker_leader'), await metric(third, 'flicker_fenced_total')]).toEqual([0, 1]);
  expect((await stored()).lease.owner).toBe(lease.owner);

  stage.append('app.log', text(201, 250));
  await all(250);
  // Nothing is lost, and what was repeated is within the cap of each change.
  expect([...new Set(got)].sort()).toEqual(lines(1, 250).sort());
  expect(got.length - 250).toBeLessThanOrEqual(3 * MAX_UNSAVED);
}, 60_000);

test('node files move into registries of their own: nothing is lost, nothing is shipped again', async () => {
  stage.write('app.log', text(1, 50));
  const source = [{ name: 'app', path: stage.path('app.log'), ...quick }];
  const single = start('a', source, { ha: false });
  await all(50);
  expect(await single.stop()).toBe(0);
  expect(Object.keys((await stored()).files)).toHaveLength(1);

  // One node, with a source that all could ship: the holder drops what has moved.
  stage.append('app.log', text(51, 60));
  stage.write('shared.log', 'a shared line\n');
  const both = [...source, { name: 'shared', path: stage.path('shared.log'), shared: true, ...quick }];
  const first = start('a', both);
  await all(60);
  await until('the shared line', () => got.includes('a shared line'));
  const own = `flicker/test/${tests}/nodes/a-registry.json`;
  await until('the move', async () => Object.keys((await stored()).files).every((name) => name.startsWith('shared/')));
  expect(Object.keys((await stored(own)).files)).toEqual([expect.stringMatching(/^a\//)]);

  // Another node stands by for the shared source and ships its own files meanwhile.
  stage.write('other.log', 'a line of another node\n');
  const second = start('b', [{ name: 'app', path: stage.path('other.log'), ...quick }, ...both.slice(1)]);
  await until('its own line', () => got.includes('a line of another node'));
  await standing(second);
  expect(await first.stop()).toBe(0);
  await takeover(second);
  stage.append('shared.log', 'another shared line\n');
  await until('the other shared line', () => got.includes('another shared line'));
  // What was called is what the contract says.
  const contract = flickerCalls(
    parseSettings(flickerConfig('final'), configOf(both), 'config'),
    `s3://${state.Bucket}/${key}`,
  );
  const made = [first, second].flatMap(({ process }) => recordedCalls(process.lines));
  expect(made.length).toBeGreaterThan(10);
  expect(made.filter((call) => !contract.some((entry) => covers(entry, call)))).toEqual([]);
  expect(got.sort()).toEqual(
    [...lines(1, 60), 'a line of another node', 'a shared line', 'another shared line'].sort(),
  );
}, 60_000);

test('of two processes on one node the younger one ships its files; the other one stands by and comes back', async () => {
  stage.write('app.log', text(1, 20));
  const source = [{ name: 'app', path: stage.path('app.log'), ...quick }];
  const first = start('a', source);
  await all(20);
  const second = start('a', source);
  await standing(first);
  await until('the younger one', async () => (await second.probe('/readyz')) === '200 ready');
  stage.append('app.log', text(21, 40));
  await all(40);
  expect(await second.stop()).toBe(0);
  stage.append('app.log', text(41, 60));
  await all(60);
  // No lease of the cluster was needed: there is none.
  await expect(stored()).rejects.toThrow();
  expect(await first.stop()).toBe(0);
  expect([...new Set(got)].sort()).toEqual(lines(1, 60).sort());
}, 60_000);

test('what a vanished node has spilled is sent by another node', async () => {
  stage.write('app.log', text(1, 30));
  const source = [{ name: 'app', path: stage.path('app.log'), ...quick }];
  const nodeKey = (node: string) => `flicker/test/${tests}/nodes/${node}-registry.json`;
  const to = (endpoint: string): Partial<FlickerConfigInput> => ({
    destination: { type: 'http', endpoint, required: false, spill_after_ms: 100 },
  });
  const down = await stage.serve((request, response) => {
    request.resume();
    response.writeHead(503).end();
  });
  const gone = start('gone', source, to(down));
  await gone.event('spill.written');
  await until('the spill', async () => (await stored(nodeKey('gone'))).spill.length > 0);
  expect(await gone.stop()).toBe(0);
  const { spill } = await stored(nodeKey('gone'));

  // A node that counts as vanished at once.
  const adopted = readState({});
  const over = new AbortController();
  // It looks at once, instead of in some minutes.
  const sleep: Clock['sleep'] = (ms, signal) => systemClock.sleep(ms > 60_000 ? 0 : ms, signal);
  await adoptSpill(
    {
      s3: () => Promise.resolve(state.s3),
      bucket: state.Bucket,
      main: layoutOfKey(key),
      own: layoutOfKey(nodeKey('b')),
      vanishedMs: 0,
      cluster: undefined,
      ha: haProfiles.fast,
      claim: () => ({ configHash: '', owner: randomUUID(), host: 'b', writerVersion: '' }),
      sends: ({ source: name, destination }) => name === 'app' && destination === 'http',
      state: adopted,
      commits: { ...untracked, commit: () => Promise.resolve(over.abort()) },
      clock: { ...systemClock, sleep },
      log: loggerTo(() => {}),
    },
    over.signal,
  );
  expect(adopted.spill).toEqual(spill);
  const left = await stored(nodeKey('gone'));
  expect([left.spill, left.lease.state]).toEqual([[], 'released']);

  const document = { ...left, spill };
  await state.s3.send(
    new PutObjectCommand({ Bucket: state.Bucket, Key: nodeKey('b'), Body: JSON.stringify(document) }),
  );
  const heir = start('b', [{ name: 'app', path: stage.path('none.log'), ...quick }], to(receiver.url));
  await all(30);
  await until('an empty list', async () => (await stored(nodeKey('b'))).spill.length === 0);
  expect(await heir.stop()).toBe(0);
  expect([...got].sort()).toEqual(lines(1, 30).sort());
}, 60_000);
