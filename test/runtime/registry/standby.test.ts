import { errorAnswer } from '../../../dev/sim/s3';
import { haProfiles } from '../../../contract/high-availability';
import type { Registry } from '../../../runtime/registry/registry';
import { standBy, type StandbyOptions, type Watched } from '../../../runtime/registry/standby';
import { hang, KEY, World } from './world';

const ha = haProfiles.default;
const lease = { epoch: 4, owner: 'owner-0', host: 'host-0', seq: 70, state: 'held', ttlMs: ha.lease_ms, renewMs: 1 };
const held = (change: Record<string, unknown> = {}) => ({
  format: 2,
  clusterId: 'prod/okta',
  configHash: 'old',
  lease: { ...lease, ...change },
  sources: { okta: { cursor: 'c' } },
  future: { kept: true },
  writerVersion: '0.9.0',
  savedAt: '2024-01-01T00:00:00.000Z',
});

/** Stands by, and tells when the lease was won. */
async function standing(world: World, options: Partial<StandbyOptions> = {}) {
  const seen: Watched[] = [];
  let wonAt: number | undefined;
  const winning = standBy({
    store: await world.store(),
    clusterId: 'prod/okta',
    configHash: 'c0ffee',
    owner: 'owner-1',
    host: 'host-1',
    writerVersion: '1.0.0',
    clock: world.process.clock,
    log: world.log,
    ha,
    random: () => 0.5,
    onWatch: (one) => void seen.push(one),
    ...options,
  });
  winning.then(
    () => (wonAt = world.time.now),
    () => {},
  );
  return { winning, seen, wonAt: () => wonAt };
}
const won = async (world: World, winning: Promise<Registry>) => await world.passing(winning);

test('creates a registry that was never there', async () => {
  const world = new World();
  const { winning } = await standing(world);
  expect((await won(world, winning)).epoch).toBe(1);
  expect(world.requests).toEqual(['GET', 'PUT']);
  expect(world.stored()).toMatchObject({ lease: { ttlMs: 15_000, renewMs: 5000, ha: true, state: 'held' } });
});

test.each([
  ['was refused', () => errorAnswer(503, 'SlowDown')],
  ['had no answer', hang],
])('creates it when the first attempt %s', async (_name, answer) => {
  const world = new World();
  world.answers['PUT']?.push(answer);
  const { winning } = await standing(world);
  expect((await won(world, winning)).epoch).toBe(1);
  expect(world.requests).toEqual(['GET', 'PUT', 'GET', 'PUT']);
});

test('takes a released one at once, with its state and what it does not know', async () => {
  const world = new World();
  world.put(held({ state: 'released' }));
  const { winning } = await standing(world);
  const registry = await won(world, winning);
  expect(world.time.now).toBeLessThan(100);
  expect(registry.loaded).toEqual({ sources: held().sources, future: { kept: true } });
  expect(world.stored()).toMatchObject({
    lease: { epoch: 5, seq: 71, owner: 'owner-1', ha: true },
    future: { kept: true },
  });
});

test('takes one that does not change when the lease is over, and not before', async () => {
  const world = new World();
  world.put(held());
  const { winning, wonAt, seen } = await standing(world);
  await world.time.run(ha.lease_ms - 1);
  expect(wonAt()).toBeUndefined();
  await won(world, winning);
  expect(world.time.now).toBeLessThan(ha.lease_ms + 200);
  // Read once, then only asked whether it has changed, at every poll and before the takeover.
  expect(world.requests).toEqual(['GET', 'GET', 'GET', 'GET', 'GET', 'GET', 'PUT']);
  expect(seen[0]).toMatchObject({ kind: 'held', lease: { owner: 'owner-0', epoch: 4 } });
  expect(world.lines.filter((line) => line.includes('registry.standby'))).toEqual([
    'info registry.standby standing by: owner-0 on host-0 holds the registry',
  ]);
});

test('waits as long as the holder calls a lease, when that is longer', async () => {
  const world = new World();
  world.put(held({ ttlMs: 60_000 }));
  const { winning, wonAt } = await standing(world);
  await world.time.run(59_900);
  expect(wonAt()).toBeUndefined();
  await won(world, winning);
  expect(world.time.now).toBeLessThan(60_200);
});

test('every change begins the wait anew; a release ends it at the next poll', async () => {
  const world = new World();
  world.put(held());
  const { winning, wonAt } = await standing(world);
  for (let seq = 71; seq < 76; seq++) {
    await world.time.run(10_000);
    world.put(held({ seq }));
  }
  await world.time.run(ha.lease_ms - ha.poll_ms);
  expect(wonAt()).toBeUndefined();
  const released = world.time.now;
  world.put(held({ seq: 80, state: 'released' }));
  await won(world, winning);
  expect(world.time.now - released).toBeLessThan(ha.poll_ms + 200);
});

