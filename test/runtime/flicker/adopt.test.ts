import { layoutOfKey, nodeRegistryLayout, nodesPrefix, probeKey } from '../../../contract';
import { haProfiles } from '../../../contract/high-availability';
import { configurationRead, createSimClient } from '../../../dev/sim/client';
import { loggerTo } from '../../../dev/sim/sabotage';
import { errorAnswer, SimS3 } from '../../../dev/sim/s3';
import { SimProcess, VirtualTime } from '../../../dev/sim/time';
import { Stopping } from '../../../runtime/core/lifecycle';
import { adoptSpill, type Held } from '../../../runtime/flicker/adopt';
import { vanishedAfterMs } from '../../../runtime/flicker/node-state';
import { readState, type FlickerState, type SpillEntry } from '../../../runtime/flicker/state';

const main = layoutOfKey('flicker/prod/app-registry.json');
const keyOf = (node: string) => nodeRegistryLayout(main, node).key;
const MINUTE = 60_000;
const batch = (source: string, number = 1, destination = 'http'): SpillEntry => {
  return { source, destination, key: `${source}!40gone/${destination}/${number}.jsonl`, events: 10, bytes: 100 };
};

type Stored = FlickerState & { readonly lease: { readonly state: string; readonly epoch: number } };

class World {
  readonly time = new VirtualTime();
  readonly s3 = new SimS3();
  readonly lines: string[] = [];
  /** What each node has saved of what is spilled. */
  readonly saved = new Map<string, readonly SpillEntry[]>();

  constructor() {
    const { clock } = new SimProcess(this.time, 's3');
    this.s3.now = clock.now;
  }

  put(node: string, spill: readonly SpillEntry[], change: Record<string, unknown> = {}, more: object = {}): void {
    this.putAt(keyOf(node), node, spill, change, more);
  }

  putAt(
    key: string,
    node: string,
    spill: readonly SpillEntry[],
    change: Record<string, unknown> = {},
    more: object = {},
  ): void {
    const lease = {
      epoch: 3,
      owner: `owner of ${node}`,
      host: node,
      seq: 9,
      state: 'released',
      ttlMs: 180_000,
      renewMs: 60_000,
    };
    const head = { format: 2, clusterId: '', configHash: '', writerVersion: '', savedAt: '' };
    const document = { ...head, lease: { ...lease, ...change }, sources: {}, files: {}, spill, ...more };
    this.s3.put(key, Buffer.from(JSON.stringify(document)));
  }

  get(node: string, key = keyOf(node)): Stored {
    const body = this.s3.get(key);
    if (!body) throw new Error(`there is no registry of ${node}`);
    return JSON.parse(Buffer.from(body).toString()) as Stored;
  }

  /** What is listed anywhere. */
  listed(): string[] {
    const here = [...this.saved.values()].flat();
    const there = this.s3.keys().flatMap((key) => {
      const body = key.endsWith('-registry.json') ? this.s3.get(key) : undefined;
      return body ? ((JSON.parse(Buffer.from(body).toString()) as Stored).spill ?? []) : [];
    });
    return [...new Set([...here, ...there].map(({ key }) => key))].sort();
  }

