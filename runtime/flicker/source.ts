import type { Clock } from '../core/clock';
import type { Logger } from '../core/log';
import type { BatchBuilder } from './batch';
import type { FlickerMetrics } from './metrics';
import type { FlickerState, StateChange } from './state';

/** What every source is given. */
export interface SourceContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: FlickerMetrics;
  /** Whose files these are. */
  readonly nodeId: string;
  /** Whether records carry their `id`. */
  readonly includeId: boolean;
  /** Ship what is there now, and end: events that wait for more are waited for. @default false */
  readonly once?: boolean;
}

/**
 * What is read. A source never looks at what became of its events: the worker calls `fill` again only when there is
 * room, and the change that `fill` gave the builder is saved when everything before it was settled.
 */
export interface Source {
  readonly name: string;
  readonly kind: 'files' | 'docker' | 'api';
  /**
   * Takes up the saved position, or decides the first one. The change returned is saved before the first `fill`, so
   * that a kill between them loses nothing.
   */
  start(state: FlickerState, signal: AbortSignal): Promise<StateChange>;
  /**
   * Adds events until the builder is full or nothing more is there now, and tells the builder the position after them.
   * `more`: call again as soon as there is room. `idle`: call again after the polling interval.
   * @throws SourceError when the source cannot be read now; the worker reports it and polls again later
   */
  fill(builder: BatchBuilder, signal: AbortSignal): Promise<'more' | 'idle'>;
  /** Bytes that are there and not yet read, where that is known. */
  lag(): number | undefined;
  close(): Promise<void>;
}

/** A source that cannot be read now. The message is for people and holds no payload and no secret. */
export class SourceError extends Error {
  override readonly name = 'SourceError';

  constructor(
    message: string,
    /** Earliest time to try again, in milliseconds from now; the polling interval when absent. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}
