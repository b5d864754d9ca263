import { SimProcess, VirtualTime } from '../../../../dev/sim/time';
import { Stopping } from '../../../../runtime/core/lifecycle';
import { readRecords, type BatchBuilder } from '../../../../runtime/flicker/batch';
import type { SpillStore } from '../../../../runtime/flicker/delivery/spill-store';
import type { Answer, Destination } from '../../../../runtime/flicker/destination';
import { decodeAll } from '../../../../runtime/flicker/destinations/record';
import { createFlickerMetrics } from '../../../../runtime/flicker/metrics';
import type { OutletSettings } from '../../../../runtime/flicker/outlets/outlet';
import type { Source } from '../../../../runtime/flicker/source';
import { readState, type FlickerState, type SpillEntry, type StateChange } from '../../../../runtime/flicker/state';
import { runWorker } from '../../../../runtime/flicker/worker';
import type { WorkerStatus } from '../../../../runtime/flicker/worker-context';
import { Saver } from '../../../../runtime/registry/saver';
import { keptLetters, recordingLog, retry } from '../delivery/support';

export const NAME = 'numbers';

/** What a destination does with one attempt. */
export type Behaviour =
  | 'accept'
  | 'refuse-connection'
  /** Takes it; the answer is lost. */
  | 'lose-answer'
  /** Takes the first half. */
  | 'half'
  | 'hang'
  | 'blocked'
  /** Refuses the last event for good, and takes the others. */
  | 'refuse-last'
  /** Refuses the last event for good, and wants the others again. */
  | 'refuse-last-throttle';

/** A receiver that lives longer than the program. */
export class Receiver {
  /** Lines in the order of their arrival. */
  readonly lines: number[] = [];
  /** Objects of a numbered one. */
  readonly objects = new Map<number, { readonly lines: Buffer; readonly after: StateChange }>();
  /** Numbers of objects that were read back. */
  readonly reads: number[] = [];
  /** Events that arrived and whose answer was lost: sending them again is no fault. */
  lost = 0;
  behave: () => Behaviour = () => 'accept';

  constructor(
    readonly name: string,
    readonly spillAfterMs?: number,
    readonly numbered = false,
  ) {}

  get missing(): (upTo: number) => number[] {
    const has = new Set(this.lines);
    return (upTo) => range(1, upTo).filter((line) => !has.has(line));
  }

  get repeats(): number {
    return this.lines.length - new Set(this.lines).size;
  }

  outlet(process: SimProcess): OutletSettings {
    return { name: this.name, destination: this.destination(process), spillAfterMs: this.spillAfterMs };
  }

  private destination(process: SimProcess): Destination {
    const take = (lines: Buffer) => {
      for (const { line } of decodeAll(readRecords(lines))) this.lines.push(Number(line));
    };
    const put = (number: number, lines: Buffer, after: StateChange): Answer => {
      const found = this.objects.get(number);
      if (found) return found.lines.equals(lines) ? { kind: 'accepted' } : { kind: 'superseded', after: found.after };
      this.objects.set(number, { lines, after });
      take(lines);
      return { kind: 'accepted' };
    };
    return {
      label: this.name,
      layout: 'lines',
      send: async ({ records, number, after }, signal) => {
        const behaviour = this.behave();
        await process.clock.sleep(behaviour === 'hang' ? 20_000 : 30, signal);
        const lines = Buffer.from(records.body('lines'));
        if (behaviour === 'refuse-connection') return { kind: 'retry', reason: 'refused', uncertain: false };
        if (behaviour === 'blocked') return { kind: 'blocked', reason: '401' };
        if (this.numbered) {
          const answer = put(number, lines, after);
          return behaviour === 'lose-answer' ? { kind: 'retry', reason: 'lost', uncertain: true } : answer;
        }
        if (behaviour === 'half') {
          const half = Math.floor(records.count / 2);
          take(Buffer.from(records.slice(0, half).body('lines')));
          return { kind: 'partial', refused: [], retry: range(half, records.count - 1), reason: 'throttled' };
        }
        const refused = [{ index: records.count - 1, reason: '400' }];
        if (behaviour === 'refuse-last-throttle') {
          return { kind: 'partial', refused, retry: range(0, records.count - 2), reason: 'throttled' };
        }
        if (behaviour === 'refuse-last') {
          take(Buffer.from(records.slice(0, records.count - 1).body('lines')));
          return { kind: 'partial', refused, retry: [], reason: '' };
        }
        take(lines);
        if (behaviour !== 'lose-answer') return { kind: 'accepted' };
        this.lost += records.count;
        return { kind: 'retry', reason: 'lost', uncertain: true };
      },
      ...(this.numbered && {
        recover: (_source: string, from: number) => {
          const changes: StateChange[] = [];
          for (let found = this.objects.get(from); found; found = this.objects.get(++from)) changes.push(found.after);
          return Promise.resolve(changes);
        },
        read: (_source: string, number: number) => {
          this.reads.push(number);
          const found = this.objects.get(number);
          return Promise.resolve(found && readRecords(found.lines));
        },
      }),
      close: () => Promise.resolve(),
    };
  }
}

