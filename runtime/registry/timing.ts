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

/** Runs `request` with a signal that aborts after `ms` or with `outer`. The request must settle when aborted. */
export async function withTimeout<T>(
  clock: Clock,
  ms: number,
  outer: AbortSignal | undefined,
  request: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const attempt = new AbortController();
  const abort = () => attempt.abort(outer?.reason);
  if (outer?.aborted) abort();
  outer?.addEventListener('abort', abort, { once: true });
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
    outer?.removeEventListener('abort', abort);
  }
}
