import { setTimeout as delay } from 'node:timers/promises';

/** Time as a program sees it; tests and simulations bring their own. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. For people and for protocols that carry dates, never for deadlines. */
  now(): number;
  /** Milliseconds on a clock that never jumps back. For deadlines and durations. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Timers cannot be set further ahead: they would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      for (let left = ms; ; left -= LONGEST_TIMER_MS) {
        await delay(Math.min(left, LONGEST_TIMER_MS), undefined, signal ? { signal } : {});
        if (left <= LONGEST_TIMER_MS) return;
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};
