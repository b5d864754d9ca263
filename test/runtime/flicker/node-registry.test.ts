import { layoutOfKey, nodeRegistryLayout } from '../../../contract';
import { haProfiles } from '../../../contract/high-availability';
import { quickStore } from '../../../dev/sim/quick-store';
import { loggerTo } from '../../../dev/sim/sabotage';
import { errorAnswer, SimS3 } from '../../../dev/sim/s3';
import { SimProcess, VirtualTime } from '../../../dev/sim/time';
import { openNodeRegistry } from '../../../runtime/flicker/node-registry';
import { dropOwnPart, shareFiles, startedBefore, type NodeSources } from '../../../runtime/flicker/node-state';
import { readState, upgradeV1, type FlickerState } from '../../../runtime/flicker/state';
import type { Registry } from '../../../runtime/registry/registry';

const MAIN = 'flicker/prod/app-registry.json';
const layout = layoutOfKey(MAIN);
const ha = haProfiles.fast;
const sources: NodeSources = new Map([
  ['app', 'files'],
  ['web', 'docker'],
]);
const NOW = Date.UTC(2024, 0, 1);
const ago = (days: number) => new Date(NOW - days * 86_400_000).toISOString();

const file = (source: string, offset: number, seenAt = ago(0)) => ({
  source,
  path: `/var/log/${source}.log`,
  generation: 0,
  offset,
  idHash: 'h',
  fingerprint: { bytes: 1, hash: 'f' },
  seenAt,
});
const entry = (kind: string) => ({ kind, startedAt: ago(30), batchNo: 7, position: {} });
const spilled = (source: string) => ({ source, destination: 'http', key: `${source}/1.jsonl`, events: 1, bytes: 1 });
const mainState = () => ({
  sources: { app: entry('files'), web: entry('docker'), okta: entry('api'), efs: entry('files') },
  files: {
    'a/1-2-0': file('app', 100),
    'b/1-3-0': file('app', 200),
    'gone/1-4-0': file('app', 300, ago(8)),
    'shared/1-5-0': file('efs', 400),
  },
  docker: { 'a/c1': { source: 'web', name: 'web', ts: ago(1), streams: {}, seenAt: ago(0) } },
  spill: [spilled('app'), spilled('okta')],
});
const lease = (change: Record<string, unknown>) => ({
  epoch: 3,
  owner: 'owner-0',
  host: 'host-0',
  seq: 9,
  state: 'released',
  ttlMs: 180_000,
  renewMs: 60_000,
  ...change,
});

class World {
  readonly time = new VirtualTime();
  readonly s3 = new SimS3();
  readonly lines: string[] = [];
  starts = 0;
  /** So many requests are answered 503 first. */
  busy = 0;

  constructor(state: object | undefined, change: Record<string, unknown> = {}) {
    if (!state) return;
    const head = { format: 2, clusterId: '', configHash: '', lease: lease(change), writerVersion: '', savedAt: '' };
    this.put(MAIN, 'version' in state ? state : { ...head, ...state });
  }

  put(key: string, document: object): void {
    this.s3.put(key, Buffer.from(JSON.stringify(document)));
  }

  read(key: string): FlickerState & { readonly lease: { readonly state: string; readonly epoch: number } } {
    const body = this.s3.get(key);
    if (!body) throw new Error(`nothing is stored as ${key}`);
    return JSON.parse(Buffer.from(body).toString()) as ReturnType<World['read']>;
  }

  /** Opens the registry of a node. After `requests` requests the process is killed; the last of them may be lost. */
  open(node: { id: string; young?: boolean }, hasHolder: boolean, requests = Infinity, lost = false) {
    const process = new SimProcess(this.time, `p${++this.starts}`);
    let left = requests;
    const store = (key: string) =>
      quickStore('state', key, (request) => {
        if (left-- <= 0) return new Promise(() => {});
        const dies = left <= 0;
        const handle = () => (this.busy-- > 0 ? errorAnswer(503, 'SlowDown') : this.s3.handle(request));
        const answer = dies && lost ? undefined : handle();
        return new Promise((resolve) => {
          if (answer && !dies) process.after(10, () => resolve(answer));
        });
      });
    const log = loggerTo((text) => this.lines.push(text));
    const claim = {
      configHash: '',
      owner: `owner-${this.starts}`,
      host: 'here',
      writerVersion: '',
      upgrade: upgradeV1,
      check: readState,
    };
    const { clock } = process;
    const place = { store: store(MAIN), clock, log };
    let opened: Registry | undefined;
    const opening = openNodeRegistry(
      { ...claim, ...place, store: store(ownKey(node.id)), random: () => 0.5 },
      { claim, place, ha, hasHolder },
      { id: node.id, young: node.young ?? false },
      sources,
    );
    opening.then(
      (registry) => (opened = registry),
      () => {},
    );
    return {
      opening,
      opened: () => opened,
      kill: () => process.kill(),
      done: async (ms = 600_000) => {
        await this.time.run(ms, () => opened !== undefined);
        return opened;
      },
    };
  }
}

