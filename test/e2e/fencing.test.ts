import { DeleteObjectCommand, GetObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { z } from 'zod';
import type { FlickerConfigInput } from '../../contract';
import { startReceiver, type Receiver } from '../../dev/receiver';
import { lines, quick, Stage, startRegistryBucket, text, until, type Program, type RegistryBucket } from './support';

const document = z.looseObject({
  clusterId: z.string(),
  lease: z.looseObject({ owner: z.string(), epoch: z.number(), seq: z.number(), state: z.string() }),
});

let state: RegistryBucket;
let stage: Stage;
let receivers: Receiver[];
let key: string;
let tests = 0;

beforeAll(async () => {
  state = await startRegistryBucket();
}, 60_000);
afterAll(() => state?.stop());
beforeEach(() => {
  stage = new Stage();
  receivers = [];
  key = `flicker/test/${++tests}-registry.json`;
  stage.write('app.log', text(1, 3));
});
afterEach(async () => {
  await stage.dispose();
  for (const receiver of receivers) await receiver.stop();
});

/** An instance with a receiver of its own. */
async function instance(args: readonly string[] = [], endpoint?: string): Promise<{ program: Program; got: string[] }> {
  const got: string[] = [];
  const receiver = await startReceiver((records) => void got.push(...records.map(({ line }) => line)));
  receivers.push(receiver);
  const config: FlickerConfigInput = {
    log_files: [{ name: 'app', path: stage.path('app.log'), ...quick }],
    destination: { type: 'http', endpoint: endpoint ?? receiver.url },
    registry: { save_interval_ms: 20, heartbeat_interval_ms: 200 },
  };
  const program = stage.start(
    config,
    ['--track', '--registry-file', `s3://${state.Bucket}/${key}`, ...args],
    state.env,
  );
  return { program, got };
}

/** All versions of the registry, oldest first. */
async function versions() {
  const { Versions = [] } = await state.s3.send(new ListObjectVersionsCommand({ Bucket: state.Bucket, Prefix: key }));
  const read = Versions.map(async ({ VersionId }) => {
    const { Body } = await state.s3.send(new GetObjectCommand({ Bucket: state.Bucket, Key: key, VersionId }));
    return document.parse(JSON.parse((await Body?.transformToString()) ?? ''));
  });
  return (await Promise.all(read)).sort((a, b) => a.lease.epoch - b.lease.epoch || a.lease.seq - b.lease.seq);
}

test('a new instance takes over at once; the old one stops all work, says who did, idles, and exits 3 when told to stop', async () => {
  const first = await instance();
  await until('the first lines', () => first.got.length === 3);
  const second = await instance();
  expect((await second.program.event('registry.taken_over')).message).toMatch(
    /^took the registry over from [0-9a-f-]{36} on \S+, which had not released it$/,
  );
  const fenced = await first.program.event('registry.fenced');
  const [before] = (await versions()).slice(-1);
  expect(fenced).toMatchObject({ level: 'error', newOwner: before?.lease.owner, newEpoch: 2 });
  const told = `a new owner has taken over: ${before?.lease.owner} on ${String(fenced['newHost'])}, epoch 2`;
  expect(fenced.message).toBe(told);
  expect([await first.program.probe('/readyz'), await first.program.probe('/livez')]).toEqual([
    `503 ${told}`,
    '200 live',
  ]);
  expect(await second.program.probe('/readyz')).toBe('200 ready');

  const silent = first.got.length;
  stage.append('app.log', text(4, 6));
  await until('the other lines', () => second.got.includes('line 6'));
  // Several heartbeats of the new owner later the old one has not written.
  await until('heartbeats', async () => ((await versions()).at(-1)?.lease.seq ?? 0) > (before?.lease.seq ?? 0) + 3);
  expect(first.got.length).toBe(silent);
  expect([...new Set([...first.got, ...second.got])]).toEqual(lines(1, 6));
  expect(first.program.process.child.exitCode).toBeNull();

  expect(await first.program.stop()).toBe(3);
  expect(await second.program.stop()).toBe(0);
  const written = await versions();
  const owners = written.map(({ lease }) => lease.owner);
  // One change of owner and no way back; every version is a new one.
  expect(owners).toEqual([...owners].sort((a, b) => owners.indexOf(a) - owners.indexOf(b)));
  expect(new Set(owners).size).toBe(2);
  expect(written.map(({ lease }) => lease.seq)).toEqual(written.map((_, i) => (written[0]?.lease.seq ?? 0) + i));
  expect(written.at(-1)?.lease).toMatchObject({ epoch: 2, state: 'released' });
});

test('with --once a fenced instance exits 3 at once', async () => {
  let asked = () => {};
  const hung = new Promise<void>((resolve) => (asked = resolve));
  const origin = await stage.serve((request) => void request.resume().on('end', asked));
  const once = await instance(['--once'], `${origin}/ingest`);
  await hung;
  const { program, got } = await instance();
  expect(await once.program.process.ended).toBe(3);
  expect(once.program.text).toContain('a new owner has taken over');
  await until('the lines', () => got.length === 3);
  expect(await program.stop()).toBe(0);
});

test('a registry of another cluster is refused and not written', async () => {
  const own = await instance(['--cluster-id', 'prod/a', '--once']);
  expect(await own.program.process.ended).toBe(0);
  const before = await versions();
  const other = await instance(['--cluster-id', 'prod/b', '--once']);
  expect(await other.program.process.ended).toBe(1);
  expect(other.program.text).toContain(
    `flicker: the registry s3://${state.Bucket}/${key} belongs to "prod/a", not to "prod/b". It was left as it is; use a key of ` +
      'its own, or the cluster id "prod/a".',
  );
  expect([await versions(), other.got]).toEqual([before, []]);
  const adopting = await instance(['--once']);
  expect(await adopting.program.process.ended).toBe(0);
  expect((await versions()).at(-1)?.clusterId).toBe('prod/a');
});

test('a registry that is deleted stops its instance; only --allow-reset starts again, and reads again', async () => {
  const running = await instance();
  await until('the lines', () => running.got.length === 3);
  await state.s3.send(new DeleteObjectCommand({ Bucket: state.Bucket, Key: key }));
  expect(await running.program.process.ended).toBe(1);
  expect((await running.program.event('registry.lost')).message).toBe(
    `the registry is lost: s3://${state.Bucket}/${key} was deleted`,
  );
  const count = (await versions()).length;

  const refused = await instance(['--once']);
  expect(await refused.program.process.ended).toBe(1);
  expect(refused.program.text).toContain(
    `flicker: the registry s3://${state.Bucket}/${key} was deleted. Restore an earlier version of it, or start with ` +
      '--allow-reset to begin without its positions.',
  );
  expect([(await versions()).length, refused.got]).toEqual([count, []]);

  const reset = await instance(['--once', '--allow-reset']);
  expect(await reset.program.process.ended).toBe(0);
  expect(reset.got).toEqual(lines(1, 3));
});
