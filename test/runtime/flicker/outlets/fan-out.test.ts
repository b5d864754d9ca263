import { type Behaviour, Receiver, range, World, NAME } from './world';

const MINUTE = 60_000;

async function until(world: World, done: () => boolean, withinMs = 30 * MINUTE): Promise<void> {
  if (!(await world.time.run(withinMs, done))) throw new Error(`not within ${withinMs} ms: ${world.saved}`);
}

const all = (world: World, count: number) => () =>
  world.receivers.every((receiver) => world.missing(receiver, count).length === 0) && world.position === count;

describe('two destinations', () => {
  test('get every event; the position waits for both', async () => {
    const [a, b] = [new Receiver('a'), new Receiver('b')];
    const world = new World([a, b]);
    world.available = () => 20;
    b.behave = () => 'refuse-connection';
    const life = world.start();
    await world.time.run(10 * MINUTE);
    // One batch is with the first; nothing more is sent to it before the second has that, too.
    expect([a.lines, b.lines, world.position]).toEqual([range(1, 10), [], 0]);
    expect(life.status.destinations).toMatchObject([
      { name: 'a', problem: '', paused: false, ahead: 10, delivered: 10, waitedFor: true },
      { name: 'b', problem: 'refused', paused: true, ahead: 0, delivered: 0 },
    ]);
    b.behave = () => 'accept';
    await until(world, all(world, 20));
    expect([a.lines, b.lines]).toEqual([range(1, 20), range(1, 20)]);
    expect(world.state.sources[NAME]?.destinations).toBeUndefined();
    expect(life.status.destinations).toMatchObject([{ ahead: 0 }, { problem: '', paused: false, delivered: 20 }]);
  });

  test('a kill repeats nothing to the one that is ahead, whatever the batches are after it', async () => {
    const [a, b] = [new Receiver('a'), new Receiver('b')];
    const world = new World([a, b]);
    world.available = () => 20;
    b.behave = () => 'refuse-connection';
    for (const batchEvents of [10, 3, 17]) {
      world.batchEvents = batchEvents;
      const life = world.start();
      await world.time.run(MINUTE);
      life.kill();
    }
    b.behave = () => 'accept';
    world.start();
    await until(world, all(world, 20));
    expect([a.repeats, b.repeats, a.lines.length]).toEqual([0, 0, 20]);
    await world.time.run(2 * MINUTE);
    expect(world.state.sources[NAME]?.destinations).toBeUndefined();
  });

  test('a stop repeats nothing to the one that had part of a batch', async () => {
    const [a, b] = [new Receiver('a'), new Receiver('b')];
    const world = new World([a, b]);
    world.available = () => 10;
    b.behave = () => 'blocked';
    let halves = 1;
    a.behave = () => (halves-- > 0 ? 'half' : 'blocked');
    const life = world.start();
    await world.time.run(3000);
    await life.stop();
    expect(a.lines).toEqual(range(1, 5));
    a.behave = b.behave = () => 'accept';
    world.start();
    await until(world, all(world, 10));
    expect([a.lines, b.lines]).toEqual([range(1, 10), range(1, 10)]);
  });

  test('each have their refused events counted, with the place of the last', async () => {
    const [a, b] = [new Receiver('a'), new Receiver('b', 1000)];
    const world = new World([a, b]);
    world.available = () => 30;
    a.behave = () => 'refuse-last';
    b.behave = () => 'blocked';
    const life = world.start();
    await until(world, () => world.position === 30, MINUTE);
    b.behave = () => 'refuse-last';
    await until(world, () => world.listed.length === 0);
    expect(world.state.sources[NAME]?.destinations).toEqual({
      a: { deadLetters: { events: 3, last: 'letter 3' } },
      b: { spilled: 3, deadLetters: { events: 3, last: 'letter 6' } },
    });
    expect(world.letters.letters.map(({ destinationName, lines }) => [destinationName, lines])).toEqual([
      ...['10', '20', '30'].map((line) => ['a', [line]]),
      ...['10', '20', '30'].map((line) => ['b', [line]]),
    ]);
    await life.stop();
  });

  test.each([undefined, 1000])(
    'have counted what they refused of a batch under way at a stop, spill %p',
    async (spill) => {
      const [a, b] = [new Receiver('a'), new Receiver('b', spill)];
      const world = new World([a, b]);
      world.available = () => 10;
      const answers: Behaviour[] = spill === undefined ? [] : ['blocked'];
      b.behave = () => answers.shift() ?? 'refuse-connection';
      const life = world.start();
      if (spill !== undefined) await until(world, () => world.listed.length === 1, MINUTE);
      answers.push('refuse-last-throttle');
      await until(world, () => world.letters.letters.length === 1);
      await world.time.run(MINUTE);
      await life.stop();
      b.behave = () => 'accept';
      world.start();
      await until(world, () => b.lines.length === 9 && world.listed.length === 0);
      expect(world.state.sources[NAME]?.destinations?.['b']).toMatchObject({
        deadLetters: { events: 1, last: 'letter 1' },
      });
    },
  );

  test('without ids a kill repeats the batch under way to the one that is ahead, and loses nothing', async () => {
    const [a, b] = [new Receiver('a'), new Receiver('b')];
    const world = new World([a, b]);
    world.includeId = false;
    world.available = () => 20;
    b.behave = () => 'refuse-connection';
    const life = world.start();
    await world.time.run(MINUTE);
    // A kill would repeat them: they count for as long as that is so.
    expect(life.saver.stats.inFlightEvents).toBe(10);
    life.kill();
    b.behave = () => 'accept';
    world.start();
    await until(world, all(world, 20));
    expect([a.repeats, b.repeats]).toEqual([10, 0]);
  });

  test('an archive beside another destination gets each event in one object, however often it is killed', async () => {
    const [archive, b] = [new Receiver('archive', undefined, true), new Receiver('b')];
    const world = new World([archive, b]);
    world.available = () => 30;
    b.behave = () => 'refuse-connection';
    for (const batchEvents of [10, 4, 25]) {
      world.batchEvents = batchEvents;
      const life = world.start();
      await world.time.run(MINUTE);
      life.kill();
    }
    b.behave = () => 'accept';
    const last = world.start();
    await until(world, all(world, 30));
    await last.stop();
    archive.reads.length = 0;
    world.start();
    await world.time.run(MINUTE);
    // What the saved position covers is not read back.
    expect(archive.reads).toEqual([archive.objects.size + 1]);
    expect([archive.repeats, b.repeats]).toEqual([0, 0]);
    expect([...archive.objects.keys()]).toEqual(range(1, archive.objects.size));
    expect(world.state.sources[NAME]?.destinations?.['archive']?.batchNo).toBe(archive.objects.size + 1);
  });

  test('an archive that was alone keeps its numbers when another destination joins it, and when that leaves', async () => {
    const [archive, b] = [new Receiver('archive', undefined, true), new Receiver('b')];
    const run = async (receivers: Receiver[], saved: string, available: number) => {
      const world = new World(receivers);
      world.saved = saved;
      world.available = () => available;
      const life = world.start();
      await until(world, () => world.position === available);
      await life.stop();
      return world.saved;
    };
    const alone = await run([archive], '{}', 10);
    const joined = await run([archive, b], alone, 20);
    await run([archive], joined, 30);
    expect([archive.lines, b.lines]).toEqual([range(1, 30), range(11, 20)]);
    expect([...archive.objects.keys()]).toEqual([1, 2, 3]);
  });

  test('one that is down leaves the room for unsaved events to others', async () => {
    const b = new Receiver('b');
    const world = new World([new Receiver('a'), b]);
    world.available = () => 1000;
    world.batchEvents = 40;
    b.behave = () => 'refuse-connection';
    const life = world.start();
    await world.time.run(10 * MINUTE);
    let admitted = false;
    void life.saver.reserve(40).then(() => (admitted = true));
    await world.time.run(10_000);
    expect(admitted).toBe(true);
  });
});

