import { all, type Behaviour, MINUTE, NAME, range, Receiver, until, World } from './world';

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
