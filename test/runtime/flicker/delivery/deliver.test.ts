import { deliver, recover } from '../../../../runtime/flicker/delivery';
import { RecoverError, type Answer, type Destination } from '../../../../runtime/flicker/destination';
import { createDeadLetters } from '../../../../runtime/flicker/delivery';
import { position, records, shipment } from '../destinations/support';
import { accepted, blocked, keptLetters, refused, retryAnswer, scripted, surroundings, tooLarge } from './support';

/** Delivers these lines to a destination that gives these answers. */
function run(answers: readonly Answer[], lines: readonly string[] = ['a', 'b', 'c'], letterFailures = 0) {
  const around = surroundings();
  const { destination, sent } = scripted(answers);
  const { letters, deadLetters } = keptLetters(letterFailures);
  const onPaused = jest.fn();
  const result = deliver(shipment(lines), { ...around.context, destination, deadLetters, onPaused });
  return { ...around, sent, letters, onPaused, result, events: () => around.lines.map(({ event }) => event) };
}

test('what is accepted is settled and counted', async () => {
  const { result, sent, context, lines } = run([accepted]);
  expect(await result).toEqual({ kind: 'settled', delivered: 3, deadLettered: 0 });
  expect(sent).toEqual([['a', 'b', 'c']]);
  const { metrics } = context;
  expect(metrics.eventsDelivered.total()).toBe(3);
  expect(metrics.bytesDelivered.total()).toBe(records(['a', 'b', 'c']).body('array').length);
  expect(metrics.eventsResent.total() + metrics.deliveryRetries.total() + metrics.sourcePaused.total()).toBe(0);
  expect(lines).toEqual([]);
});

test('a shipment without records needs no request', async () => {
  const { result, sent } = run([blocked], []);
  expect(await result).toEqual({ kind: 'settled', delivered: 0, deadLettered: 0 });
  expect(sent).toEqual([]);
});

test('a number that another writer has written ends it', async () => {
  const { result, context } = run([{ kind: 'superseded', after: position('theirs') }]);
  expect(await result).toEqual({ kind: 'superseded', after: position('theirs') });
  expect(context.metrics.eventsDelivered.total()).toBe(0);
});

/** Whose the dead letters are. */
const of = { source: 'app', destination: 'scripted', destinationName: 'scripted' };

describe('too large', () => {
  test('is halved until it fits, in order', async () => {
    const { result, sent } = run([tooLarge, tooLarge, accepted, accepted, accepted], ['a', 'b', 'c', 'd']);
    expect(await result).toEqual({ kind: 'settled', delivered: 4, deadLettered: 0 });
    expect(sent).toEqual([['a', 'b', 'c', 'd'], ['a', 'b'], ['a'], ['b'], ['c', 'd']]);
  });

  test('for one event makes it a dead letter, and the others arrive', async () => {
    const { result, sent, letters } = run([tooLarge, tooLarge, tooLarge, accepted, accepted]);
    expect(await result).toMatchObject({ kind: 'settled', delivered: 2, deadLettered: 1 });
    expect(sent).toEqual([['a', 'b', 'c'], ['a', 'b'], ['a'], ['b'], ['c']]);
    expect(letters).toEqual([{ ...of, reason: 'answered 413', attempts: 1, lines: ['a'] }]);
  });
});

test('what is refused is kept as dead letters, counted and told without its text', async () => {
  const { result, letters, context, lines } = run([retryAnswer(), refused], ['payload']);
  expect(await result).toMatchObject({ kind: 'settled', delivered: 0, deadLettered: 1 });
  expect(letters).toEqual([{ ...of, reason: 'answered 400', attempts: 2, lines: ['payload'] }]);
  expect(context.metrics.eventsDeadLettered.total()).toBe(1);
  expect(lines.at(-1)).toMatchObject({
    event: 'dead_letter.written',
    fields: { source: 'app', events: 1, reason: 'answered 400' },
  });
  expect(JSON.stringify(lines)).not.toContain('payload');
});

test('a dead letter that cannot be written is tried until it is, and is reported', async () => {
  const { result, letters, events, clock } = run([refused], ['a'], 5);
  expect(await result).toMatchObject({ deadLettered: 1 });
  expect(letters).toHaveLength(1);
  expect(clock.sleeps).toEqual([1000, 2000, 60_000, 60_000, 60_000]);
  expect(events()).toContain('source.paused');
});

test('without a place for dead letters the source is told what to set', async () => {
  const { context } = surroundings();
  const deadLetters = createDeadLetters(undefined, { clock: context.clock, s3: () => Promise.reject(new Error('no')) });
  const delivery = deliver(shipment(['a']), { ...context, destination: scripted([refused]).destination, deadLetters });
  await expect(delivery).rejects.toMatchObject({
    name: 'NoDeadLetterLocationError',
    message: expect.stringContaining('set dead_letter to a path or a bucket, or run with --track'),
  });
  expect(context.metrics.eventsDeadLettered.total()).toBe(0);
});