describe('a destination that the source does not wait for', () => {
  const optional = () => {
    const [a, b] = [new Receiver('a'), new Receiver('b', 10_000)];
    const world = new World([a, b]);
    world.available = () => 50;
    return { a, b, world };
  };

  test('has its batches spilled while it is down; they are sent in order when it is back, and removed', async () => {
    const { a, b, world } = optional();
    b.behave = () => 'refuse-connection';
    const life = world.start();
    await until(world, () => world.position === 50, MINUTE);
    expect([a.lines, b.lines]).toEqual([range(1, 50), []]);
    const spill = world.listed;
    expect(spill.map(({ events }) => events)).toEqual([10, 10, 10, 10, 10]);
    expect([...world.spilled.keys()]).toEqual(spill.map(({ key }) => key));
    expect(spill[0]).toMatchObject({ source: NAME, destination: 'b' });
    expect(spill[0]?.key).toMatch(/^numbers\/b\/000000000001-[0-9a-f]{16}\.jsonl$/);

    b.behave = () => 'accept';
    await until(world, () => world.listed.length === 0, 10 * MINUTE);
    expect([a.lines, b.lines, world.spilled.size]).toEqual([range(1, 50), range(1, 50), 0]);

    world.available = () => 60;
    await until(world, all(world, 60));
    expect(world.spilled.size).toBe(0);
    expect(world.state.sources[NAME]?.destinations).toEqual({ b: { spilled: 5 } });
    expect(life.status.destinations[1]).toMatchObject({ name: 'b', waitedFor: false, problem: '', paused: false });
  });

  test('does not pause the source, and a kill at any time loses and repeats nothing of what is saved', async () => {
    const { a, b, world } = optional();
    b.behave = () => 'blocked';
    for (let i = 0; i < 3; i++) {
      const life = world.start();
      await world.time.run(MINUTE);
      life.kill();
    }
    b.behave = () => 'accept';
    world.start();
    await until(world, () => b.missing(50).length === 0 && world.listed.length === 0);
    expect([a.repeats, b.repeats, world.position]).toEqual([0, 0, 50]);
    const told = world.logged.lines.filter(({ event }) => event === 'source.paused').map(({ message }) => message);
    expect(new Set(told)).toEqual(new Set(['b is down, events of numbers are spilled, nothing is lost: 401']));
  });

  test('a stop repeats nothing of a spilled batch that it had in part', async () => {
    const { b, world } = optional();
    world.available = () => 10;
    b.behave = () => 'blocked';
    const life = world.start();
    await until(world, () => world.listed.length === 1, 5 * MINUTE);
    let halves = 1;
    b.behave = () => (halves-- > 0 ? 'half' : 'blocked');
    await until(world, () => b.lines.length === 5);
    await life.stop();
    b.behave = () => 'accept';
    world.start();
    await until(world, () => world.listed.length === 0);
    expect([b.lines, world.spilled.size]).toEqual([range(1, 10), 0]);
  });

  test('a batch that was sent and removed before a kill is not missed', async () => {
    const { b, world } = optional();
    b.behave = () => 'blocked';
    const life = world.start();
    await until(world, () => world.position === 50, MINUTE);
    life.kill();
    b.lines.push(...range(1, 10));
    const [first] = world.spilled.keys();
    world.spilled.delete(first ?? '');
    b.behave = () => 'accept';
    world.start();
    await until(world, () => world.listed.length === 0);
    expect(b.lines).toEqual(range(1, 50));
  });

  test('gets what is listed for it while it runs, as what a vanished node has spilled is', async () => {
    const { a, b, world } = optional();
    const life = world.start();
    await until(world, all(world, 50));
    const lines = Buffer.from('{"line":"1001","id":"id-1001"}\n');
    world.spilled.set('elsewhere/1.jsonl', lines);
    life.state.spill = [{ source: NAME, destination: 'b', key: 'elsewhere/1.jsonl', events: 1, bytes: lines.length }];
    await until(world, () => world.spilled.size === 0, 2 * MINUTE);
    expect([a.lines, b.lines]).toEqual([range(1, 50), [...range(1, 50), 1001]]);
    await until(world, () => world.listed.length === 0);
    expect(life.status.problem).toBe('');
  });

  test('and that is waited for from now on gets what was spilled first, then the rest', async () => {
    for (const numbered of [false, true]) {
      const before = new Receiver('b', 10_000);
      before.behave = () => 'blocked';
      const first = new World([before]);
      first.available = () => 30;
      const life = first.start();
      await until(first, () => first.position === 30, MINUTE);
      await life.stop();
      const now = new Receiver('b', undefined, numbered);
      const world = new World([now]);
      world.saved = first.saved;
      for (const [key, lines] of first.spilled) world.spilled.set(key, lines);
      world.available = () => 50;
      world.start();
      await until(world, () => world.position === 50 && world.listed.length === 0);
      expect([now.lines, world.faults]).toEqual([range(1, 50), []]);
      expect([...now.objects.keys()]).toEqual(numbered ? range(1, 5) : []);
    }
  });

  describe('and that is waited for from now on, while it is still down', () => {
    async function waitedFor() {
      const before = new Receiver('b', 10_000);
      before.behave = () => 'blocked';
      const first = new World([before]);
      first.available = () => 30;
      const life = first.start();
      await until(first, () => first.position === 30, MINUTE);
      await life.stop();
      const now = new Receiver('b');
      now.behave = before.behave;
      const world = new World([now]);
      world.saved = first.saved;
      for (const [key, lines] of first.spilled) world.spilled.set(key, lines);
      world.available = () => 1000;
      world.batchEvents = 40;
      return world;
    }

    test('leaves the room for unsaved events to others', async () => {
      const world = await waitedFor();
      const life = world.start();
      await world.time.run(10 * MINUTE);
      let admitted = false;
      void life.saver.reserve(40).then(() => (admitted = true));
      await world.time.run(10_000);
      expect(admitted).toBe(true);
    });

    test('ends a run with --once', async () => {
      const world = await waitedFor();
      const life = world.start(true);
      await until(world, () => life.ended);
      expect(String(life.error)).toContain('could not be delivered: 401');
      expect(world.position).toBe(30);
    });
  });

  test('and that the config does not name any more is told of', async () => {
    const { b, world } = optional();
    b.behave = () => 'blocked';
    const life = world.start();
    await until(world, () => world.position === 50, MINUTE);
    await life.stop();
    const without = new World([new Receiver('a')]);
    without.saved = world.saved;
    without.start();
    await without.time.run(MINUTE);
    expect(without.logged.lines.map(({ message }) => message)).toContain(
      'spilled batches of numbers wait for b, which the config does not name any more',
    );
    expect(without.listed).toHaveLength(5);
  });

  test('with --once is waited for at the end, and told when it stays down', async () => {
    const { b, world } = optional();
    b.behave = () => 'refuse-connection';
    const life = world.start(true);
    await until(world, () => life.ended);
    expect(life.status.failed).toBe(true);
    expect(String(life.error)).toContain('could not be delivered: refused');
    expect(world.position).toBe(50);
    expect(world.listed).toHaveLength(5);

    // Down at first, and back when it is asked for what was spilled.
    let tries = 0;
    b.behave = () => (tries++ < 2 ? 'refuse-connection' : 'accept');
    const again = world.start(true);
    await until(world, () => again.ended);
    expect([again.error, b.lines, again.status.failed]).toEqual([undefined, range(1, 50), false]);
  });
});

