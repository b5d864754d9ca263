import { systemClock } from '../../../runtime/core/clock';

test('a wait ends with the reason of its signal', async () => {
  const stop = new AbortController();
  const waiting = systemClock.sleep(60_000, stop.signal);
  const reason = new Error('enough');
  stop.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(systemClock.sleep(1, stop.signal)).rejects.toBe(reason);
});

test('a wait that is longer than timers can count is not over at once', async () => {
  const stop = new AbortController();
  const outcome = systemClock.sleep(2 ** 31, stop.signal).then(
    () => 'over',
    () => 'aborted',
  );
  await systemClock.sleep(20);
  stop.abort();
  expect(await outcome).toBe('aborted');
});