const ownKey = (node: string) => nodeRegistryLayout(layout, node).key;
const takesOver = (state: FlickerState) => [Object.keys(state.files), Object.keys(state.docker ?? {})];

test('a node takes what is its own out of the registry of the cluster, in the write that creates its own', async () => {
  const world = new World(mainState());
  const before = world.read(MAIN);
  await world.open({ id: 'a' }, true).done();
  const own = world.read(ownKey('a'));
  expect(own).toMatchObject({ sources: { app: { batchNo: 7 } }, files: { 'a/1-2-0': { offset: 100 } } });
  expect(Object.keys(own.sources)).toEqual(['app', 'web']);
  expect(takesOver(own)).toEqual([['a/1-2-0'], ['a/c1']]);
  expect(own.spill).toEqual([spilled('app')]);
  expect(world.read(MAIN)).toEqual(before);

  // Only once: from then on its own registry counts.
  world.put(MAIN, { ...before, files: { 'a/1-2-0': file('app', 999) } });
  await world.open({ id: 'a' }, true).done();
  expect(world.read(ownKey('a')).files['a/1-2-0']?.offset).toBe(100);
});

test('a node that is new takes nothing but that its sources were started before: it reads its files from their beginning', async () => {
  const world = new World(mainState());
  await world.open({ id: 'new' }, true).done();
  expect(world.read(ownKey('new'))).toMatchObject({ sources: { app: { startedAt: ago(30) } }, files: {} });
  expect(world.read(ownKey('new')).spill).toBeUndefined();
});

test('a node whose first reads fail begins no less with what is its own', async () => {
  for (const [id, young] of [
    ['a', false],
    ['task', true],
  ] as const) {
    const world = new World(id === 'a' ? mainState() : undefined);
    world.busy = 3;
    await world.open({ id, young }, true).done();
    expect(Object.keys(world.read(ownKey(id)).sources)).toEqual(['app', 'web']);
    expect(Object.keys(world.read(ownKey(id)).files)).toEqual(id === 'a' ? ['a/1-2-0'] : []);
  }
});

test('a node whose registry cannot be read does not begin without it', async () => {
  const world = new World(mainState());
  world.busy = Infinity;
  const node = world.open({ id: 'a' }, true);
  const refused = expect(node.opening).rejects.toThrow('cannot reach the registry');
  await world.time.run(120_000);
  await refused;
  expect(world.s3.get(ownKey('a'))).toBeUndefined();
});

test('without a registry of the cluster it begins with nothing; a node as young as its files, and one whose registry was deleted, read all of them', async () => {
  const world = new World(undefined);
  await world.open({ id: 'a' }, false).done();
  expect(world.read(ownKey('a')).sources).toEqual({});
  await world.open({ id: 'task', young: true }, false).done();
  expect(Object.keys(world.read(ownKey('task')).sources)).toEqual(['app', 'web']);
  world.s3.delete(ownKey('a'));
  await world.open({ id: 'a' }, false).done();
  expect(Object.keys(world.read(ownKey('a')).sources)).toEqual(['app', 'web']);
  expect(world.lines.join()).toContain('the registry of this node was deleted');
});

test('an instance without standbys that still holds the registry is waited for: it may ship these very files', async () => {
  const world = new World(mainState(), { state: 'held' });
  const node = world.open({ id: 'a' }, true);
  await world.time.run(300_000);
  expect(node.opened()).toBeUndefined();
  expect(world.lines).toContain('the files of this node wait for owner-0 on host-0, which runs without ha');
  // The instance ships on until another one, or this one's other half, has taken over.
  world.put(MAIN, {
    ...world.read(MAIN),
    lease: lease({ state: 'held', ha: true, epoch: 4 }),
    files: { 'a/1-2-0': file('app', 150) },
  });
  await node.done();
  expect(world.read(ownKey('a')).files['a/1-2-0']?.offset).toBe(150);
});

test('where nobody will hold the registry, such an instance is fenced when it is silent for as long as its lease says', async () => {
  const world = new World(mainState(), { state: 'held' });
  const node = world.open({ id: 'a' }, false);
  await world.time.run(170_000);
  expect(node.opened()).toBeUndefined();
  await node.done();
  expect(world.read(ownKey('a')).files['a/1-2-0']?.offset).toBe(100);
  const main = world.read(MAIN);
  expect(main.lease).toMatchObject({ state: 'released', epoch: 4 });
  expect(Object.keys(main.files)).toEqual(['b/1-3-0', 'shared/1-5-0']);
  expect(main.spill).toEqual([spilled('okta')]);
  // The next node need not wait.
  const from = world.time.now;
  await world.open({ id: 'b' }, false).done();
  expect(world.time.now - from).toBeLessThan(1000);
  expect(world.read(ownKey('b')).files['b/1-3-0']?.offset).toBe(200);
});

