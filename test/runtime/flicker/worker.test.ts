import { Stopping } from '../../../runtime/core/lifecycle';
import { LeaseEndedError } from '../../../runtime/registry/errors';
import { NoDeadLetterLocationError } from '../../../runtime/flicker/delivery';
import { SourceError } from '../../../runtime/flicker/source';
import { Bench, down, MINUTE, NAME, stop } from './worker-support';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const expired = () => {
  throw new LeaseEndedError({ kind: 'expired', deadlineMs: 1 });
};

describe('without a lease, before anything has told it to stop', () => {
  test('it does not poll', async () => {
    const bench = new Bench();
    const running = bench.start();
    await bench.time.run(100);
    const polls = bench.polls.length;
    bench.lease = expired;
    await expect(bench.ended(running)).rejects.toThrow(LeaseEndedError);
    expect(bench.polls).toHaveLength(polls);
  });

  test('it does not send again what has failed, and nothing moves', async () => {
    const bench = new Bench();
    bench.available = 15;
    bench.answer = () => {
      bench.lease = expired;
      return down;
    };
    await expect(bench.ended(bench.start())).rejects.toThrow(LeaseEndedError);
    expect([bench.sent.length, bench.position, bench.reserved]).toEqual([1, 0, 0]);
  });
});

describe('positions', () => {
  test('the first one is saved before the first read', async () => {
    const bench = new Bench();
    bench.onFill = () => void bench.steps.push('read');
    const running = bench.start();
    await bench.time.run(100);
    expect(bench.steps).toEqual(['started at 0', 'settled 0', 'saved 0', 'read']);
    expect(bench.state.sources[NAME]).toMatchObject({ kind: 'api', batchNo: 1, startedAt: '2024-01-01T00:00:00.000Z' });
    await stop(bench, running);
  });

  test('a saved one is taken up, and not saved again', async () => {
    const bench = new Bench();
    bench.state.sources[NAME] = { kind: 'api', startedAt: 'x', batchNo: 7, position: { at: 3 } };
    bench.deliveredElsewhere = 3;
    bench.available = 5;
    const running = bench.start();
    await bench.until(() => bench.position === 5);
    expect(bench.lines).toEqual([4, 5]);
    expect(bench.steps).toEqual(['started at 3', 'settled 5']);
    await stop(bench, running);
  });

  test('do not move before the destination has accepted, and little is read meanwhile', async () => {
    const bench = new Bench();
    bench.available = 1000;
    bench.answer = () => down;
    const running = bench.start();
    await bench.time.run(30 * MINUTE);
    expect(bench.position).toBe(0);
    // While it waits for its next attempt, others may send in its place.
    expect(bench.reserved).toBe(0);
    // One batch under way, one waiting.
    expect(bench.read).toBe(20);
    expect(bench.status).toMatchObject({ failed: true, stopped: '' });

    bench.answer = () => ({ kind: 'accepted' });
    await bench.until(() => bench.position === 1000);
    expect(bench.lines).toEqual(range(1, 1000));
    expect(bench.reserved).toBe(0);
    await stop(bench, running);
  });

  test('move past what is kept as dead letters', async () => {
    const bench = new Bench();
    bench.available = 10;
    bench.deliveredElsewhere = 10;
    bench.answer = () => ({ kind: 'refused', reason: '400' });
    const running = bench.start();
    await bench.until(() => bench.position === 10);
    expect(bench.letters.letters[0]?.lines).toEqual(range(1, 10).map(String));
    await stop(bench, running);
  });

  test('do not move where refused events cannot be kept: the worker ends', async () => {
    const bench = new Bench();
    bench.available = 10;
    bench.answer = () => ({ kind: 'refused', reason: '400' });
    bench.letters.deadLetters.write = (letter) => Promise.reject(new NoDeadLetterLocationError(letter));
    await expect(bench.ended(bench.start())).rejects.toThrow('set dead_letter to a path or a bucket');
    expect(bench.position).toBe(0);
    expect(bench.reserved).toBe(0);
  });
});

