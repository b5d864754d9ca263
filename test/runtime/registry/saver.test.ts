import { SimProcess, VirtualTime } from '../../../dev/sim/time';
import { LeaseEndedError, type LeaseEnd } from '../../../runtime/registry/errors';
import type { State } from '../../../runtime/registry/format';
import type { SaveOutcome } from '../../../runtime/registry/registry';
import { Saver } from '../../../runtime/registry/saver';

const fenced: LeaseEnd = { kind: 'fenced', by: { owner: 'owner-2', host: 'host-2', epoch: 2 } };

/** A saver over a registry whose saves take 100 ms and answer as told. */
function setUp(maxUnsavedEvents = 100, heartbeatMs = 60_000) {
  const time = new VirtualTime();
  const { clock } = new SimProcess(time, 'test');
  const saves: { at: number; state: State; release: boolean }[] = [];
  const outcomes: SaveOutcome[] = [];
  let end: (end: LeaseEnd) => void = () => {};
  const write = async (
    snapshot: () => State,
    signal: AbortSignal | undefined,
    release: boolean,
  ): Promise<SaveOutcome> => {
    saves.push({ at: clock.monotonic(), state: snapshot(), release });
    const outcome = outcomes.shift();
    const hangs = outcome?.kind === 'failed' && outcome.reason === 'hangs';
    const late = await clock.sleep(hangs ? 60_000 : 100, signal).catch(() => 'aborted' as const);
    return late === 'aborted' ? { kind: 'failed', reason: 'aborted' } : (outcome ?? { kind: 'saved' });
  };
  const registry = {
    conflicts: 0,
    end: undefined as LeaseEnd | undefined,
    ended: new Promise<LeaseEnd>((resolve) => (end = resolve)),
    save: (snapshot: () => State, signal?: AbortSignal) => write(snapshot, signal, false),
    release: (snapshot: () => State, signal: AbortSignal) => write(snapshot, signal, true),
  };
  let position = 0;
  const results: string[] = [];
  const saver = new Saver({
    registry,
    snapshot: () => ({ position }),
    clock,
    saveIntervalMs: 5_000,
    heartbeatMs,
    maxUnsavedEvents,
    onSave: (result, seconds) => results.push(`${result} ${seconds.toFixed(1)}`),
    random: () => 0.5,
  });
  void saver.run();
  const deliver = async (events: number) => {
    await saver.reserve(events);
    position += events;
    saver.acknowledged(events);
  };
  const fence = () => {
    registry.end = fenced;
    end(fenced);
  };
  /** Whether a promise is settled once everything that can happen at this moment has happened. */
  const state = async (promise: Promise<unknown>) => {
    let seen = 'waiting';
    promise.then(
      () => (seen = 'done'),
      (error: Error) => (seen = error.message),
    );
    await time.run(0);
    return seen;
  };
  return { time, clock, saver, registry, saves, outcomes, results, deliver, fence, state };
}

test('saves 5 s after the first acknowledgement that is not saved', async () => {
  const { time, saver, saves, deliver, results } = setUp();
  await time.run(1_000);
  await deliver(1);
  await time.run(3_000);
  await deliver(1);
  await time.run(1_999);
  expect(saves).toEqual([]);
  await time.run(1);
  expect(saves).toEqual([{ at: 6_000, state: { position: 2 }, release: false }]);
  expect(saver.stats.unsavedEvents).toBe(2);
  await time.run(100);
  expect(saver.stats).toMatchObject({ unsavedEvents: 0, saves: 1, failures: 0 });
  expect(saver.stats.lastSavedAt).toBeDefined();
  expect(results).toEqual(['saved 0.1']);
});

test('renews the lease in time, also when what is not saved could wait longer', async () => {
  const { time, saves, deliver } = setUp(100, 2_000);
  await time.run(1_500);
  await deliver(1);
  await time.run(500);
  expect(saves.map(({ at, state }) => [at, state])).toEqual([[2_000, { position: 1 }]]);
});

test('a sender that waits for room is not let in any more once the lease has ended', async () => {
  const { saver, state, registry } = setUp(10);
  await saver.reserve(8);
  const waiting = saver.reserve(5);
  // The lease is over, and nobody has been told yet.
  registry.end = fenced;
  saver.returned(8);
  expect(await state(waiting)).toBe('waiting');
  expect(() => saver.check()).toThrow('a new owner has taken over');
});

test('saves a heartbeat when there is nothing to save', async () => {
  const { time, saves } = setUp();
  await time.run(180_000);
  expect(saves.map(({ at }) => at)).toEqual([60_000, 120_000, 180_000]);
});

test('saves at once when half of what may be unsaved is', async () => {
  const { time, saves, deliver } = setUp();
  await deliver(49);
  await time.run(1_000);
  expect(saves).toEqual([]);
  await deliver(1);
  await time.run(0);
  expect(saves).toHaveLength(1);
});