describe('a partial answer', () => {
  const partial = (
    retry: number[],
    refused: [number, string][],
    over: Partial<Extract<Answer, { kind: 'partial' }>> = {},
  ): Answer => ({
    kind: 'partial',
    retry,
    refused: refused.map(([index, reason]) => ({ index, reason })),
    reason: retry.length > 0 ? 'answered 429 for some' : '',
    ...over,
  });

  test('accepts what it does not name, keeps what is refused by reason, sends the rest again alone', async () => {
    const { result, sent, letters, context, clock, lines } = run(
      [partial([1, 4], [[0, 'bad date'], [3, 'too long'], [5, 'bad date']]), accepted], // prettier-ignore
      ['a', 'b', 'c', 'd', 'e', 'f'],
    );
    expect(await result).toMatchObject({ kind: 'settled', delivered: 3, deadLettered: 3 });
    expect(sent).toEqual([
      ['a', 'b', 'c', 'd', 'e', 'f'],
      ['b', 'e'],
    ]);
    const letter = { ...of, attempts: 1 };
    expect(letters).toEqual([
      { ...letter, reason: 'bad date', lines: ['a', 'f'] },
      { ...letter, reason: 'too long', lines: ['d'] },
    ]);
    const { metrics } = context;
    expect(metrics.eventsDelivered.total()).toBe(3);
    expect(metrics.eventsDeadLettered.total()).toBe(3);
    expect(metrics.deliveryRetries.total()).toBe(1);
    expect(metrics.eventsResent.total()).toBe(0);
    expect(clock.sleeps).toEqual([1000]);
    expect(lines.map(({ event }) => event)).toContain('delivery.retried');
    // Two requests, each in brackets of its own.
    const bytes = records(['a', 'b', 'c', 'd', 'e', 'f']).pick([1, 2, 4]).body('array').length;
    expect(metrics.bytesDelivered.total()).toBe(bytes + 1);
  });

  test('keeps the id of each event', async () => {
    const seen: unknown[] = [];
    const { context } = surroundings();
    const { destination } = scripted([partial([2], []), accepted]);
    const send: Destination['send'] = (part, signal) => {
      seen.push((JSON.parse(String(part.records.body('array'))) as { id: string }[]).map(({ id }) => id));
      return destination.send(part, signal);
    };
    await deliver(shipment(['a', 'b', 'c']), {
      ...context,
      destination: { ...destination, send },
      deadLetters: keptLetters().deadLetters,
    });
    expect(seen).toEqual([['id-0', 'id-1', 'id-2'], ['id-2']]);
  });

  test('without anything to send again needs no wait', async () => {
    const { result, sent, clock } = run([partial([], [[1, 'bad']])]);
    expect(await result).toMatchObject({ kind: 'settled', delivered: 2, deadLettered: 1 });
    expect(sent).toHaveLength(1);
    expect(clock.sleeps).toEqual([]);
  });

  test('that settles something begins the waits anew, one that settles nothing does not', async () => {
    const none = partial([0, 1, 2], []);
    const { result, clock, events, context } = run([
      none,
      none,
      none,
      partial([1, 2], [], { retryAfterMs: 1500 }),
      partial([1], []),
      partial([0], []),
      accepted,
    ]);
    expect(await result).toMatchObject({ delivered: 3 });
    expect(clock.sleeps).toEqual([1000, 2000, 60_000, 1500, 1000, 2000]);
    expect(events()).toEqual([
      'delivery.retried',
      'delivery.retried',
      'source.paused',
      'source.resumed',
      ...Array<string>(3).fill('delivery.retried'),
    ]);
    expect(context.metrics.sourcePaused.total()).toBe(0);
  });

  test('whose rest may have arrived is counted when it is sent again', async () => {
    const { result, context } = run([partial([0, 2], [], { uncertain: true }), retryAnswer(), accepted]);
    await result;
    expect(context.metrics.eventsResent.total()).toBe(2);
  });

  test('is followed by whatever the rest comes to', async () => {
    const { result, sent, letters } = run([partial([0, 2], []), tooLarge, refused, accepted]);
    expect(await result).toMatchObject({ kind: 'settled', delivered: 2, deadLettered: 1 });
    expect(sent).toEqual([['a', 'b', 'c'], ['a', 'c'], ['a'], ['c']]);
    expect(letters).toMatchObject([{ lines: ['a'], reason: 'answered 400' }]);
  });

  test('whose refused events cannot be kept yet sends nothing more', async () => {
    const { result, sent, clock } = run([partial([2], [[0, 'bad']]), accepted], ['a', 'b', 'c'], 2);
    const sentThen: number[] = [];
    clock.onSleep = () => void sentThen.push(sent.length);
    expect(await result).toMatchObject({ kind: 'settled', delivered: 2, deadLettered: 1 });
    expect(sentThen).toEqual([1, 1, 1]);
  });
});