test('a registry of version 1 is not written over before its bytes are kept', async () => {
  const v1 = { version: 1, files: { '/var/log/app.log': { position: 12, inode: 2 } }, api_sources: {} };
  const world = new World(v1);
  world.s3.put('unrelated', Buffer.from(''));
  await world.open({ id: 'a' }, false).done(30_000);
  // Its bytes are kept beside before anything is written over them, which the simulated store refuses.
  expect(world.s3.get(ownKey('a'))).toBeUndefined();
  expect(world.read(MAIN)).toEqual(v1);
});

test('killed after any request, whether it arrived or not, the next start finds every position, and none is older', async () => {
  for (const change of [{ state: 'released' }, { state: 'held' }, { state: 'held', ha: true }]) {
    for (let requests = 1; requests <= 12; requests++) {
      for (const lost of [false, true]) {
        const world = new World(mainState(), change);
        const killed = world.open({ id: 'a' }, false, requests, lost);
        await world.time.run(400_000);
        killed.kill();
        const next = await world.open({ id: 'a' }, false).done();
        expect([change, requests, next?.end]).toEqual([change, requests, undefined]);
        expect(world.read(ownKey('a')).files['a/1-2-0']?.offset).toBe(100);
        expect(takesOver(world.read(ownKey('a')))).toEqual([['a/1-2-0'], ['a/c1']]);
        // The other node's is still where it will look for it.
        expect(world.read(MAIN).files['b/1-3-0']?.offset).toBe(200);
      }
    }
  }
});

describe('the state of the cluster', () => {
  test('drops what has moved and what nodes have left behind for a week, and keeps everything else', () => {
    const state = readState(mainState());
    expect(dropOwnPart(state, 'a', sources, NOW)).toBe(true);
    expect(takesOver(state)).toEqual([['b/1-3-0', 'shared/1-5-0'], []]);
    expect(state.spill).toEqual([spilled('okta')]);
    expect(Object.keys(state.sources)).toEqual(['app', 'web', 'okta', 'efs']);
    expect(dropOwnPart(state, 'a', sources, NOW)).toBe(false);
    expect(dropOwnPart(state, 'a', sources, NOW + 8 * 86_400_000)).toBe(true);
    // What all see expires by the rules of its source.
    expect(takesOver(state)).toEqual([['shared/1-5-0'], []]);
  });

  test('keeps what does not change of a node that is still there', () => {
    const state = readState({
      files: {
        'b/1-3-0': file('app', 200, ago(30)),
        'b/1-4-0': file('app', 10, ago(1)),
        'b/1-5-0@/var/log/*.log': file('/var/log/*.log', 10, ago(30)),
        'b-gone/1-6-0': file('app', 10, ago(30)),
      },
      docker: { 'b/c1': { source: 'web', name: 'web', ts: ago(30), streams: {}, seenAt: ago(30) } },
    });
    const all = new Map([...sources, ['/var/log/*.log', 'files' as const]]);
    expect(dropOwnPart(state, 'a', all, NOW)).toBe(true);
    expect(takesOver(state)).toEqual([['b/1-3-0', 'b/1-4-0', 'b/1-5-0@/var/log/*.log'], ['b/c1']]);
  });

  test('a node that never had anything in it does not take what others have spilled', () => {
    const state = readState(mainState());
    dropOwnPart(state, 'new', sources, NOW);
    expect(state.spill).toEqual([spilled('app'), spilled('okta')]);
  });

  test('files that become shared go on under the name of all, the newest entry of an inode', () => {
    const state = readState({
      files: {
        'b/1-2-0': file('app', 9, ago(1)),
        'a/1-2-0': file('app', 5, ago(2)),
        'x/y/3-4-1@app': file('app', 1),
        'a/7-7-0': file('web', 3),
      },
    });
    expect(shareFiles(state, new Set(['app']))).toBe(true);
    expect(
      Object.entries(state.files)
        .map(([key, { offset }]) => `${key}: ${offset}`)
        .sort(),
    ).toEqual(['a/7-7-0: 3', 'shared/1-2-0: 9', 'shared/3-4-1@app: 1']);
    expect(shareFiles(state, new Set(['app']))).toBe(false);
  });

  test('sources that were started before keep what they have', () => {
    const state = startedBefore(readState({ sources: { app: entry('files') } }), sources, NOW);
    expect(state.sources['app']?.batchNo).toBe(7);
    expect(state.sources['web']).toMatchObject({ kind: 'docker', batchNo: 1 });
  });
});