test('sending stops at the cap, in flight and unsaved together, and goes on in its order', async () => {
  const { time, saver, saves, state } = setUp();
  await saver.reserve(60);
  saver.acknowledged(30); // 30 in flight, 30 unsaved
  const large = saver.reserve(50);
  const small = saver.reserve(1);
  expect(await state(large)).toBe('waiting');
  expect(await state(small)).toBe('waiting');
  expect(saves).toHaveLength(1); // somebody waits: the save does not
  await time.run(100);
  expect(await state(large)).toBe('done');
  expect(await state(small)).toBe('done');
  const next = saver.reserve(20);
  expect(await state(next)).toBe('waiting');
  saver.returned(10);
  expect(await state(next)).toBe('done');
  expect(saver.stats).toMatchObject({ inFlightEvents: 91, unsavedEvents: 0 });
});

test('more than the cap can never be sent at once', async () => {
  await expect(setUp().saver.reserve(101)).rejects.toThrow('101 events cannot be sent at once: at most 100');
});

test('what is acknowledged during a save is saved by the next one', async () => {
  const { time, saver, saves, deliver } = setUp();
  await deliver(10);
  await time.run(5_050); // a request is under way
  await deliver(7);
  await time.run(60);
  expect(saver.stats.unsavedEvents).toBe(7);
  await time.run(5_100);
  expect(saves.map(({ state }) => state)).toEqual([{ position: 10 }, { position: 17 }]);
  expect(saver.stats.unsavedEvents).toBe(0);
});

test('a change without events is saved too', async () => {
  const { time, saver, saves } = setUp();
  await saver.reserve(5);
  saver.acknowledged(5, 0);
  expect(saver.stats).toMatchObject({ inFlightEvents: 0, unsavedEvents: 0 });
  await time.run(5_000);
  expect(saves).toHaveLength(1);
});

test('a failed save keeps everything unsaved and is tried again, slower each time', async () => {
  const { time, saver, saves, outcomes, deliver, results } = setUp();
  for (let index = 0; index < 3; index++) outcomes.push({ kind: 'failed', reason: 'S3 is down' });
  await deliver(10);
  await time.run(5_100);
  expect(saver.stats).toMatchObject({ unsavedEvents: 10, failures: 1, saves: 0 });
  await time.run(10_000);
  expect(saves.map(({ at }) => at)).toEqual([5_000, 5_350, 5_950, 7_050]);
  expect(saver.stats).toMatchObject({ unsavedEvents: 0, failures: 3, saves: 1 });
  expect(results).toEqual(['failed 0.1', 'failed 0.1', 'failed 0.1', 'saved 0.1']);
});

test('commit saves at once and waits for a snapshot taken after it', async () => {
  const { time, saver, saves, deliver, state } = setUp();
  await deliver(50);
  await time.run(50);
  const committed = saver.commit();
  await time.run(60);
  expect(saves).toHaveLength(2);
  expect(await state(committed)).toBe('waiting');
  await time.run(100);
  expect(await state(committed)).toBe('done');
});

test('a lost lease refuses whoever waits and whoever comes', async () => {
  const { saver, fence, state, time, saves } = setUp();
  await saver.reserve(100);
  const sender = saver.reserve(1);
  const committer = saver.commit();
  fence();
  const text = 'a new owner has taken over: owner-2 on host-2, epoch 2';
  expect(await state(sender)).toBe(text);
  expect(await state(committer)).toBe(text);
  await expect(saver.reserve(1)).rejects.toThrow(LeaseEndedError);
  await expect(saver.commit()).rejects.toThrow(LeaseEndedError);
  const before = saves.length;
  await time.run(200_000);
  expect(saves).toHaveLength(before);
  await saver.run();
});

test('a signal ends the waiting, and the next in the queue goes on', async () => {
  const { saver, state } = setUp();
  await saver.reserve(50);
  const leave = new AbortController();
  const large = saver.reserve(60, leave.signal);
  const small = saver.reserve(10);
  expect(await state(small)).toBe('waiting');
  leave.abort(new Error('told to stop'));
  expect(await state(large)).toBe('told to stop');
  expect(await state(small)).toBe('done');
  expect(saver.stats.inFlightEvents).toBe(60);
});

test('flush saves a last time with everything, and only once', async () => {
  const { time, saver, saves, deliver, state } = setUp();
  await deliver(5);
  const last = saver.flush(new AbortController().signal);
  expect(saver.flush(new AbortController().signal)).toBe(last);
  await time.run(100);
  expect(await last).toEqual({ kind: 'saved' });
  expect(saves).toEqual([{ at: 0, state: { position: 5 }, release: true }]);
  expect(await state(saver.run())).toBe('done');
});

test('a hanging save does not take the time of the last one', async () => {
  const { time, saver, saves, outcomes, deliver } = setUp();
  outcomes.push({ kind: 'failed', reason: 'hangs' });
  await deliver(50);
  await time.run(1_000);
  const last = saver.flush(new AbortController().signal);
  await time.run(600);
  expect(await last).toEqual({ kind: 'saved' });
  expect(saves.map(({ at, release }) => [at, release])).toEqual([
    [0, false],
    [1_500, true],
  ]);
});
