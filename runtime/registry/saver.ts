import type { Clock } from '../core/clock';
import { fullJitter } from '../core/retry';
import { LeaseEndedError } from './errors';
import type { State } from './format';
import type { Registry, SaveOutcome } from './registry';

export interface SaverOptions {
  readonly registry: Pick<Registry, 'save' | 'release' | 'ended' | 'end' | 'conflicts'>;
  /** The state as of now: every acknowledged event and nothing else. Called for every request that is sent. */
  readonly snapshot: () => State;
  readonly clock: Clock;
  /** From the first unsaved acknowledgement to the save. */
  readonly saveIntervalMs: number;
  /** From the last save to the next when there is nothing to save. */
  readonly heartbeatMs: number;
  /** Events in flight, and events sent and not yet saved, together: what a kill can repeat. */
  readonly maxUnsavedEvents: number;
  readonly onSave?: (result: SaveOutcome['kind'], seconds: number) => void;
  /** @default Math.random */
  readonly random?: () => number;
}

export interface SaverStats {
  readonly inFlightEvents: number;
  readonly unsavedEvents: number;
  /** Wall clock, milliseconds; undefined before the first save. */
  readonly lastSavedAt: number | undefined;
  readonly saves: number;
  readonly failures: number;
  readonly conflicts: number;
}

const RETRY = { initialMs: 500, maxMs: 30_000 };
/** How long a save that is under way may hold up the last one. */
const HAND_OVER_MS = 500;

/** Somebody who waits: for room to send `amount` events, or until the change numbered `amount` is saved. */
interface Waiter {
  readonly amount: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Group commit: when to save, and how much may be sent before it has been. */
export class Saver {
  readonly #options: SaverOptions;
  readonly #senders: Waiter[] = [];
  readonly #committers: Waiter[] = [];
  /** Aborts the save under way, for the last one's sake. */
  readonly #handOver = new AbortController();
  #running: Promise<void> | undefined;
  #flushed: Promise<SaveOutcome> | undefined;
  #stopping = false;
  #wake = new AbortController();

  #inFlight = 0;
  #acknowledged = 0;
  #saved = 0;
  /** Numbers every change of the state, with events or without. */
  #changes = 0;
  #savedChanges = 0;
  #urgent = false;
  /** Monotonic time of the oldest change that no snapshot holds. */
  #dirtySince: number | undefined;
  #lastSaveStarted: number;
  #lastSavedAt: number | undefined;
  #retryAt: number | undefined;
  #failuresInARow = 0;
  #saves = 0;
  #failures = 0;

