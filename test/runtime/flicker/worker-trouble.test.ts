import { Stopping } from '../../../runtime/core/lifecycle';
import { SourceError } from '../../../runtime/flicker/source';
import { Bench, down, MINUTE, NAME, stop } from './worker-support';

const never = () => new Promise<void>(() => {});

describe('a source that cannot be read', () => {
  test('is reported once, polled on, and told to be back', async () => {
    const bench = new Bench();
    bench.onFill = () => {
      throw new SourceError('cannot reach it');
    };
    const running = bench.start();
    await bench.time.run(5500);
    bench.onFill = () => {};
    await bench.time.run(1000);
    const told = bench.logged.lines.map(({ message }) => message);
    expect(told).toEqual(['source started for the first time', 'cannot reach it', 'source can be read again']);
    expect(bench.status.problem).toBe('');
    await stop(bench, running);
  });

  test.each([
    [90_000, 4],
    [0, 300],
    [undefined, 10],
  ])('and asks to wait %p ms is polled %d times in 5 minutes', async (retryAfterMs, polls) => {
    const bench = new Bench();
    bench.settings = { ...bench.settings, polling_frequency_ms: 30_000 };
    let tries = 0;
    bench.onFill = () => {
      tries++;
      throw new SourceError('too many requests', retryAfterMs);
    };
    const running = bench.start();
    await bench.time.run(5 * MINUTE - 1);
    expect(tries).toBe(polls);
    await stop(bench, running);
  });

  test('has what it tells of that in the next save, with what it read before', async () => {
    const bench = new Bench();
    bench.settings = { ...bench.settings, flush_interval_ms: MINUTE };
    bench.available = 2;
    const running = bench.start();
    await bench.time.run(500);
    expect(bench.steps.at(-1)).toBe('saved 0');
    bench.onFill = (builder) => {
      builder.advance({ position: { at: 2, notBefore: 600_000 } });
      throw new SourceError('too many requests', 600_000);
    };
    await bench.time.run(1000);
    expect(bench.lines).toEqual([1, 2]);
    expect(bench.state.sources[NAME]?.position).toEqual({ at: 2, notBefore: 600_000 });
    expect(bench.steps.at(-1)).toBe('settled 2');
    await stop(bench, running);
  });

  test('and crashes ends the worker with what it had read undelivered and its position unmoved', async () => {
    const bench = new Bench();
    bench.available = 3;
    const running = bench.start();
    await bench.time.run(500);
    const crash = new TypeError('undefined is not a function');
    bench.onFill = () => {
      throw crash;
    };
    await expect(bench.ended(running)).rejects.toBe(crash);
    expect(bench.position).toBe(0);
    expect(bench.steps.at(-1)).toBe('closed');
  });
});

describe('it counts as stuck', () => {
  test('never while the destination is down', async () => {
    const bench = new Bench();
    bench.available = 1000;
    bench.answer = () => ({ ...down, retryAfterMs: 60 * MINUTE });
    const running = bench.start();
    expect(await bench.stuckWithin(180 * MINUTE)).toBeUndefined();
    bench.abort.abort(new Stopping('x'));
    await expect(bench.ended(running, 10)).rejects.toThrow();
  });

  test('never while unsaved events are at their cap', async () => {
    const bench = new Bench();
    bench.reserve = never;
    bench.available = 1000;
    void bench.start();
    expect(await bench.stuckWithin(60 * MINUTE)).toBeUndefined();
  });

  test('never between polls that are far apart, though something is sent in between', async () => {
    const bench = new Bench();
    bench.settings = { ...bench.settings, polling_frequency_ms: 60 * MINUTE, flush_interval_ms: 10 * MINUTE };
    bench.available = 1;
    void bench.start();
    expect(await bench.stuckWithin(180 * MINUTE)).toBeUndefined();
    expect(bench.polls).toHaveLength(4);
    expect(bench.lines).toEqual([1]);
  });

  test('never while an API asks for a long wait', async () => {
    const bench = new Bench();
    bench.onFill = () => {
      throw new SourceError('rate limit', 60 * MINUTE);
    };
    void bench.start();
    expect(await bench.stuckWithin(180 * MINUTE)).toBeUndefined();
  });

  test('never once it has ended', async () => {
    const bench = new Bench();
    await stop(bench, bench.start());
    expect(bench.status.movesBy).toBe(Number.POSITIVE_INFINITY);
  });

  test('when a poll does not come to an end', async () => {
    const bench = new Bench();
    const running = bench.start();
    await bench.time.run(10 * MINUTE);
    bench.onFill = never;
    const at = await bench.stuckWithin(10 * MINUTE);
    expect(at).toBeGreaterThan(15 * MINUTE - 1);
    expect(at).toBeLessThan(16 * MINUTE);
    void running;
  });
});
