import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { systemClock } from '../../../runtime/core/clock';
import { createLocalStore } from '../../../runtime/registry/local-store';
import { openRegistry } from '../../../runtime/registry/open';
import type { ObjectStore } from '../../../runtime/registry/store';

const { signal } = new AbortController();
let folder: string;
let file: string;
let store: ObjectStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-registry-'));
  file = join(folder, 'state', 'registry.json');
  store = createLocalStore(file, systemClock);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytes = (text: string) => Buffer.from(text);
async function etag(): Promise<string> {
  const reply = await store.read(signal);
  if (reply.kind !== 'found') throw new Error(reply.kind);
  return reply.etag;
}
/** What is beside the registry file. */
const litter = () => readdirSync(join(folder, 'state')).filter((name) => name !== 'registry.json');

test('creates once, replaces what was read, refuses what was not, and leaves nothing else behind', async () => {
  expect(await store.read(signal)).toEqual({ kind: 'missing' });
  expect(await store.write(bytes('1'), { ifMatch: 'x' }, signal)).toEqual({ kind: 'missing' });
  const first = await store.write(bytes('1'), { ifNoneMatch: '*' }, signal);
  expect(first).toEqual({ kind: 'committed', etag: await etag() });
  expect(await store.write(bytes('2'), { ifNoneMatch: '*' }, signal)).toEqual({ kind: 'precondition-failed' });
  const stale = await etag();
  expect(await store.write(bytes('2'), { ifMatch: stale }, signal)).toMatchObject({ kind: 'committed' });
  expect(await store.write(bytes('3'), { ifMatch: stale }, signal)).toEqual({ kind: 'precondition-failed' });
  expect(readFileSync(file, 'utf8')).toBe('2');
  expect(litter()).toEqual([]);
});

test('keeps bytes beside, never over something', async () => {
  const kept = join(folder, 'state/registry/registry.v1.json');
  expect(await store.putBeside('registry.v1.json', bytes('a'), signal)).toEqual({ kind: 'kept', location: kept });
  expect(await store.putBeside('registry.v1.json', bytes('b'), signal)).toEqual({ kind: 'exists' });
  expect(readFileSync(kept, 'utf8')).toBe('a');
  expect(readdirSync(join(folder, 'state/registry'))).toEqual(['registry.v1.json']);
});

test('a full disk is said, the last version stays whole, and a later write works', async () => {
  if (process.platform !== 'linux') throw new Error('this test needs /dev/full: run it on Linux');
  await store.write(bytes('old'), { ifNoneMatch: '*' }, signal);
  symlinkSync('/dev/full', `${file}.tmp`); // the kernel answers every write to it as a full disk does
  expect(await store.write(bytes('new'), { ifMatch: await etag() }, signal)).toEqual({
    kind: 'failed',
    reason: 'the disk is full; the last saved version is untouched',
  });
  expect(readFileSync(file, 'utf8')).toBe('old');
  expect(await store.write(bytes('new'), { ifMatch: await etag() }, signal)).toMatchObject({ kind: 'committed' });
  expect(litter()).toEqual([]);
});

test('a registry on a disk that was full goes on when there is room', async () => {
  const lines: string[] = [];
  const log = (event: string, message: string) => void lines.push(`${event} ${message}`);
  const registry = await openRegistry({
    store,
    configHash: '',
    owner: 'owner-1',
    host: 'host-1',
    writerVersion: '1.0.0',
    clock: systemClock,
    log: { debug: log, info: log, warn: log, error: log },
    timing: { attempts: 2, backoff: { initialMs: 1, maxMs: 1 } },
  });
  const fill = () => symlinkSync('/dev/full', `${file}.tmp`);
  let full = true;
  const snapshot = () => {
    if (full) fill();
    return { positions: { a: 1 } };
  };
  expect(await registry.save(snapshot)).toEqual({
    kind: 'failed',
    reason: 'the disk is full; the last saved version is untouched',
  });
  expect(lines.at(-1)).toContain('cannot save to');
  full = false;
  expect(await registry.save(snapshot)).toEqual({ kind: 'saved' });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ positions: { a: 1 } });
});