/** A source, its receivers and a registry, on a clock that only moves when waited for. The lines are 1, 2, 3 … */
export class World {
  readonly time = new VirtualTime();
  /** The registry as it was saved last. */
  saved = '{}';
  readonly spilled = new Map<string, Buffer>();
  readonly letters = keptLetters();
  /** Lines that there are. */
  available: () => number = () => 0;
  batchEvents = 10;
  includeId = true;
  maxUnsavedEvents = 40;
  readonly logged = recordingLog();
  /** What an I1 check has found. */
  readonly faults: string[] = [];

  constructor(readonly receivers: readonly Receiver[]) {}

  get state(): FlickerState {
    return readState(JSON.parse(this.saved));
  }

  get position(): number {
    return Number(this.state.sources[NAME]?.position['at'] ?? 0);
  }

  /** Batches that are listed as spilled. */
  get listed(): readonly SpillEntry[] {
    return this.state.spill ?? [];
  }

  start(once = false): Life {
    return new Life(this, once);
  }

  /** Lines that a receiver has refused, and that are kept for it. */
  lettered({ name }: Receiver): Set<number> {
    const own = this.letters.letters.filter(({ destinationName }) => destinationName === name);
    return new Set(own.flatMap(({ lines }) => lines.map(Number)));
  }

  /** Lines up to one that a receiver neither has nor has refused. */
  missing(receiver: Receiver, upTo: number): number[] {
    const refused = this.lettered(receiver);
    return receiver.missing(upTo).filter((line) => !refused.has(line));
  }

  /** I1: the saved position covers no event that is not with every destination, or kept for it. */
  check(): void {
    const spill = this.listed;
    for (const receiver of this.receivers) {
      const kept = new Set(
        spill
          .filter(({ destination }) => destination === receiver.name)
          .flatMap(({ key }) => decodeAll(readRecords(this.spilled.get(key) ?? Buffer.alloc(0))))
          .map(({ line }) => Number(line)),
      );
      const missing = this.missing(receiver, this.position).filter((line) => !kept.has(line));
      if (missing.length > 0) this.faults.push(`${this.position} covers ${missing.join()}, not at ${receiver.name}`);
    }
  }
}

/** One run of the program. */
export class Life {
  readonly process: SimProcess;
  readonly status: WorkerStatus = {
    movesBy: 0,
    problem: '',
    failed: false,
    stopped: '',
    destinations: [],
  };
  readonly drain = new AbortController();
  readonly abort = new AbortController();
  readonly saver: Saver;
  /** What the next save stores. */
  readonly state: FlickerState;
  ended = false;
  error: unknown;