  /** A node that ships `app`, and spills for its destination `http`. Killed after so many requests. */
  start(
    node: string,
    options: {
      requests?: number;
      commit?: () => Promise<void>;
      state?: FlickerState;
      cluster?: () => Held | undefined;
      heartbeatMs?: number;
      /** Of its wall clock. */
      fastMs?: number;
    } = {},
  ) {
    const process = new SimProcess(this.time, node);
    const { fastMs = 0, heartbeatMs = MINUTE } = options;
    const clock = { ...process.clock, now: () => process.clock.now() + fastMs };
    // Its own registry is written all the time.
    void (async () => {
      for (;;) {
        await clock.sleep(heartbeatMs);
        this.put(node, this.saved.get(node) ?? [], { state: 'held' });
      }
    })();
    const stop = new AbortController();
    let left = options.requests ?? Infinity;
    let owners = 0;
    const client = createSimClient((request) => {
      if (left-- <= 0) return new Promise(() => {});
      const answer = this.s3.handle(request);
      if (left <= 0) {
        process.kill();
        return new Promise(() => {});
      }
      return new Promise((resolve) => process.after(10, () => resolve(answer)));
    });
    const state = options.state ?? readState({});
    const commit = async () => {
      await clock.sleep(20);
      await options.commit?.();
      this.saved.set(node, structuredClone(state.spill ?? []));
    };
    const nothing = () => {};
    const ended = adoptSpill(
      {
        s3: () => Promise.resolve(client),
        bucket: 'state',
        main,
        own: nodeRegistryLayout(main, node),
        vanishedMs: vanishedAfterMs(heartbeatMs),
        cluster: options.cluster,
        ha: haProfiles.fast,
        claim: () => ({
          configHash: '',
          owner: `${node}-${++owners}`,
          host: node,
          writerVersion: '',
          check: (state) => readState(state),
        }),
        sends: ({ source, destination }) => source === 'app' && destination === 'http',
        state,
        commits: { check: nothing, acknowledged: nothing, returned: nothing, reserve: () => Promise.resolve(), commit },
        clock,
        log: loggerTo((text) => this.lines.push(text)),
        random: () => 0.5,
      },
      stop.signal,
    );
    return {
      state,
      kill: () => process.kill(),
      stop: async () => {
        stop.abort(new Stopping('test'));
        await ended;
      },
    };
  }
}

const keys = (entries: readonly SpillEntry[] = []) => entries.map(({ key }) => key);

beforeAll(configurationRead);

test('what a vanished node has spilled is saved here before it is no longer listed there; the rest stays', async () => {
  const world = new World();
  const other = batch('web');
  const unsent = batch('app', 3, 'archive');
  world.put('gone', [batch('app', 1), other, batch('app', 2), unsent]);
  const savedAt: string[] = [];
  world.s3.onCommit = (key, body) => {
    const { spill = [] } = JSON.parse(Buffer.from(body).toString()) as Stored;
    const { length = 0 } = world.saved.get('here') ?? [];
    if (key === keyOf('gone')) savedAt.push(`${spill.length} there, ${length} saved here`);
  };
  world.start('here');
  await world.time.run(30 * MINUTE);
  expect(keys(world.saved.get('here'))).toEqual([batch('app', 1).key, batch('app', 2).key]);
  expect(world.get('gone')).toMatchObject({ lease: { state: 'released', epoch: 4 }, spill: [other, unsent] });
  expect(savedAt).toEqual(['4 there, 0 saved here', '2 there, 2 saved here']);
  expect(world.lines).toContain('sends 2 batches that a vanished node has spilled: 20 events');
});

test('a killed node still holds its lease: that counts for nothing when it was not renewed for long', async () => {
  const world = new World();
  world.put('killed', [batch('app')], { state: 'held' });
  world.start('here');
  await world.time.run(30 * MINUTE);
  expect(keys(world.saved.get('here'))).toEqual([batch('app').key]);
});

test('a node that writes its registry is left alone, also when it comes back in the middle', async () => {
  const world = new World();
  const alive = (seq: number) => world.put('alive', [batch('app')], { state: 'held', seq });
  alive(1);
  const { clock } = new SimProcess(world.time, 'alive');
  void (async () => {
    for (let seq = 2; ; seq++) {
      await clock.sleep(MINUTE);
      alive(seq);
    }
  })();
  world.put('back', [batch('app')], { state: 'held' });
  const { handle } = world.s3;
  let reads = 0;
  world.s3.handle = (request) => {
    const answer = handle.call(world.s3, request);
    // It saves between the two reads of what would take it over.
    if (request.path.endsWith(keyOf('back')) && reads++ === 0)
      world.put('back', [batch('app')], { state: 'held', seq: 10 });
    return answer;
  };
  world.start('here');
  await world.time.run(29 * MINUTE);
  expect(reads).toBe(2);
  expect([world.get('alive').lease.epoch, world.get('back').lease.epoch]).toEqual([3, 3]);
  expect(world.saved.size).toBe(0);
  expect(world.lines).toEqual([expect.stringContaining('standing by')]);
});

