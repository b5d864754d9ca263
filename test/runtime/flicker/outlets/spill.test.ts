import { all, MINUTE, NAME, range, Receiver, until, World } from './world';

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