  constructor(options: SaverOptions) {
    this.#options = options;
    this.#lastSaveStarted = options.clock.monotonic();
    void options.registry.ended.then((end) => {
      for (const waiter of [...this.#senders, ...this.#committers]) waiter.reject(new LeaseEndedError(end));
      this.#wake.abort();
    });
  }

  get stats(): SaverStats {
    return {
      inFlightEvents: this.#inFlight,
      unsavedEvents: this.#acknowledged - this.#saved,
      lastSavedAt: this.#lastSavedAt,
      saves: this.#saves,
      failures: this.#failures,
      conflicts: this.#options.registry.conflicts,
    };
  }

  /**
   * Saves when it is due until `flush`, or until the lease ends. A failed save stays due.
   * @throws what `snapshot` throws
   */
  run(): Promise<void> {
    this.#running ??= this.#loop();
    return this.#running;
  }

  /** @throws LeaseEndedError when no new work may begin */
  check(): void {
    const { end } = this.#options.registry;
    if (end) throw new LeaseEndedError(end);
  }

  /**
   * Waits until `events` may be sent, first come, first served.
   * @throws RangeError when they never may, LeaseEndedError, or the signal's reason
   */
  async reserve(events: number, signal?: AbortSignal): Promise<void> {
    const { maxUnsavedEvents } = this.#options;
    if (events > maxUnsavedEvents) {
      throw new RangeError(`${events} events cannot be sent at once: at most ${maxUnsavedEvents} may be unsaved`);
    }
    signal?.throwIfAborted();
    this.check();
    const turn = this.#wait(this.#senders, events, signal);
    this.#admit();
    if (this.#crowded()) this.#wake.abort();
    await turn;
  }

  /** Of `reserved` events, `sent` were accepted and the others needed no sending; a snapshot holds them all from now on. */
  acknowledged(reserved: number, sent = reserved): void {
    this.#inFlight -= reserved;
    this.#acknowledged += sent;
    this.#change();
    this.#admit();
  }

  /** Reserved events that were surely not sent. */
  returned(reserved: number): void {
    this.#inFlight -= reserved;
    this.#admit();
  }

  /**
   * Saves at once; resolves when a snapshot taken after this call is saved.
   * @throws LeaseEndedError, or the signal's reason
   */
  async commit(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.check();
    this.#urgent = true;
    this.#change();
    await this.#wait(this.#committers, this.#changes, signal);
  }

  /** Stops saving when due, saves a last time and releases the lease, once. `signal` says when to give up. */
  flush(signal: AbortSignal): Promise<SaveOutcome> {
    this.#flushed ??= this.#flush(signal);
    return this.#flushed;
  }

  async #flush(signal: AbortSignal): Promise<SaveOutcome> {
    this.#stopping = true;
    this.#wake.abort();
    const idle = new AbortController();
    const handOver = this.#options.clock.sleep(HAND_OVER_MS, idle.signal).then(
      () => this.#handOver.abort(),
      () => {}, // nothing was under way any more
    );
    await this.#running;
    idle.abort();
    await handOver;
    return await this.#save((snapshot) => this.#options.registry.release(snapshot, signal));
  }

  async #loop(): Promise<void> {
    const { clock, registry } = this.#options;
    while (!this.#stopping && !registry.end) {
      const wait = this.#dueAt() - clock.monotonic();
      if (wait <= 0) {
        await this.#save((snapshot) => registry.save(snapshot, this.#handOver.signal));
        continue;
      }
      this.#wake = new AbortController();
      await clock.sleep(wait, this.#wake.signal).catch(() => {}); // woken: what is due is computed anew
    }
  }

  #dueAt(): number {
    const { saveIntervalMs, heartbeatMs } = this.#options;
    if (this.#retryAt !== undefined) return this.#retryAt;
    if (this.#urgent || this.#crowded()) return -Infinity;
    // The heartbeat renews the lease, whether there is something to save or not.
    const dirty = this.#dirtySince === undefined ? Number.POSITIVE_INFINITY : this.#dirtySince + saveIntervalMs;
    return Math.min(this.#lastSaveStarted + heartbeatMs, dirty);
  }

  /** Half of what may be unsaved is, or somebody waits for room that a save would make. */
  #crowded(): boolean {
    const unsaved = this.#acknowledged - this.#saved;
    return unsaved * 2 >= this.#options.maxUnsavedEvents || (unsaved > 0 && this.#senders.length > 0);
  }

  #change(): void {
    this.#changes++;
    const first = this.#dirtySince === undefined;
    this.#dirtySince ??= this.#options.clock.monotonic();
    if (first || this.#urgent || this.#crowded()) this.#wake.abort();
  }

  async #save(write: (snapshot: () => State) => Promise<SaveOutcome>): Promise<SaveOutcome> {
    const { clock, onSave, random = Math.random } = this.#options;
    const started = clock.monotonic();
    this.#lastSaveStarted = started;
    let [acknowledged, changes] = [this.#saved, this.#savedChanges];
    const outcome = await write(() => {
      [acknowledged, changes] = [this.#acknowledged, this.#changes];
      this.#dirtySince = undefined;
      this.#urgent = false;
      return this.#options.snapshot();
    });
    if (outcome.kind === 'saved') {
      [this.#saved, this.#savedChanges] = [acknowledged, changes];
      this.#lastSavedAt = clock.now();
      this.#saves++;
      this.#failuresInARow = 0;
      this.#retryAt = undefined;
      for (const waiter of this.#committers.filter(({ amount }) => amount <= changes)) waiter.resolve();
      this.#admit();
    } else {
      this.#failures++;
      const pause = fullJitter(this.#failuresInARow++, RETRY, random);
      this.#retryAt = clock.monotonic() + pause;
    }
    onSave?.(outcome.kind, (clock.monotonic() - started) / 1_000);
    return outcome;
  }

  /** Lets those in who fit, in their order. */
  #admit(): void {
    if (this.#options.registry.end) return; // those who wait are told by its end
    for (let first = this.#senders[0]; first; first = this.#senders[0]) {
      const outstanding = this.#inFlight + this.#acknowledged - this.#saved;
      if (outstanding + first.amount > this.#options.maxUnsavedEvents) return;
      this.#inFlight += first.amount;
      first.resolve();
    }
  }

  /** Joins a queue; leaves it when settled, or when the signal aborts. */
  #wait(queue: Waiter[], amount: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        queue.splice(queue.indexOf(waiter), 1);
        signal?.removeEventListener('abort', abort);
      };
      const waiter: Waiter = {
        amount,
        resolve: () => (leave(), resolve()),
        reject: (reason) => (leave(), reject(reason)),
      };
      const abort = () => {
        waiter.reject(signal?.reason);
        this.#admit();
      };
      signal?.addEventListener('abort', abort, { once: true });
      queue.push(waiter);
    });
  }
}