test('of two nodes that find it one takes it', async () => {
  const world = new World();
  world.put('gone', [batch('app')]);
  world.start('a');
  world.start('b');
  await world.time.run(60 * MINUTE);
  expect([...world.saved.values()].flat()).toEqual([batch('app')]);
  expect(world.get('gone').spill).toEqual([]);
});

test('a registry is read once, unless it was written again', async () => {
  const world = new World();
  world.s3.pageSize = 2;
  for (const node of ['n1', 'n2', 'n3', 'n4', 'n5']) world.put(node, [batch('web')]);
  world.put('here', [batch('app')], { owner: 'itself' });
  world.s3.put(probeKey(main), Buffer.from('{}'));
  const read: string[] = [];
  const { handle } = world.s3;
  world.s3.handle = (request) => {
    if (!('list-type' in request.query)) read.push(request.path.slice('/state/'.length));
    return handle.call(world.s3, request);
  };
  world.start('here');
  await world.time.run(60 * MINUTE);
  expect(read).toEqual(['n1', 'n2', 'n3', 'n4', 'n5'].map(keyOf));
  world.put('n2', [batch('app')]);
  await world.time.run(60 * MINUTE);
  expect(keys(world.saved.get('here'))).toEqual([batch('app').key]);
  expect(nodesPrefix(main)).toBe('flicker/prod/app/nodes/');
});

test('what cannot be used or is not answered holds nothing up, and is tried again', async () => {
  const world = new World();
  world.s3.put(keyOf('damaged'), Buffer.from('{'));
  world.put('closed', [batch('app', 1)], { state: 'closed', movedTo: 's3://elsewhere/x' });
  world.put('gone', [batch('app', 2)]);
  world.put('odd', [], {}, { spill: 'none' });
  world.put('slow', [batch('app', 3)]);
  let busy = true;
  const { handle } = world.s3;
  world.s3.handle = (request) =>
    busy && request.path.endsWith(keyOf('slow')) ? errorAnswer(503, 'SlowDown') : handle.call(world.s3, request);
  world.start('here');
  await world.time.run(25 * MINUTE);
  expect(keys(world.saved.get('here'))).toEqual([batch('app', 2).key]);
  expect(world.lines.filter((line) => line.includes('damaged'))).toHaveLength(1);
  expect(world.lines.filter((line) => line.includes('not sent yet'))).toHaveLength(3);
  busy = false;
  await world.time.run(25 * MINUTE);
  expect(keys(world.saved.get('here'))).toEqual([batch('app', 2).key, batch('app', 3).key]);
});

test('when its own lease ends first, all stays where it was', async () => {
  const world = new World();
  world.put('gone', [batch('app')]);
  world.start('here', { commit: () => Promise.reject(new Error('cannot be saved')) });
  await world.time.run(25 * MINUTE);
  expect(world.get('gone')).toMatchObject({ lease: { state: 'released' }, spill: [batch('app')] });
});

test('what it lists already, after a kill in the middle, is not listed twice', async () => {
  const world = new World();
  world.put('gone', [batch('app', 1), batch('app', 2)], { state: 'held', owner: 'here-0' });
  world.start('here', { state: readState({ spill: [batch('app', 1)] }) });
  await world.time.run(25 * MINUTE);
  expect(world.saved.get('here')).toEqual([batch('app', 1), batch('app', 2)]);
  expect(world.get('gone').spill).toEqual([]);
});

