import { flickerEvents, type RetryConfig } from '../../../contract/flicker';
import type { Clock } from '../../core/clock';
import type { Logger } from '../../core/log';
import { fullJitter } from '../../core/retry';
import type { FlickerMetrics } from '../metrics';

export interface AttemptContext {
  /** Name of the source. */
  readonly source: string;
  /** Label of the destination. */
  readonly destination: string;
  readonly retry: RetryConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: FlickerMetrics;
  /** @default Math.random */
  readonly random?: () => number;
  /** Told once when a destination is found to be down or to refuse. `reason` is for people. */
  readonly onPaused?: (reason: string) => void;
  /** Told of every attempt that failed. */
  readonly onFailed?: (reason: string) => void;
  /** Shows whether the source is paused. @default the gauge of the source */
  readonly showPaused?: (paused: boolean) => void;
  /** The source goes on: what the destination does not take is spilled. @default false */
  readonly spills?: boolean;
  /** Lets the time between two attempts pass; ends the attempts by throwing. @default the clock's sleep */
  readonly wait?: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** What an attempt came to: a result, or why not. */
export type Attempt<T> =
  | { readonly done: T }
  | {
      readonly failed: string;
      /** Waiting does not help: somebody must change something. */
      readonly blocked: boolean;
      readonly retryAfterMs?: number;
      /** Part of it succeeded: the destination is up, and waits begin at the shortest. */
      readonly advanced?: boolean;
    };

/** Longest `Retry-After` that is obeyed. */
const MAX_RETRY_AFTER_MS = 3_600_000;
/** How often a lasting pause is reported. */
const REPORT_EVERY_MS = 60_000;

/**
 * Tries until it succeeds. After `max_retries` failed attempts, or at once when blocked, the source is reported as
 * paused, and tried again every `max_delay_ms`.
 * @throws the signal's reason when it is aborted, and whatever `attempt` and `wait` throw
 */
export async function untilDone<T>(context: AttemptContext, attempt: () => Promise<Attempt<T>>): Promise<T> {
  const { source, destination, retry, clock, log, metrics, signal } = context;
  const labels = { source };
  const backoff = { initialMs: retry.initial_delay_ms, maxMs: retry.max_delay_ms };
  let failures = 0;
  let paused = false;
  let reported = 0;
  const showPaused = context.showPaused ?? ((shown) => metrics.sourcePaused.set(labels, shown ? 1 : 0));
  const wait = context.wait ?? ((ms) => clock.sleep(ms, signal));
  const resume = () => {
    if (!paused) return;
    log.info(flickerEvents.sourceResumed, `${source} resumed`, { source, destination, failures });
    showPaused(false);
    paused = false;
  };
  try {
    for (;;) {
      signal.throwIfAborted();
      const result = await attempt();
      if ('done' in result) {
        resume();
        return result.done;
      }
      if (result.advanced) {
        resume();
        failures = 0;
      }
      failures++;
      metrics.deliveryRetries.inc(labels);
      const reason = result.failed;
      context.onFailed?.(reason);
      const starts: boolean = !paused && (result.blocked || failures >= retry.max_retries);
      paused ||= starts;
      const waitMs = Math.max(
        paused ? retry.max_delay_ms : fullJitter(failures - 1, backoff, context.random),
        Math.min(result.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS),
      );
      const fields = { source, destination, reason, failures, waitMs };
      if (starts || (paused && clock.monotonic() - reported >= REPORT_EVERY_MS)) {
        reported = clock.monotonic();
        const what = context.spills ? `${destination} is down, events of ${source} are spilled` : `${source} is paused`;
        log.error(flickerEvents.sourcePaused, `${what}, nothing is lost: ${reason}`, fields);
      } else if (!paused) log.warn(flickerEvents.deliveryRetried, `${source} tries again: ${reason}`, fields);
      if (starts) {
        showPaused(true);
        context.onPaused?.(reason);
      }
      await wait(waitMs);
    }
  } finally {
    if (paused) showPaused(false);
  }
}
