import type { Clock } from '../../core/clock';
import type { Records } from '../batch';
import type { Shipment } from '../destination';

/** In the year 2262: receivers count nanoseconds in 64 bits with a sign. */
const LAST_NS = 2n ** 63n - 1n;

/** Nanoseconds since the epoch of an RFC 3339 time; undefined when it cannot be read, or receivers cannot. */
export function nanoseconds(time: string): bigint | undefined {
  const ms = Date.parse(time);
  if (Number.isNaN(ms)) return undefined;
  const fraction = /[.,](\d+)/.exec(time)?.[1] ?? '';
  const ns = BigInt(Math.floor(ms / 1000)) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return ns >= 0n && ns <= LAST_NS ? ns : undefined;
}

/**
 * The time of records that have none of their own: that of the first attempt. They get the same time when they are sent
 * again, all of them or some, for receivers that know a repeated event by it.
 */
export function attemptTimes(clock: Clock): (shipment: Shipment) => number {
  const times = new WeakMap<Records, number>();
  return ({ records, whole = records }) => {
    const known = times.get(whole);
    if (known !== undefined) return known;
    const now = clock.now();
    times.set(whole, now);
    return now;
  };
}