test('a node that has too much to send itself leaves it to others', async () => {
  const world = new World();
  world.put('gone', [batch('app')]);
  world.start('here', { state: readState({ spill: Array.from({ length: 5000 }, (_, i) => batch('app', i + 10)) }) });
  await world.time.run(25 * MINUTE);
  expect(world.get('gone')).toMatchObject({ lease: { epoch: 3 }, spill: [batch('app')] });
  expect(world.saved.size).toBe(0);
});

test.each([1, 2, 3, 4, 5, 6, 7])(
  'a kill at request %d leaves it listed somewhere, and the next one sends it',
  async (requests) => {
    const world = new World();
    const all = [batch('app', 1), batch('app', 2)];
    world.put('gone', all);
    let lost = 0;
    world.s3.onCommit = () => {
      if (world.listed().length < all.length) lost++;
    };
    world.start('first', { requests });
    await world.time.run(40 * MINUTE);
    expect(world.listed()).toEqual(keys(all));
    world.start('second');
    await world.time.run(60 * MINUTE);
    expect(lost).toBe(0);
    const there = world.get('gone').spill ?? [];
    expect(there).toEqual([]);
    expect(new Set([...world.saved.values()].flat().map(({ key }) => key))).toEqual(new Set(keys(all)));
  },
);

test('it ends when it is told to', async () => {
  const world = new World();
  const node = world.start('here');
  await world.time.run(MINUTE);
  await node.stop();
  expect(world.lines).toEqual([]);
});

test('the clock of this machine counts for nothing, and neither does how seldom nodes write', async () => {
  const world = new World();
  world.put('busy', [batch('app')], { state: 'held' });
  const { clock } = new SimProcess(world.time, 'busy');
  void (async () => {
    for (;;) {
      await clock.sleep(30 * MINUTE);
      world.put('busy', [batch('app')], { state: 'held' });
    }
  })();
  world.start('here', { fastMs: 60 * MINUTE, heartbeatMs: 30 * MINUTE });
  await world.time.run(6 * 60 * MINUTE);
  expect(world.get('busy').lease.epoch).toBe(3);
  expect(world.saved.size).toBe(0);
});

const cluster = batch('web', 9, 'archive');

test('what was spilled before nodes had registries of their own is taken from that of the cluster, where nobody holds it', async () => {
  const world = new World();
  world.putAt(main.key, 'gone', [batch('app', 1), cluster]);
  world.start('a');
  world.start('b');
  await world.time.run(60 * MINUTE);
  expect([...world.saved.values()].flat()).toEqual([batch('app', 1)]);
  expect(world.get('cluster', main.key)).toMatchObject({ lease: { state: 'released', epoch: 4 }, spill: [cluster] });
});

test('the holder of that takes it from what it holds', async () => {
  const world = new World();
  const state = readState({ spill: [batch('app', 1), cluster] });
  const saves: string[] = [];
  const nothing = () => {};
  const acknowledged = () => void saves.push(`${world.saved.get('here')?.length} saved here`);
  const commits = { check: nothing, acknowledged, returned: nothing, reserve: () => Promise.resolve() };
  const held: Held = { state, commits: { ...commits, commit: () => Promise.resolve() } };
  world.putAt(main.key, 'here', [batch('app', 1), cluster], { state: 'held' });
  let holds = false;
  world.start('here', { cluster: () => (holds ? held : undefined) });
  await world.time.run(60 * MINUTE);
  // A standby leaves it alone, however long the registry was not written.
  expect(world.get('cluster', main.key).lease.epoch).toBe(3);
  expect(world.saved.size).toBe(0);
  holds = true;
  await world.time.run(60 * MINUTE);
  expect(world.saved.get('here')).toEqual([batch('app', 1)]);
  expect(state.spill).toEqual([cluster]);
  expect(saves).toEqual(['1 saved here']);
});