test('the holder that renews between the last look and the takeover stays: 412', async () => {
  const world = new World();
  world.put(held());
  world.answers['PUT']?.push((handle) => (world.put(held({ seq: 71 })), handle()));
  const { winning, wonAt } = await standing(world);
  await world.time.run(ha.lease_ms + 1000);
  expect(wonAt()).toBeUndefined();
  expect(world.stored()).toMatchObject({ lease: { owner: 'owner-0', seq: 71 } });
  expect((await won(world, winning)).epoch).toBe(5);
});

test.each<[string, (handle: () => unknown) => never | Promise<never>]>([
  ['a lost answer', (handle) => (handle(), Promise.reject(new Error('socket hang up')))],
  ['no answer', (handle) => (handle(), new Promise<never>(() => {}))],
])('a takeover that landed with %s is found by a read, and counts from its first request', async (_name, answer) => {
  const world = new World();
  world.put(held({ state: 'released' }));
  world.answers['PUT']?.push(answer);
  const { winning } = await standing(world);
  const registry = await won(world, winning);
  expect(registry.epoch).toBe(5);
  expect(world.requests).toEqual(['GET', 'PUT', 'GET']);
  expect(registry.renewedAgoMs).toBeCloseTo(world.time.now, -2);
});

test('a 409 decides nothing', async () => {
  const world = new World();
  world.put(held({ state: 'released' }));
  world.answers['PUT']?.push(() => errorAnswer(409, 'ConditionalRequestConflict'));
  const { winning } = await standing(world);
  expect((await won(world, winning)).epoch).toBe(5);
  expect(world.requests).toEqual(['GET', 'PUT', 'GET', 'PUT']);
});

test('a lease of its own, and one that an edit has left to it, are taken at once; an edit by hand gives others no turn', async () => {
  const own = new World();
  own.put(held());
  expect((await won(own, (await standing(own, { mine: ({ owner }) => owner === 'owner-0' })).winning)).epoch).toBe(5);
  expect(own.time.now).toBeLessThan(100);

  const edited = new World();
  edited.put(held({ owner: 'operator', state: 'released' }));
  const { winning, wonAt } = await standing(edited);
  await edited.time.run(ha.lease_ms - 1);
  expect(wonAt()).toBeUndefined();
  await won(edited, winning);
});

test('what cannot be read at the start is given up after some attempts; later it is waited for, and told', async () => {
  const world = new World();
  world.s3.denied = () => true;
  world.s3.mayListVersions = false;
  const start = await standing(world);
  await expect(won(world, start.winning)).rejects.toThrow('access to the registry s3://state/' + KEY + ' is denied');

  world.s3.denied = () => false;
  world.lines.length = 0;
  world.put(held());
  const { winning, seen } = await standing(world);
  await world.time.run(5000);
  world.answers['GET']?.push(...Array.from({ length: 20 }, () => hang));
  await world.time.run(8000);
  expect(seen.at(-1)).toEqual({
    kind: 'unreadable',
    reason: 'the registry cannot be read: no answer within 2500 ms',
  });
  expect(world.lines.filter((line) => line.includes('registry.unreadable'))).toHaveLength(1);
  expect((await won(world, winning)).epoch).toBe(5);
  expect(world.lines.some((line) => line.includes('registry.readable'))).toBe(true);
});

test('one that can be read and not written is tried at intervals, and told, until it can', async () => {
  const world = new World();
  world.put(held());
  const { winning, seen, wonAt } = await standing(world);
  await world.time.run(ha.lease_ms - 1);
  world.answers['PUT']?.push(...Array.from({ length: 1000 }, () => () => errorAnswer(403, 'AccessDenied')));
  await world.time.run(60_000);
  expect(wonAt()).toBeUndefined();
  const puts = world.requests.filter((method) => method === 'PUT').length;
  expect(puts).toBeGreaterThan(10);
  expect(puts).toBeLessThan(60);
  const reason = 'the registry cannot be taken over: S3 answered 403 AccessDenied';
  expect(seen.at(-1)).toEqual({ kind: 'unreadable', reason });
  expect(world.lines.filter((line) => line.includes('registry.unreadable'))).toEqual([
    `warn registry.unreadable ${reason}`,
  ]);
  world.answers['PUT']?.splice(0);
  await won(world, winning);
  expect(world.lines.filter((line) => line.includes('registry.readable'))).toHaveLength(1);
});

