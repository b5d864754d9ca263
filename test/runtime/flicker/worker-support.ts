import { Stopping } from '../../../runtime/core/lifecycle';
import type { RetryConfig } from '../../../contract/flicker';
import { SimProcess, VirtualTime } from '../../../dev/sim/time';
import type { BatchBuilder } from '../../../runtime/flicker/batch';
import type { Commits } from '../../../runtime/flicker/commits';
import type { Answer, Destination, Shipment } from '../../../runtime/flicker/destination';
import type { SpillStore } from '../../../runtime/flicker/delivery/spill-store';
import { createFlickerMetrics } from '../../../runtime/flicker/metrics';
import type { OutletSettings } from '../../../runtime/flicker/outlets/outlet';
import type { Source } from '../../../runtime/flicker/source';
import { flickerState, type FlickerState, type StateChange } from '../../../runtime/flicker/state';
import { runWorker } from '../../../runtime/flicker/worker';
import type { WorkerContext, WorkerSettings, WorkerStatus } from '../../../runtime/flicker/worker-context';
import { keptLetters, recordingLog } from './delivery/support';

export const NAME = 'numbers';
export const MINUTE = 60_000;

const settings: WorkerSettings = {
  polling_frequency_ms: 1000,
  buffer_size: 10,
  flush_interval_ms: 5000,
  batch_max_events: 10,
  batch_max_bytes: 100_000,
};
export const retry: RetryConfig = { max_retries: 3, initial_delay_ms: 1000, max_delay_ms: 60_000, max_queue_size: 100 };

/** A source, a destination and positions in memory, on a clock that only moves when waited for. The lines are 1, 2, 3 … */
export class Bench {
  readonly time = new VirtualTime();
  readonly clock = new SimProcess(this.time, 'worker').clock;
  readonly state: FlickerState = flickerState.parse({});
  readonly status: WorkerStatus = {
    movesBy: Number.POSITIVE_INFINITY,
    problem: '',
    failed: false,
    stopped: '',
    destinations: [],
  };
  readonly drain = new AbortController();
  readonly abort = new AbortController();
  readonly logged = recordingLog();
  readonly letters = keptLetters();
  /** What happened, in order. */
  readonly steps: string[] = [];
  /** Lines that there are. */
  available = 0;
  /** Most lines of one poll. */
  page = Number.POSITIVE_INFINITY;
  /** Lines that were read. */
  read = 0;
  /** Monotonic times of polls that found nothing more. */
  readonly polls: number[] = [];
  /** Called at the start of every poll; may throw or hang. */
  onFill: (builder: BatchBuilder) => Promise<void> | void = () => {};
  /** Lines that the destination accepted, with when. */
  readonly accepted: { readonly line: number; readonly at: number }[] = [];
  /** Sizes of the shipments that were sent, retries included. */
  readonly sent: number[] = [];
  answer: (shipment: Shipment) => Promise<Answer> | Answer = () => ({ kind: 'accepted' });
  /** Set for a numbered destination. */
  recovered: StateChange[] | undefined;
  reserve: () => Promise<void> = () => Promise.resolve();
  /** Throws when no new work may begin. */
  lease: () => void = () => {};
  reserved = 0;
  once = false;
  settings = settings;
  private finished = false;

  get position(): unknown {
    return this.state.sources[NAME]?.position['at'];
  }

  get lines(): number[] {
    return this.accepted.map(({ line }) => line);
  }

  /** Positions as they are saved; each is checked to cover nothing that was not accepted. */
  readonly commits: Commits = {
    check: () => this.lease(),
    reserve: async (events, signal) => {
      await this.reserve();
      signal?.throwIfAborted();
      this.reserved += events;
    },
    acknowledged: (events) => {
      this.reserved -= events;
      this.check();
      this.steps.push(`settled ${String(this.position)}`);
    },
    returned: (events) => {
      this.reserved -= events;
      this.check();
    },
    commit: () => {
      this.check();
      this.steps.push(`saved ${String(this.position)}`);
      return Promise.resolve();
    },
  };

  /** Lines that somebody else delivered, as numbered destinations tell. */
  deliveredElsewhere = 0;

