import { flickerConfig, layoutOfKey, nodeRegistryLayout, parseSettings, type HaTiming } from '../../../contract';
import { createSimClient } from '../../../dev/sim/client';
import { loggerTo } from '../../../dev/sim/sabotage';
import { SimS3 } from '../../../dev/sim/s3';
import type { Member, Scope } from '../../../runtime/flicker/crew';
import { haPosts, singlePost, type PostsContext } from '../../../runtime/flicker/leadership';
import { createFlickerMetrics } from '../../../runtime/flicker/metrics';
import type { Post } from '../../../runtime/flicker/post';
import { createS3Store } from '../../../runtime/registry/s3-store';
import { Stopping } from '../../../runtime/core/lifecycle';
import { noAws } from './destinations/support';
import { adoptSpill } from '../../../runtime/flicker/adopt';

jest.mock('../../../runtime/flicker/adopt', () => ({ adoptSpill: jest.fn(() => Promise.resolve()) }));
beforeEach(() => jest.mocked(adoptSpill).mockClear());

const KEY = 'flicker/prod/app-registry.json';
const NODE_KEY = nodeRegistryLayout(layoutOfKey(KEY), 'a').key;
const ha: HaTiming = {
  renew_ms: 40,
  deadline_ms: 1000,
  lease_ms: 1500,
  poll_ms: 20,
  abort_ms: 100,
  attempt_timeout_ms: 400,
  clock_drift: 0.01,
};
const seenAt = new Date().toISOString();
const file = (source: string) => ({
  source,
  path: `/${source}`,
  generation: 0,
  offset: 7,
  idHash: '',
  fingerprint: { bytes: 0, hash: '' },
  seenAt,
});
const stored = (files: object, lease: object) => ({
  format: 2,
  clusterId: '',
  configHash: '',
  lease: { epoch: 1, owner: 'before', host: 'there', seq: 1, ttlMs: 1500, renewMs: 1, ...lease },
  sources: { own: { kind: 'files', startedAt: seenAt, batchNo: 1, position: {} } },
  files,
  writerVersion: '',
  savedAt: '',
});