test('a path that cannot be a file is said', async () => {
  mkdirSync(file, { recursive: true });
  expect(await store.read(signal)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('EISDIR') });
  writeFileSync(join(folder, 'plain'), '');
  const under = createLocalStore(join(folder, 'plain/registry.json'), systemClock);
  expect(await under.write(bytes('1'), { ifNoneMatch: '*' }, signal)).toMatchObject({ kind: 'failed' });
});

describe('the lock', () => {
  test.each([
    ['a process that is gone', `${hostname()}:4194304:1`],
    ['a process whose id was given to another', `${hostname()}:${process.pid}:1`],
  ])('of %s is broken, and so is the lock of who broke it', async (_name, holder) => {
    await store.write(bytes('1'), { ifNoneMatch: '*' }, signal);
    symlinkSync(holder, `${file}.lock`);
    symlinkSync(holder, `${file}.lock.break`);
    expect(await store.write(bytes('2'), { ifMatch: await etag() }, signal)).toMatchObject({ kind: 'committed' });
    expect(litter()).toEqual([]);
  });

  test('of a process that may live is waited for, as long as the signal allows', async () => {
    await store.write(bytes('1'), { ifNoneMatch: '*' }, signal);
    symlinkSync('another-host:1:1', `${file}.lock`);
    const patience = AbortSignal.timeout(50);
    const reply = await store.write(bytes('2'), { ifMatch: await etag() }, patience);
    expect(reply).toEqual({ kind: 'failed', reason: expect.stringContaining('is held by another-host:1:1') });
    expect(readFileSync(file, 'utf8')).toBe('1');
    const later = { ...systemClock, now: () => Date.now() + 61_000 };
    expect(await createLocalStore(file, later).write(bytes('2'), { ifMatch: await etag() }, signal)).toMatchObject({
      kind: 'committed',
    });
  });
});

describe('processes', () => {
  let program: string;
  const children: ChildProcess[] = [];
  beforeAll(() => {
    program = join(mkdtempSync(join(tmpdir(), 'holdfast-writer-')), 'writer.cjs');
    buildSync({
      entryPoints: [join(__dirname, 'local-writer.ts')],
      bundle: true,
      platform: 'node',
      outfile: program,
      logLevel: 'error',
    });
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(join(program, '..'), { recursive: true, force: true });
  });
  const start = (log: string, writes: number) => {
    const child = spawn(process.execPath, [program, file, log, String(writes)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    children.push(child);
    return child;
  };
  const committed = (log: string) =>
    existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').filter(Boolean) : [];
  const stored = () => JSON.parse(readFileSync(file, 'utf8')) as { count: number; end: number };

  test('that write at once lose no update', async () => {
    const logs = ['a', 'b', 'c'].map((name) => join(folder, name));
    const codes = await Promise.all(logs.map(async (log) => (await once(start(log, 40), 'exit'))[0] as number));
    expect(codes).toEqual([0, 0, 0]);
    expect(stored().count).toBe(120);
    expect(new Set(logs.flatMap(committed)).size).toBe(120);
  });

  test('killed while they write leave a whole file that holds all they had committed', async () => {
    let kills = 0;
    for (let round = 0; round < 8; round++) {
      const log = join(folder, `log-${round}`);
      const child = start(log, 1_000_000);
      const exit = once(child, 'exit');
      const enough = 1 + round;
      while (committed(log).length < enough) await systemClock.sleep(1);
      await systemClock.sleep(Math.random() * 4);
      child.kill('SIGKILL');
      await exit;
      kills++;
      const { count, end } = stored();
      expect(end).toBe(count);
      expect(count).toBeGreaterThanOrEqual(Number(committed(log).at(-1)));
    }
    expect(kills).toBe(8);
    // A lock or a part of a file that a kill left behind stops nobody.
    expect(await store.write(bytes('{}'), { ifMatch: await etag() }, signal)).toMatchObject({ kind: 'committed' });
    expect(litter()).toEqual([]);
  });
});
