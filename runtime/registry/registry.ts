import { registryEvents } from '../../contract/registry';
import type { Clock } from '../core/clock';
import { fullJitter } from '../core/retry';
import type { Logger } from '../core/log';
import { describeLeaseEnd, type LeaseEnd } from './errors';
import { parseDocument, serializeDocument, type Lease, type RegistryDocument, type State } from './format';
import type { ObjectStore } from './store';
import { ageOf, momentOf, withTimeout, type Moment, type RegistryTiming } from './timing';

/** What a lease needs from the world. */
export interface LeaseContext {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** From 0 up to 1: jitter. */
  readonly random: () => number;
  readonly timing: RegistryTiming;
  /**
   * With standbys: all work must have stopped when the last good save was started this long ago.
   * @default never, a holder without standbys goes on
   */
  readonly deadlineMs?: number;
}

/** The version of the object that the lease was won with. */
export interface HeldVersion {
  readonly document: RegistryDocument;
  readonly etag: string;
  /** When the write that won it was started. */
  readonly renewed: Moment;
}

export type SaveOutcome =
  | { readonly kind: 'saved' }
  /** Not known to be saved: everything in the snapshot still counts as unsaved. */
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'ended'; readonly end: LeaseEnd };

/** How often a deadline is looked at, for clocks that jump. */
const DEADLINE_TICK_MS = 500;

interface Patience {
  readonly attempts: number;
  readonly attemptTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * A held lease and the state that travels with it. Every write is a compare-and-swap with a `seq` of its own, so that no
 * two versions are the same bytes and a read tells which of one's own writes has landed.
 */
export class Registry {
  /** The state as it was when the lease was won. */
  readonly loaded: State;
  readonly epoch: number;
  readonly clusterId: string;
  /** Who holds this lease. */
  readonly owner: string;
  readonly host: string;
  /** It ends by itself when it is not renewed in time. */
  readonly hasDeadline: boolean;
  /** Resolves when somebody else owns the registry, or it is gone. */
  readonly ended: Promise<LeaseEnd>;

  readonly #context: LeaseContext;
  readonly #document: Omit<RegistryDocument, 'state'>;
  /** Fields that were stored and that the program has not written itself: kept as they are. */
  readonly #carried: Record<string, unknown>;
  #resolveEnded: (end: LeaseEnd) => void = () => {};
  #end: LeaseEnd | undefined;
  #etag: string;
  /** `seq` of the newest write that was sent, landed or not. */
  #issued: number;
  /** A write was sent whose fate only a read can tell. */
  #unsettled = false;
  #released = false;
  /** When the last write that is known to have landed was started, and the last one that was sent. */
  #renewed: Moment;
  #putStarted: Moment;
  /** Aborts what is under way when the lease ends. */
  readonly #over = new AbortController();
  #conflicts = 0;
  #queue: Promise<unknown> = Promise.resolve();

  /** Use `openRegistry`. */
  constructor(context: LeaseContext, held: HeldVersion) {
    const { state, ...document } = held.document;
    this.#context = context;
    this.#document = document;
    this.#carried = { ...state };
    this.#etag = held.etag;
    this.#issued = document.lease.seq;
    this.loaded = state;
    this.epoch = document.lease.epoch;
    this.clusterId = document.clusterId;
    this.owner = document.lease.owner;
    this.host = document.lease.host;
    this.hasDeadline = context.deadlineMs !== undefined;
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    this.#renewed = this.#putStarted = held.renewed;
    if (context.deadlineMs !== undefined) void this.#watch(context.deadlineMs);
  }

  get location(): string {
    return this.#context.store.location;
  }

  /**
   * How the lease has ended. Looks at the clocks each time that it is asked, so that a process which was paused finds out
   * before it begins anything.
   */
  get end(): LeaseEnd | undefined {
    const { deadlineMs } = this.#context;
    if (!this.#end && deadlineMs !== undefined && this.renewedAgoMs >= deadlineMs) {
      this.#endWith({ kind: 'expired', deadlineMs });
    }
    return this.#end;
  }

