import type { RetryConfig } from '../../contract/flicker';
import type { Clock } from '../core/clock';
import type { Logger } from '../core/log';
import type { Commits } from './commits';
import type { SpillStore } from './delivery/spill-store';
import type { DeadLetters } from './destination';
import type { FlickerMetrics } from './metrics';
import type { OutletSettings, OutletStatus } from './outlets/outlet';
import type { Source } from './source';
import type { FlickerState } from './state';

/** How a source is read and sent. */
export interface WorkerSettings {
  readonly polling_frequency_ms: number;
  readonly buffer_size: number;
  readonly flush_interval_ms: number;
  readonly batch_max_events: number;
  readonly batch_max_bytes: number;
}

export interface WorkerContext {
  readonly name: string;
  /** Its name among all instances that ship at the same time: what objects are named by. */
  readonly series: string;
  readonly kind: Source['kind'];
  readonly settings: WorkerSettings;
  /** A source that has not been started yet. Made anew when another writer's objects move the position. */
  createSource(): Source;
  readonly outlets: readonly OutletSettings[];
  readonly deadLetters: DeadLetters;
  /** For batches that a destination does not take in time. */
  readonly spill: SpillStore | undefined;
  readonly retry: RetryConfig;
  readonly commits: Commits;
  readonly state: FlickerState;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: FlickerMetrics;
  /** Ship what is there now, and end. */
  readonly once: boolean;
}

export interface WorkerSignals {
  /** Stop reading; send what was read. */
  readonly drain: AbortSignal;
  /** Stop everything at once. */
  readonly abort: AbortSignal;
}

/** What a worker shows of itself. */
export interface WorkerStatus {
  /**
   * Monotonic time by which the loop must have turned; it is stuck when that has passed. Infinite while it waits for a
   * delivery or a save: those have time-outs of their own, and may go on for as long as a destination is down.
   */
  movesBy: number;
  /** Why the last poll failed; empty after a good one. */
  problem: string;
  /** Something could not be read or delivered. */
  failed: boolean;
  /** Why the source has stopped for good; empty while it runs. */
  stopped: string;
  destinations: readonly OutletStatus[];
}