describe('a batch is sent', () => {
  test('when buffer_size events wait', async () => {
    const bench = new Bench();
    bench.settings = { ...bench.settings, buffer_size: 4, flush_interval_ms: MINUTE };
    const running = bench.start();
    bench.available = 3;
    await bench.time.run(10_000);
    expect(bench.lines).toEqual([]);
    bench.available = 4;
    await bench.time.run(1000);
    expect(bench.lines).toEqual([1, 2, 3, 4]);
    await stop(bench, running);
  });

  test('when the first of its events has waited for flush_interval_ms', async () => {
    const bench = new Bench();
    const running = bench.start();
    await bench.time.run(2500);
    bench.available = 1; // read at 3000
    await bench.time.run(3000);
    bench.available = 2;
    await bench.until(() => bench.lines.length === 2);
    expect(bench.accepted.map(({ at }) => at)).toEqual([8000, 8000]);
    await stop(bench, running);
  });

  test('when it is full, as many as are needed', async () => {
    const bench = new Bench();
    bench.settings = { ...bench.settings, batch_max_events: 3, buffer_size: 100 };
    bench.available = 8;
    const running = bench.start();
    await bench.time.run(10_000);
    expect(bench.sent).toEqual([3, 3, 2]);
    await stop(bench, running);
  });

  test('larger while another one is under way', async () => {
    const bench = new Bench();
    bench.settings = { ...bench.settings, buffer_size: 1, batch_max_events: 100 };
    bench.available = 1;
    bench.answer = async () => {
      await bench.clock.sleep(10_000);
      return { kind: 'accepted' };
    };
    const running = bench.start();
    await bench.time.run(500);
    bench.available = 50;
    bench.page = 10;
    await bench.until(() => bench.lines.length === 50);
    expect(bench.sent).toEqual([1, 49]);
    await stop(bench, running);
  });

  test('when it is due in the middle of a long read, though an earlier one was sent in it', async () => {
    const bench = new Bench();
    bench.settings = { ...bench.settings, buffer_size: 1, batch_max_events: 100 };
    bench.page = 1;
    bench.available = 50;
    bench.onFill = () => bench.clock.sleep(1000);
    const running = bench.start();
    await bench.time.run(10_500);
    expect(bench.lines.length).toBeGreaterThanOrEqual(8);
    await stop(bench, running);
  });

  test('without a poll before its time', async () => {
    const bench = new Bench();
    bench.settings = { ...bench.settings, polling_frequency_ms: 30_000, flush_interval_ms: 1000 };
    bench.available = 1;
    const running = bench.start();
    await bench.time.run(29_000);
    expect(bench.accepted).toEqual([{ line: 1, at: 1000 }]);
    expect(bench.polls).toEqual([0]);
    await bench.time.run(2000);
    expect(bench.polls).toEqual([0, 30_000]);
    await stop(bench, running);
  });

  test('when there is room for unsaved events, and not before', async () => {
    const bench = new Bench();
    let admit = () => {};
    bench.reserve = () => new Promise((resolve) => (admit = resolve));
    bench.available = 10;
    const running = bench.start();
    await bench.time.run(MINUTE);
    expect(bench.sent).toEqual([]);
    admit();
    await bench.time.run(10);
    expect(bench.lines).toEqual(range(1, 10));
    await stop(bench, running);
  });
});

