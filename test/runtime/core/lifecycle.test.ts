import { Stopping, stopSignal } from '../../../runtime/core/lifecycle';

let exits: unknown[];
let stop: ReturnType<typeof stopSignal>;
beforeEach(() => {
  exits = [];
  jest.spyOn(process, 'exit').mockImplementation((code) => {
    exits.push(code);
    return undefined as never;
  });
  stop = stopSignal();
});
afterEach(() => {
  stop.dispose();
  jest.restoreAllMocks();
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s asks to stop, once', (name) => {
  expect(stop.signal.aborted).toBe(false);
  process.emit(name, name);
  expect(stop.signal.reason).toEqual(new Stopping(name));
  expect(stop.signal.reason).toBeInstanceOf(Stopping);
  expect(exits).toEqual([]);
});

test.each([
  ['SIGTERM', 'SIGTERM', 143],
  ['SIGTERM', 'SIGINT', 130],
  ['SIGINT', 'SIGTERM', 143],
] as const)('%s and then %s exits at once with %d', (first, second, code) => {
  process.emit(first, first);
  process.emit(second, second);
  expect(exits).toEqual([code]);
  expect(stop.signal.reason).toEqual(new Stopping(first));
});

test('disposed, it listens no more', () => {
  const before = process.listenerCount('SIGTERM');
  stop.dispose();
  expect(process.listenerCount('SIGTERM')).toBe(before - 1);
});