  /** How long ago the last write that is known to have landed was started. */
  get renewedAgoMs(): number {
    return ageOf(this.#renewed, this.#context.clock);
  }

  /** Conditional writes that met another version or a concurrent request. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /**
   * Writes the state and renews the lease. One save runs at a time; `snapshot` is called for every request that is sent, and
   * the last call's state is the one that `saved` speaks of.
   */
  save(snapshot: () => State, signal?: AbortSignal): Promise<SaveOutcome> {
    const { attempts, attemptTimeoutMs } = this.#context.timing;
    return this.#inTurn(() => this.#write(snapshot, 'held', { attempts, attemptTimeoutMs, signal }));
  }

  /** The last save: also gives the lease back. Tries until `signal` aborts; nothing can be saved afterwards. */
  release(snapshot: () => State, signal: AbortSignal): Promise<SaveOutcome> {
    const { releaseAttemptTimeoutMs } = this.#context.timing;
    return this.#inTurn(async () => {
      const patience = { attempts: Infinity, attemptTimeoutMs: releaseAttemptTimeoutMs, signal };
      const outcome = await this.#write(snapshot, 'released', patience);
      this.#released = true;
      this.#over.abort(new Error('the registry was released'));
      if (outcome.kind === 'saved') {
        this.#context.log.info(registryEvents.released, 'saved the last positions and released the registry', {
          epoch: this.epoch,
          seq: this.#issued,
        });
      }
      return outcome;
    });
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(run);
    this.#queue = turn.catch(() => {}); // the caller gets the rejection; the next in turn does not
    return turn;
  }

  async #write(snapshot: () => State, leaseState: Lease['state'], patience: Patience): Promise<SaveOutcome> {
    if (this.#released) throw new Error('the registry was released: nothing can be saved any more');
    let sent = false;
    for (let failures = 0; ;) {
      const { end } = this;
      if (end) return { kind: 'ended', end };
      let reason: string | undefined;
      let pause = true;
      if (this.#unsettled) {
        const settled = await this.#settle(patience);
        if (settled.kind === 'ended') continue;
        if (settled.kind === 'failed') reason = settled.reason;
        else if (sent && settled.seq >= this.#issued) return this.#saved();
      }
      if (reason === undefined) {
        const reply = await this.#put(snapshot, leaseState, patience);
        sent = true;
        switch (reply.kind) {
          case 'committed':
            this.#etag = reply.etag;
            this.#unsettled = false;
            return this.#saved();
          case 'missing':
            this.#endWith({ kind: 'lost', reason: `${this.location} was deleted` });
            continue;
          case 'precondition-failed':
          case 'conflict':
            this.#conflicts++;
            reason = reply.kind === 'conflict' ? 'a concurrent request' : 'another version is stored';
            pause = false; // the read that settles it may go out at once
            break;
          case 'denied':
          case 'failed':
            this.#unsettled = false;
            reason = reply.reason;
            break;
          case 'unknown':
            reason = reply.reason;
        }
      }
      if (this.#end) continue; // it ended meanwhile, and what was under way was aborted
      failures++;
      if (failures >= patience.attempts || patience.signal?.aborted) return this.#failed(reason, failures);
      this.#context.log.warn(registryEvents.saveRetried, `save is tried again: ${reason}`, { failures });
      if ((pause || failures > 1) && !(await this.#pause(failures - 1, patience.signal))) {
        return this.#failed(reason, failures);
      }
    }
  }

  async #put(snapshot: () => State, leaseState: Lease['state'], patience: Patience) {
    const state = snapshot();
    for (const name of Object.keys(state)) delete this.#carried[name];
    const seq = ++this.#issued; // never used twice, or a read could not tell which of two writes has landed
    const body = serializeDocument({
      ...this.#document,
      lease: { ...this.#document.lease, seq, state: leaseState },
      savedAt: new Date(this.#context.clock.now()).toISOString(),
      state: { ...this.#carried, ...state },
    });
    this.#unsettled = true;
    this.#putStarted = momentOf(this.#context.clock);
    return await withTimeout(
      this.#context.clock,
      patience.attemptTimeoutMs,
      [patience.signal, this.#over.signal],
      (signal) => this.#context.store.write(body, { ifMatch: this.#etag }, signal),
    );
  }

  /** Reads what is stored. Own: adopts its ETag and tells its seq. Another's, or gone: ends the lease. */
  async #settle(
    patience: Patience,
  ): Promise<{ kind: 'own'; seq: number } | { kind: 'ended' } | { kind: 'failed'; reason: string }> {
    const reply = await withTimeout(
      this.#context.clock,
      patience.attemptTimeoutMs,
      [patience.signal, this.#over.signal],
      (signal) => this.#context.store.read(signal),
    );
    switch (reply.kind) {
      case 'denied':
      case 'failed':
        return { kind: 'failed', reason: `cannot read back: ${reply.reason}` };
      case 'missing':
      case 'deleted':
        return this.#endWith({ kind: 'lost', reason: `${this.location} was deleted` });
      case 'found': {
        const parsed = parseDocument(reply.body);
        if (parsed.kind !== 'current') {
          return this.#endWith({ kind: 'lost', reason: `${this.location} was replaced by something else` });
        }
        const { owner, host, epoch, seq } = parsed.document.lease;
        if (owner !== this.#document.lease.owner || epoch !== this.epoch) {
          return this.#endWith({ kind: 'fenced', by: { owner, host, epoch } });
        }
        this.#etag = reply.etag;
        this.#issued = Math.max(this.#issued, seq);
        this.#unsettled = false;
        return { kind: 'own', seq };
      }
    }
  }

  #endWith(end: LeaseEnd): { kind: 'ended' } {
    this.#end = end;
    this.#over.abort(new Error(describeLeaseEnd(end)));
    const event = registryEvents[end.kind];
    const by = end.kind === 'fenced' ? { newOwner: end.by.owner, newHost: end.by.host, newEpoch: end.by.epoch } : {};
    this.#context.log.error(event, describeLeaseEnd(end), { epoch: this.epoch, ...by });
    this.#resolveEnded(end);
    return { kind: 'ended' };
  }

  /** Ends the lease at its deadline, whatever else happens. */
  async #watch(deadlineMs: number): Promise<void> {
    while (!this.end && !this.#released) {
      const left = Math.max(1, deadlineMs - this.renewedAgoMs);
      await this.#context.clock.sleep(Math.min(left, DEADLINE_TICK_MS), this.#over.signal).catch(() => {}); // ended or released
    }
  }

  #saved(): SaveOutcome {
    this.#renewed = this.#putStarted;
    this.#context.log.debug(registryEvents.saved, 'saved', { epoch: this.epoch, seq: this.#issued });
    return { kind: 'saved' };
  }

  #failed(reason: string, failures: number): SaveOutcome {
    this.#context.log.error(registryEvents.saveFailed, `cannot save to ${this.location}: ${reason}`, { failures });
    return { kind: 'failed', reason };
  }

  async #pause(failures: number, signal: AbortSignal | undefined): Promise<boolean> {
    const { timing, random, clock } = this.#context;
    try {
      await clock.sleep(fullJitter(failures, timing.backoff, random), signal);
      return true;
    } catch {
      return false; // aborted: the caller reports the failure that it waited for
    }
  }
}