test.each([
  ['released', () => held({ state: 'released' })],
  ['not there yet', () => undefined],
])('a start that may not write one that is %s is given up after some attempts', async (_name, stored) => {
  const world = new World();
  const document = stored();
  if (document) world.put(document);
  world.answers['PUT']?.push(...Array.from({ length: 1000 }, () => () => errorAnswer(403, 'AccessDenied')));
  const { winning } = await standing(world);
  await expect(won(world, winning)).rejects.toThrow('It needs s3:GetObject and s3:PutObject on the key');
});

test.each<[string, (world: World) => void, string]>([
  ['deleted meanwhile', (world) => world.s3.delete(KEY), 'was deleted'],
  ['replaced by something else', (world) => world.put('hello'), 'cannot be used'],
  ['moved', (world) => world.put(held({ state: 'closed', movedTo: 's3://other/key' })), 'was moved to s3://other/key'],
  ["another cluster's", (world) => world.put({ ...held(), clusterId: 'prod/b' }), 'belongs to "prod/b"'],
])('a registry that is %s is left alone', async (_name, change, message) => {
  const world = new World();
  world.put(held());
  const { winning } = await standing(world);
  await world.time.run(5000);
  change(world);
  const before = world.s3.get(KEY);
  await expect(won(world, winning)).rejects.toThrow(message);
  expect(world.s3.get(KEY)).toEqual(before);
  expect(world.requests).not.toContain('PUT');
});

describe('a holder', () => {
  async function holding() {
    const world = new World();
    const registry = await won(world, (await standing(world)).winning);
    world.requests.length = 0;
    return { world, registry };
  }

  test('ends its lease at the deadline after the start of its last good save, and never writes again', async () => {
    const { world, registry } = await holding();
    await world.time.run(5000);
    const started = world.time.now;
    world.answers['PUT']?.push(async (handle) => {
      await world.process.clock.sleep(800);
      return handle();
    });
    expect(await world.passing(registry.save(() => ({ n: 1 })))).toEqual({ kind: 'saved' });
    await world.time.run(started + ha.deadline_ms - world.time.now - 1);
    expect(registry.end).toBeUndefined();
    await world.time.run(1);
    expect(registry.end).toEqual({ kind: 'expired', deadlineMs: ha.deadline_ms });
    expect(await registry.ended).toEqual({ kind: 'expired', deadlineMs: ha.deadline_ms });
    const puts = world.requests.length;
    expect(await registry.save(() => ({ n: 2 }))).toMatchObject({ kind: 'ended' });
    expect(world.requests).toHaveLength(puts);
  });

  test.each([
    ['the wall clock says so', (world: World) => world.process.jump(ha.deadline_ms)],
    ['it wakes from a suspended machine', (world: World) => world.process.suspend(ha.deadline_ms)],
  ])('ends it when %s, before anything is begun', async (_name, happen) => {
    const { world, registry } = await holding();
    happen(world);
    if (world.process.paused) await world.time.run(ha.deadline_ms);
    expect(registry.end).toMatchObject({ kind: 'expired' });
  });

  test('tries a save that is denied until the deadline, and aborts what is under way then', async () => {
    const { world, registry } = await holding();
    world.s3.denied = (method) => method === 'PUT';
    const outcome = await world.passing(registry.save(() => ({ n: 1 })));
    expect(outcome).toEqual({ kind: 'ended', end: { kind: 'expired', deadlineMs: ha.deadline_ms } });
    expect(world.time.now).toBeLessThan(ha.deadline_ms + 600);
    expect(world.requests.length).toBeGreaterThan(5);
  });

  test('does not wait beyond the deadline for an answer', async () => {
    const { world, registry } = await holding();
    await world.time.run(ha.deadline_ms - 700);
    world.answers['PUT']?.push(hang);
    await world.passing(registry.save(() => ({ n: 1 })));
    expect(world.time.now).toBeLessThan(ha.deadline_ms + 200);
  });

  test('survives one lost request', async () => {
    const { world, registry } = await holding();
    await world.time.run(ha.renew_ms);
    world.answers['PUT']?.push(hang);
    expect(await world.passing(registry.save(() => ({ n: 1 })))).toEqual({ kind: 'saved' });
    expect(registry.end).toBeUndefined();
  });

  test('has no deadline any more when it has released the lease', async () => {
    const { world, registry } = await holding();
    await world.passing(registry.release(() => ({ n: 1 }), new AbortController().signal));
    await world.time.run(60_000);
    expect(world.lines.some((line) => line.includes('registry.expired'))).toBe(false);
  });
});