describe('a numbered destination', () => {
  const numbered = () => {
    const bench = new Bench();
    bench.recovered = [];
    return bench;
  };

  test('gets the next number for each batch', async () => {
    const bench = numbered();
    bench.available = 25;
    const numbers: number[] = [];
    bench.answer = ({ number }) => (numbers.push(number), { kind: 'accepted' });
    const running = bench.start();
    await bench.until(() => bench.position === 25);
    expect(numbers).toEqual([1, 2, 3]);
    expect(bench.state.sources[NAME]?.batchNo).toBe(4);
    await stop(bench, running);
  });

  test('tells at the start what was written after the last save: that is not read again', async () => {
    const bench = numbered();
    bench.state.sources[NAME] = { kind: 'api', startedAt: 'x', batchNo: 2, position: { at: 10 } };
    bench.recovered = [{ position: { at: 20 } }, { position: { at: 25 } }];
    bench.deliveredElsewhere = 25;
    bench.available = 26;
    const running = bench.start();
    await bench.until(() => bench.position === 26);
    expect(bench.steps.slice(0, 4)).toEqual(['settled 20', 'settled 25', 'saved 25', 'started at 25']);
    expect(bench.lines).toEqual([26]);
    expect(bench.state.sources[NAME]?.batchNo).toBe(5);
    await stop(bench, running);
  });

  test('whose number another writer has taken moves the position to where that one was, once the lease is confirmed', async () => {
    const bench = numbered();
    bench.available = 20;
    bench.answer = ({ number }) =>
      number === 1 ? { kind: 'superseded', after: { position: { at: 15 } } } : { kind: 'accepted' };
    const running = bench.start();
    bench.deliveredElsewhere = 15;
    await bench.until(() => bench.position === 20);
    expect(bench.lines).toEqual(range(16, 20));
    expect(bench.reserved).toBe(0);
    const restart = bench.steps.indexOf('started at 15');
    expect(bench.steps.slice(restart - 3, restart)).toEqual(['saved 0', 'settled 15', 'closed']);
    await stop(bench, running);
  });

  test('whose number another writer has taken moves nothing when the lease is gone', async () => {
    const bench = numbered();
    bench.available = 10;
    bench.answer = () => ({ kind: 'superseded', after: { position: { at: 10 } } });
    const running = bench.start();
    await bench.time.run(10);
    const lost = new Error('a new owner has taken over');
    bench.commits.commit = () => Promise.reject(lost);
    await expect(bench.ended(running)).rejects.toBe(lost);
    expect(bench.position).toBe(0);
  });
});

describe('once', () => {
  test('ships all that is there and ends', async () => {
    const bench = new Bench();
    bench.once = true;
    bench.available = 23;
    await bench.ended(bench.start());
    expect(bench.lines).toEqual(range(1, 23));
    expect([bench.position, bench.status.failed]).toEqual([23, false]);
  });

  test('does not wait for a destination that is paused', async () => {
    const bench = new Bench();
    bench.once = true;
    bench.available = 23;
    bench.answer = () => ({ kind: 'blocked', reason: '401' });
    await expect(bench.ended(bench.start(), 10)).rejects.toThrow('could not be delivered: 401');
    expect([bench.position, bench.status.failed, bench.reserved]).toEqual([0, true, 0]);
  });

  test('tells that the source could not be read', async () => {
    const bench = new Bench();
    bench.once = true;
    bench.onFill = () => {
      throw new SourceError('cannot reach it');
    };
    await bench.ended(bench.start(), 10);
    expect(bench.status).toMatchObject({ failed: true, problem: 'cannot reach it' });
  });
});

describe('told to stop', () => {
  test('it reads no more, sends what it has read, and ends', async () => {
    const bench = new Bench();
    bench.available = 3;
    const running = bench.start();
    await bench.time.run(100);
    expect(bench.lines).toEqual([]);
    bench.available = 6;
    await stop(bench, running);
    expect(bench.lines).toEqual([1, 2, 3]);
    expect(bench.position).toBe(3);
    expect(bench.steps.at(-1)).toBe('closed');
  });

  test('it sends on to a destination that is down until it is aborted; then nothing moves', async () => {
    const bench = new Bench();
    bench.available = 15;
    bench.answer = () => down;
    const running = bench.start();
    await bench.time.run(100);
    bench.drain.abort(new Stopping('SIGTERM'));
    await bench.time.run(MINUTE);
    expect(bench.sent.length).toBeGreaterThan(1);
    const reason = new Stopping('the end of the shutdown time-out');
    bench.abort.abort(reason);
    await expect(bench.ended(running, 10)).rejects.toBe(reason);
    expect([bench.position, bench.reserved]).toEqual([0, 0]);
  });

  test('it ends while it waits to save its first position', async () => {
    const bench = new Bench();
    bench.commits.commit = async (signal) => {
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
    };
    const running = bench.start();
    await bench.time.run(100);
    await stop(bench, running);
    expect(bench.polls).toEqual([]);
  });
});