  private check(): void {
    const at = Number(this.position ?? 0);
    const covered = new Set(this.lines);
    for (let line = this.deliveredElsewhere + 1; line <= at; line++) {
      if (!covered.has(line)) throw new Error(`the position ${at} covers line ${line}, which was not accepted`);
    }
  }

  createSource(): Source {
    let at = 0;
    return {
      name: NAME,
      kind: 'api',
      start: (state) => {
        const saved = state.sources[NAME]?.position['at'];
        at = this.read = Number(saved ?? 0);
        this.steps.push(`started at ${at}`);
        return Promise.resolve(saved === undefined ? { position: { at } } : {});
      },
      fill: async (builder: BatchBuilder) => {
        await this.onFill(builder);
        for (const end = at + this.page; at < Math.min(end, this.available) && !builder.full;) {
          builder.addText('/lines', String(++at), `id-${at}`);
          this.read = Math.max(this.read, at);
          builder.advance({ position: { at } });
        }
        if (at < this.available) return 'more';
        this.polls.push(this.clock.monotonic());
        return 'idle';
      },
      lag: () => undefined,
      close: () => {
        this.steps.push('closed');
        return Promise.resolve();
      },
    };
  }

  get destination(): Destination {
    const { recovered } = this;
    return {
      label: 'memory',
      layout: 'lines',
      send: async (shipment, signal) => {
        signal.throwIfAborted();
        this.sent.push(shipment.records.count);
        const answer = await this.answer(shipment);
        signal.throwIfAborted();
        if (answer.kind === 'accepted') {
          for (const text of String(shipment.records.body('lines')).trim().split('\n')) {
            const { line } = JSON.parse(text) as { line: string };
            this.accepted.push({ line: Number(line), at: this.clock.monotonic() });
          }
        }
        return answer;
      },
      ...(recovered && { recover: () => Promise.resolve(recovered) }),
      close: () => Promise.resolve(),
    };
  }

  /** The destinations, of which this is the only one. */
  outlets(): readonly OutletSettings[] {
    return [{ name: 'memory', destination: this.destination, spillAfterMs: undefined }];
  }
  spill: SpillStore | undefined;

  context(): WorkerContext {
    const { clock, commits, state, once } = this;
    return {
      name: NAME,
      series: NAME,
      kind: 'api',
      settings: this.settings,
      createSource: () => this.createSource(),
      outlets: this.outlets(),
      deadLetters: this.letters.deadLetters,
      spill: this.spill,
      retry,
      commits,
      state,
      clock,
      log: this.logged.log,
      metrics: createFlickerMetrics().metrics,
      once,
    };
  }

  /** Starts the worker. The result is for `ended`. */
  start(): Promise<void> {
    const running = runWorker(
      this.context(),
      { drain: this.drain.signal, abort: this.abort.signal },
      this.status,
    ).finally(() => (this.finished = true));
    running.catch(() => {}); // the test awaits it
    return running;
  }

  /** Lets time pass until the worker has ended. */
  async ended(running: Promise<void>, withinMs = 60 * MINUTE): Promise<void> {
    if (!(await this.time.run(withinMs, () => this.finished))) throw new Error('the worker goes on');
    await running;
  }

  /** Lets time pass until a condition holds. */
  async until(done: () => boolean, withinMs = 60 * MINUTE): Promise<void> {
    if (!(await this.time.run(withinMs, done))) throw new Error(`not within ${withinMs} ms; ${this.steps.join(', ')}`);
  }

  /** Lets time pass, and tells when the worker first counted as stuck. */
  async stuckWithin(ms: number): Promise<number | undefined> {
    for (const end = this.time.now + ms; this.time.now < end;) {
      await this.time.run(MINUTE / 2);
      if (this.time.now > this.status.movesBy) return this.time.now;
    }
    return undefined;
  }
}

/** The answer of a destination that is down. */
export const down = { kind: 'retry', reason: 'nobody answers', uncertain: false } as const;

/** What a SIGTERM does. */
export async function stop(bench: Bench, running: Promise<void>): Promise<void> {
  bench.drain.abort(new Stopping('SIGTERM'));
  await bench.ended(running);
}