  constructor(
    readonly world: World,
    once: boolean,
  ) {
    this.process = new SimProcess(world.time, 'worker');
    const { clock } = this.process;
    const loaded: object = world.state;
    const state = (this.state = world.state);
    const save = async (snapshot: () => object) => {
      // As the registry does it: what is stored and the state does not name stays.
      const body = JSON.stringify({ ...loaded, ...snapshot() });
      await clock.sleep(50);
      world.saved = body;
      world.check();
      return { kind: 'saved' as const };
    };
    this.saver = new Saver({
      registry: { save, release: save, ended: new Promise(() => {}), end: undefined, conflicts: 0 },
      snapshot: () => state,
      clock,
      saveIntervalMs: 5000,
      heartbeatMs: 60_000,
      maxUnsavedEvents: world.maxUnsavedEvents,
    });
    void this.saver.run();
    const context = {
      name: NAME,
      series: NAME,
      kind: 'api' as const,
      settings: {
        polling_frequency_ms: 1000,
        buffer_size: 5,
        flush_interval_ms: 2000,
        batch_max_events: world.batchEvents,
        batch_max_bytes: 100_000,
      },
      createSource: () => this.source(state),
      outlets: world.receivers.map((receiver) => receiver.outlet(this.process)),
      deadLetters: world.letters.deadLetters,
      spill: this.spill(),
      retry,
      commits: this.saver,
      state,
      clock,
      log: world.logged.log,
      metrics: createFlickerMetrics().metrics,
      once,
    };
    runWorker(context, { drain: this.drain.signal, abort: this.abort.signal }, this.status)
      .catch((error: unknown) => {
        this.error = error;
      })
      .finally(() => {
        this.ended = true;
      })
      .catch(() => {});
  }

  /** What a SIGKILL does. */
  kill(): void {
    this.process.kill();
    this.drain.abort(new Error('killed'));
  }

  /** What a SIGTERM does. */
  async stop(): Promise<void> {
    this.drain.abort(new Stopping('SIGTERM'));
    if (!(await this.world.time.run(8000, () => this.ended))) this.abort.abort(new Stopping('the time-out'));
    await this.world.time.run(1000, () => this.ended);
    let flushed = false;
    void this.saver.flush(new AbortController().signal).then(() => (flushed = true));
    await this.world.time.run(2000, () => flushed);
    this.process.kill();
  }

  private source(state: FlickerState): Source {
    const { world } = this;
    let at = Number(state.sources[NAME]?.position['at'] ?? 0);
    return {
      name: NAME,
      kind: 'api',
      start: () => Promise.resolve({}),
      fill: async (builder: BatchBuilder) => {
        await this.process.clock.sleep(10);
        for (const end = world.available(); at < end && !builder.full;) {
          const next = at + 1;
          if (!builder.addText('/lines', String(next), world.includeId ? `id-${next}` : undefined)) break;
          at = next;
          builder.advance({ position: { at } });
        }
        return at < world.available() ? 'more' : 'idle';
      },
      lag: () => undefined,
      close: () => Promise.resolve(),
    };
  }

  private spill(): SpillStore {
    const { spilled } = this.world;
    const slow = () => this.process.clock.sleep(40);
    return {
      put: async (key, lines) => {
        await slow();
        spilled.set(key, Buffer.from(lines));
      },
      get: async (key) => {
        await slow();
        return spilled.get(key);
      },
      remove: async (key) => {
        await slow();
        spilled.delete(key);
      },
    };
  }
}

export const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

export const MINUTE = 60_000;

/** Lets time pass until something holds. @throws Error when it does not in time */
export async function until(world: World, done: () => boolean, withinMs = 30 * MINUTE): Promise<void> {
  if (!(await world.time.run(withinMs, done))) throw new Error(`not within ${withinMs} ms: ${world.saved}`);
}

/** Whether every destination has so many lines, and the position covers them. */
export const all = (world: World, count: number) => () =>
  world.receivers.every((receiver) => world.missing(receiver, count).length === 0) && world.position === count;