/** Numbers from 0 up to 1, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('whatever destinations do and whenever the program is killed', () => {
  const behaviours = [
    'accept',
    'accept',
    'accept',
    'refuse-connection',
    'lose-answer',
    'half',
    'hang',
    'blocked',
    'refuse-last',
    'refuse-last-throttle',
  ] as const;

  async function play(seed: number): Promise<{ world: World; kills: number; stops: number }> {
    const random = seeded(seed * 7919 + 1);
    for (let i = 0; i < 5; i++) random();
    const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
    const receivers = [
      new Receiver('a'),
      new Receiver('b', pick([undefined, 10_000, 500]), random() < 0.3),
      ...(random() < 0.4 ? [new Receiver('c', pick([undefined, 10_000]), random() < 0.5)] : []),
    ];
    const world = new World(receivers);
    const total = 120;
    world.available = () => Math.min(total, Math.floor(world.time.now / 500));
    let [calm, kills, stops] = [false, 0, 0];
    for (const receiver of receivers) {
      let down = false;
      receiver.behave = () => {
        if (calm) return 'accept';
        if (random() < 0.1) down = !down;
        return down ? pick(['refuse-connection', 'blocked'] as const) : pick(behaviours);
      };
    }
    for (let lives = 2 + Math.floor(random() * 5); lives > 0; lives--) {
      world.batchEvents = 3 + Math.floor(random() * 12);
      const life = world.start();
      await world.time.run(2000 + random() * 60_000, () => random() < 0.004);
      if (random() < 0.3) {
        stops++;
        await life.stop();
      } else {
        kills++;
        life.kill();
      }
    }
    calm = true;
    world.start();
    await until(world, () => all(world, total)() && world.listed.length === 0, 120 * MINUTE);
    return { world, kills, stops };
  }

  test.each(range(1, 40))('seed %d: nothing is lost, and repeats stay within the cap', async (seed) => {
    const { world, kills, stops } = await play(seed);
    expect(world.faults).toEqual([]);
    // What was kept and is not listed in a save is left behind: it is read again.
    const left = kills * world.maxUnsavedEvents + stops;
    expect(world.spilled.size).toBeLessThanOrEqual(left * world.receivers.length);
    for (const receiver of world.receivers) {
      // A kill repeats what was sent and not saved, and the spilled batch that was under way.
      const cap = kills * (world.maxUnsavedEvents + 15);
      expect(receiver.repeats).toBeLessThanOrEqual((receiver.numbered ? 0 : receiver.lost) + cap);
      if (receiver.numbered) expect(receiver.repeats).toBe(0);
      // An event that was refused before a kill may have been accepted after it.
      const refused = receiver.missing(120);
      const { deadLetters } = world.state.sources[NAME]?.destinations?.[receiver.name] ?? {};
      expect(deadLetters?.events ?? 0).toBeGreaterThanOrEqual(refused.length);
    }
  });
});
