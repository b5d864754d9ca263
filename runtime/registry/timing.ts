import type { HaTiming } from '../../contract/high-availability';
import type { Clock } from '../core/clock';
import type { Backoff } from '../core/retry';

/** How patient the protocol is. All in milliseconds. */
export interface RegistryTiming {
  /** One request to the store. @default 4000 */
  readonly attemptTimeoutMs: number;
  /** One request of the last save, whose seconds are counted. @default 1000 */
  readonly releaseAttemptTimeoutMs: number;
  /** Requests of one open or save before it is reported as failed. @default 8 */
  readonly attempts: number;
  /** Pauses between attempts. @default 100 and 5000 */
  readonly backoff: Backoff;
}

export const defaultTiming: RegistryTiming = {
  attemptTimeoutMs: 4_000,
  releaseAttemptTimeoutMs: 1_000,
  attempts: 8,
  backoff: { initialMs: 100, maxMs: 5_000 },
};

/** The patience of a holder whose lease ends at a deadline: a save is tried until then. */
export function haPatience({ attempt_timeout_ms, renew_ms }: HaTiming): RegistryTiming {
  return {
    attemptTimeoutMs: attempt_timeout_ms,
    releaseAttemptTimeoutMs: Math.min(attempt_timeout_ms, defaultTiming.releaseAttemptTimeoutMs),
    attempts: Number.POSITIVE_INFINITY,
    backoff: { initialMs: Math.min(100, renew_ms), maxMs: Math.min(1_000, renew_ms) },
  };
}

/** A point in time on both clocks. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

export function momentOf(clock: Clock): Moment {
  return { monotonic: clock.monotonic(), wall: clock.now() };
}

/**
 * Milliseconds since a moment, by the clock that says more: the monotonic one may stand still while a machine is
 * suspended, and the wall clock may be set back.
 */
export function ageOf(moment: Moment, clock: Clock): number {
  return Math.max(clock.monotonic() - moment.monotonic, clock.now() - moment.wall);
}

/** Runs `request` with a signal that aborts after `ms` or with an outer one. The request must settle when aborted. */
export async function withTimeout<T>(
  clock: Clock,
  ms: number,
  outer: AbortSignal | undefined | readonly (AbortSignal | undefined)[],
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const attempt = new AbortController();
  const outers = [outer].flat().filter((signal) => signal !== undefined);
  const abort = () => attempt.abort(outers.find(({ aborted }) => aborted)?.reason);
  if (outers.some(({ aborted }) => aborted)) abort();
  for (const signal of outers) signal.addEventListener('abort', abort, { once: true });
  const timer = new AbortController();
  const expire = async () => {
    try {
      await clock.sleep(ms, timer.signal);
    } catch {
      return; // answered in time
    }
    attempt.abort(new Error(`no answer within ${ms} ms`));
  };
  void expire();
  try {
    return await request(attempt.signal);
  } finally {
    timer.abort('answered');
    for (const signal of outers) signal.removeEventListener('abort', abort);
  }
}