async function until(done: () => boolean): Promise<void> {
  for (const end = performance.now() + 5000; !done();) {
    if (performance.now() > end) throw new Error('not within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

class Instance {
  readonly stop = new AbortController();
  /** Sources that run. */
  readonly running = new Set<string>();
  /** The most that a source may have sent and not saved. */
  readonly caps = new Map<string, number>();
  readonly served = createFlickerMetrics();
  /** Requests on a key wait while it is in here. */
  readonly held = new Set<string>();
  /** Destinations of every source whose batches are spilled. */
  spills: readonly string[] = [];
  /** Alone on its registry. */
  single = false;
  posts: Post[] = [];
  runs: Promise<unknown[]> = Promise.resolve([]);

  constructor(readonly s3: SimS3) {}

  private member(name: string, scope: Scope): Member {
    return {
      name,
      kind: 'files',
      scope,
      spills: this.spills,
      status: { movesBy: Infinity, problem: '', failed: false, stopped: '', destinations: [] },
      run: async (commits, _state, { drain }) => {
        this.running.add(name);
        for (let cap = 1; cap <= 64; cap *= 2) {
          await commits.reserve(cap, drain).then(
            () => {
              this.caps.set(name, cap);
              commits.returned(cap);
            },
            () => {},
          );
        }
        await new Promise<void>((resolve) => {
          if (drain.aborted) resolve();
          drain.addEventListener('abort', () => resolve(), { once: true });
        });
        this.running.delete(name);
      },
      close: () => Promise.resolve(),
    };
  }

  async start(
    members: readonly [string, Scope][] = [
      ['own', 'node'],
      ['all', 'cluster'],
    ],
  ): Promise<void> {
    const client = createSimClient(async (request) => {
      while ([...this.held].some((key) => request.path.endsWith(key)))
        await new Promise((resolve) => setTimeout(resolve, 5));
      return this.s3.handle(request);
    });
    const config = parseSettings(
      flickerConfig('final'),
      {
        log_files: [{ path: '/own' }],
        destination: { type: 'stdout' },
        registry: { max_unsaved_events: 32, heartbeat_interval_ms: 40 },
      },
      'config',
    );
    const { metrics } = this.served;
    const context = { config, configHash: '', clusterId: undefined, writerVersion: '', allowReset: false, metrics };
    const all: PostsContext = {
      ...context,
      members: members.map(([name, scope]) => this.member(name, scope)),
      node: { id: 'a', young: false },
      store: await createS3Store({ client, bucket: 'state', layout: layoutOfKey(KEY) }),
      log: loggerTo(() => {}),
      once: false,
    };
    const aws = { ...noAws, registryS3: () => Promise.resolve(client) };
    this.posts = this.single ? [singlePost(all)] : haPosts(all, ha, { bucket: 'state', key: KEY }, aws);
    this.runs = Promise.all(this.posts.map((post) => post.run(this.stop.signal).catch((error: unknown) => error)));
  }

  async end(): Promise<void> {
    this.held.clear();
    this.stop.abort(new Stopping('test'));
    await this.runs;
  }
}

const put = (s3: SimS3, key: string, document: object) => s3.put(key, Buffer.from(JSON.stringify(document)));
const read = (s3: SimS3, key: string) =>
  JSON.parse(Buffer.from(s3.get(key) ?? '{}').toString()) as {
    files?: object;
    lease?: { owner: string; state: string; seq: number };
  };

test("the holder keeps this node's entries until the registry of the node is there, even when the lease is won first", async () => {
  const s3 = new SimS3();
  put(s3, KEY, stored({ 'a/1-1-0': file('own'), 'b/1-2-0': file('own') }, { state: 'released' }));
  const instance = new Instance(s3);
  instance.held.add(NODE_KEY);
  await instance.start();
  await until(() => instance.running.has('all'));
  await until(() => read(s3, KEY).lease?.owner !== 'before');
  const won = read(s3, KEY).lease?.seq ?? 0;
  await until(() => (read(s3, KEY).lease?.seq ?? 0) > won + 3); // some renewals
  expect(Object.keys(read(s3, KEY).files ?? {})).toEqual(['a/1-1-0', 'b/1-2-0']);
  expect(s3.get(NODE_KEY)).toBeUndefined();

  instance.held.clear();
  await until(() => Object.keys(read(s3, KEY).files ?? {}).length === 1);
  expect(Object.keys(read(s3, NODE_KEY).files ?? {})).toEqual(['a/1-1-0']);
  expect([...instance.running].sort()).toEqual(['all', 'own']);
  await instance.end();
  expect([read(s3, KEY).lease?.state, read(s3, NODE_KEY).lease?.state]).toEqual(['released', 'released']);
});

test('what a kill may repeat is for both registries together; one that is alone has all of it', async () => {
  const instance = new Instance(new SimS3());
  await instance.start();
  await until(() => instance.caps.get('own') === 16 && instance.caps.get('all') === 16);
  const alone = new Instance(new SimS3());
  await alone.start([['own', 'node']]);
  await until(() => alone.caps.get('own') === 32);
  expect(alone.s3.keys()).toEqual([NODE_KEY]);
  await Promise.all([instance.end(), alone.end()]);
  expect(Math.max(...instance.caps.values())).toBe(16);
});

test('an edit by hand: the holder stops what it does, reads it and goes on; it was fenced once', async () => {
  const s3 = new SimS3();
  const instance = new Instance(s3);
  await instance.start([['all', 'cluster']]);
  await until(() => instance.running.has('all'));
  const before = instance.posts[0]?.holder?.owner;
  put(
    s3,
    KEY,
    stored({ 'shared/1-1-0': file('all') }, { epoch: 5, owner: 'operator', state: 'released', ttlMs: 60_000 }),
  );
  await until(() => instance.posts[0]?.role === 'holder' && instance.posts[0].holder?.epoch === 6);
  await until(() => instance.running.has('all'));
  expect(instance.posts[0]?.holder?.owner).not.toBe(before);
  expect(Object.keys(instance.posts[0]?.state?.files ?? {})).toEqual(['shared/1-1-0']);
  expect(instance.served.metrics.fencedTotal.total()).toBe(1);
  await instance.end();
});

test('without standbys an edit by hand is taken up as well; a new owner ends it for good', async () => {
  const s3 = new SimS3();
  const instance = new Instance(s3);
  instance.single = true;
  await instance.start();
  await until(() => instance.running.size === 2);
  put(s3, KEY, stored({ 'a/1-1-0': file('own') }, { epoch: 5, owner: 'operator', state: 'released' }));
  await until(() => instance.posts[0]?.holder?.epoch === 6 && instance.running.size === 2);
  expect(Object.keys(instance.posts[0]?.state?.files ?? {})).toEqual(['a/1-1-0']);

  put(s3, KEY, stored({}, { epoch: 9, owner: 'another', state: 'held' }));
  expect(await instance.runs).toMatchObject([{ end: { kind: 'fenced', by: { owner: 'another' } } }]);
  expect([instance.posts[0]?.role, instance.running.size]).toEqual(['ended', 0]);
  expect(read(s3, KEY).lease?.owner).toBe('another');
  await instance.end();
});

test('a node that spills takes over what vanished nodes have spilled for the same destinations, while it holds its registry', async () => {
  const s3 = new SimS3();
  const instance = new Instance(s3);
  instance.spills = ['copy'];
  await instance.start();
  await until(() => instance.running.size === 2);
  const [options, signal] = jest.mocked(adoptSpill).mock.lastCall ?? [];
  expect(adoptSpill).toHaveBeenCalledTimes(1);
  expect([options?.main.key, options?.own.key]).toEqual([KEY, NODE_KEY]);
  const entry = { source: 'own', destination: 'copy', key: 'k', events: 1, bytes: 1 };
  const sends = (change: Partial<typeof entry>) => options?.sends({ ...entry, ...change });
  expect([sends({}), sends({ destination: 'archive' }), sends({ source: 'all' })]).toEqual([true, false, false]);
  expect(options?.vanishedMs).toBe(900_000);
  const ofCluster = instance.posts.find(({ location }) => location.endsWith(KEY))?.state;
  expect(ofCluster).toBeDefined();
  expect(options?.cluster?.()?.state).toBe(ofCluster);
  if (options) options.state.spill = [entry];
  await options?.commits.commit();
  expect(read(s3, NODE_KEY)).toMatchObject({ spill: [entry] });
  expect(signal?.aborted).toBe(false);
  await instance.end();
  expect(signal?.aborted).toBe(true);

  const without = new Instance(new SimS3());
  await without.start();
  await until(() => without.running.size === 2);
  await without.end();
  expect(adoptSpill).toHaveBeenCalledTimes(1);
});