describe('retries', () => {
  test('wait with full jitter, as long as Retry-After at least, an hour at most', async () => {
    const { result, clock } = run([
      retryAnswer(),
      retryAnswer({ retryAfterMs: 5000 }),
      retryAnswer({ retryAfterMs: 10_000_000 }),
      accepted,
    ]);
    await result;
    expect(clock.sleeps).toEqual([1000, 5000, 3_600_000]);
  });

  test('are reported as down after max_retries, tried on at max_delay_ms, and told to be over', async () => {
    const { result, clock, events, context, onPaused, lines } = run([
      ...Array<Answer>(6).fill(retryAnswer()),
      accepted,
    ]);
    const paused: number[] = [];
    clock.onSleep = () => void paused.push(context.metrics.sourcePaused.total());
    expect(await result).toMatchObject({ delivered: 3 });
    expect(clock.sleeps).toEqual([1000, 2000, 60_000, 60_000, 60_000, 60_000]);
    expect(events()).toEqual([
      'delivery.retried',
      'delivery.retried',
      ...Array<string>(4).fill('source.paused'),
      'source.resumed',
    ]);
    expect(paused).toEqual([0, 0, 1, 1, 1, 1]);
    expect(context.metrics.sourcePaused.total()).toBe(0);
    expect(context.metrics.deliveryRetries.total()).toBe(6);
    expect(onPaused.mock.calls).toEqual([['answered 503']]);
    expect(lines.find(({ event }) => event === 'source.paused')?.message).toBe(
      'app is paused, nothing is lost: answered 503',
    );
  });

  test('report a pause at most once a minute', async () => {
    const around = surroundings();
    const { destination } = scripted([...Array<Answer>(30).fill(blocked), accepted]);
    const retry = { ...around.context.retry, max_delay_ms: 7000 };
    await deliver(shipment(['a']), { ...around.context, retry, destination, deadLetters: keptLetters().deadLetters });
    const reports = around.lines.filter(({ event }) => event === 'source.paused');
    // 30 waits of 7 s: at the start, and each time 63 s have passed.
    expect(reports).toHaveLength(4);
    expect(around.clock.sleeps).toEqual(Array(30).fill(7000));
  });

  test('of what is blocked are rare from the start', async () => {
    const { result, clock, events } = run([blocked, retryAnswer(), accepted]);
    await result;
    expect(clock.sleeps).toEqual([60_000, 60_000]);
    expect(events()[0]).toBe('source.paused');
    expect(events().at(-1)).toBe('source.resumed');
  });

  test('of what may have arrived are counted apart', async () => {
    const unknown = retryAnswer({ uncertain: true });
    // Sent, lost, never sent, sent again, sent again.
    const { result, context } = run([retryAnswer(), unknown, retryAnswer(), unknown, accepted]);
    await result;
    expect(context.metrics.eventsResent.total()).toBe(2 * 3);
  });
});

describe('an abort', () => {
  test.each<[string, Answer]>([
    ['between two attempts', retryAnswer()],
    ['in a pause', blocked],
  ])('%s rejects with its reason and acknowledges nothing', async (_, answer) => {
    const { result, clock, stop, sent, context } = run([answer]);
    clock.onSleep = () => stop.abort(new Error('stopped'));
    await expect(result).rejects.toThrow('stopped');
    expect(sent).toHaveLength(1);
    expect(context.metrics.eventsDelivered.total()).toBe(0);
    expect(context.metrics.sourcePaused.total()).toBe(0);
  });

  test('while dead letters are written rejects', async () => {
    const { result, clock, stop, letters } = run([refused], ['a'], 9);
    clock.onSleep = () => stop.abort(new Error('stopped'));
    await expect(result).rejects.toThrow('stopped');
    expect(letters).toEqual([]);
  });
});

describe('recover', () => {
  const failing = (errors: Error[]): Destination => ({
    ...scripted([]).destination,
    recover: () => {
      const error = errors.shift();
      return error ? Promise.reject(error) : Promise.resolve([position(7)]);
    },
  });

  test('gives nothing for a destination without numbers', async () => {
    const { context } = surroundings();
    expect(await recover('app', 1, { ...context, destination: scripted([]).destination })).toEqual([]);
  });

  test('is tried until the destination can be read', async () => {
    const { context, clock, lines } = surroundings();
    const destination = failing([new RecoverError('away', false), new RecoverError('denied', true)]);
    expect(await recover('app', 1, { ...context, destination })).toEqual([position(7)]);
    expect(clock.sleeps).toEqual([1000, 60_000]);
    expect(lines.map(({ event }) => event)).toEqual(['delivery.retried', 'source.paused', 'source.resumed']);
  });

  test('does not hide what it does not know', async () => {
    const { context } = surroundings();
    await expect(recover('app', 1, { ...context, destination: failing([new TypeError('a bug')]) })).rejects.toThrow(
      'a bug',
    );
  });
});
