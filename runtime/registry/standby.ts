import type { HaTiming } from '../../contract/high-availability';
import { REGISTRY_OPERATOR, registryEvents } from '../../contract/registry';
import { fullJitter } from '../core/retry';
import { createBase, keepVersion1, nextBase, type Base, type Claim, type LeaseTimes, type Won } from './base';
import { RegistryError, type RegistryProblem } from './errors';
import { serializeDocument, type Lease } from './format';
import { opened, ownVersion } from './open';
import type { LeaseContext, Registry } from './registry';
import { defaultTiming, haPatience, momentOf, withTimeout, type Moment } from './timing';

export interface StandbyOptions extends Claim, Omit<LeaseContext, 'timing' | 'random' | 'deadlineMs'> {
  readonly ha: HaTiming;
  /** Whether a lease that is held may be taken at once: it is an earlier one of this process, which has stopped. */
  readonly mine?: (lease: Lease) => boolean;
  /** Never gives up because the registry cannot be used. @default false: a start does, after some attempts */
  readonly patient?: boolean;
  /** Called with every version that is seen, and when the registry cannot be read or taken over. */
  readonly onWatch?: (seen: Watched) => void;
  /** @default Math.random */
  readonly random?: () => number;
  /** Stops waiting. */
  readonly signal?: AbortSignal;
}

/** What a standby sees; `reason` is for people. */
export type Watched =
  { readonly kind: 'held'; readonly lease: Lease } | { readonly kind: 'unreadable'; readonly reason: string };

/** A version that was seen. */
interface Seen {
  /** Undefined: there is no object. */
  readonly etag: string | undefined;
  readonly base: Base;
  /** Monotonic time at which its first answer had arrived: it was written before that. */
  readonly since: number;
}

/**
 * Waits until the lease is free and takes it: when it was released, or when the object has not changed for as long as
 * both this instance and the holder call a lease.
 * @throws RegistryError when the registry cannot be used or was deleted, or cannot be read at the start, or may not; the signal's reason
 */
export async function standBy(options: StandbyOptions): Promise<Registry> {
  return await new Standby(options).run();
}

class Standby {
  readonly #options: StandbyOptions;
  readonly #context: LeaseContext;
  readonly #times: LeaseTimes;
  #seen: Seen | undefined;
  /** The takeover that was tried last, and when the first one was sent. */
  #won: Won | undefined;
  #sent: Moment | undefined;
  #failures = 0;
  /** The version that was seen could not be taken over: that it can be read does not end the trouble. */
  #refused = false;
  #told = '';

  constructor(options: StandbyOptions) {
    const { store, clock, log, ha, random = Math.random } = options;
    this.#options = options;
    this.#context = { store, clock, log, random, timing: haPatience(ha), deadlineMs: ha.deadline_ms };
    this.#times = { ttlMs: ha.lease_ms, renewMs: ha.renew_ms, ha: true };
  }

  async run(): Promise<Registry> {
    const { clock, signal, ha } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      const registry = await this.#look();
      if (registry) return registry;
      if (!this.#seen) continue;
      const wait = this.#seen.since + this.#patience(this.#seen.base.lease) - clock.monotonic();
      if (wait > 0) {
        await clock.sleep(Math.min(wait, ha.poll_ms), signal);
        continue;
      }
      // What was seen may have ended the wait.
      signal?.throwIfAborted();
      const taken = await this.#take(this.#seen);
      if (taken) return taken;
    }
  }

  /** How long a version must stay as it is before its lease counts as free. */
  #patience(lease: Lease | undefined): number {
    const { ha, mine } = this.#options;
    if (!lease || mine?.(lease)) return 0;
    // After an edit by hand the holder goes on until it finds out: it has the first turn.
    const released = lease.state === 'released' && lease.owner !== REGISTRY_OPERATOR;
    return released ? 0 : Math.max(ha.lease_ms, lease.ttlMs);
  }

  /** Reads what has changed. @returns the registry when a takeover has turned out to be done */
  async #look(): Promise<Registry | undefined> {
    const { store, clock, signal, allowReset, owner } = this.#options;
    const etag = this.#seen?.etag;
    const reply = await this.#request((limit) =>
      etag === undefined ? store.read(limit) : store.readUnless(etag, limit),
    );
    switch (reply.kind) {
      case 'failed':
        return await this.#failed({ kind: 'unreachable', reason: reply.reason }, 'read');
      case 'denied':
        return await this.#failed({ kind: 'denied', reason: reply.reason }, 'read');
      case 'missing':
      case 'deleted':
        if ((etag !== undefined || reply.kind === 'deleted') && !allowReset) this.#refuse({ kind: 'deleted' });
        this.#see(
          undefined,
          createBase(this.#options, this.#times, () => clock.now()),
        );
        return undefined;
      case 'unchanged':
        this.#readable();
        return undefined;
      case 'found': {
        const own = ownVersion(reply.body, reply.etag, owner, this.#sent);
        if (own && this.#won) return opened(this.#context, own, this.#won);
        const base = nextBase(reply.body, reply.etag, this.#options, this.#times, () => clock.now());
        if ('kind' in base) this.#refuse(base);
        const kept = base.won.event === 'upgraded' ? await keepVersion1(this.#context, reply.body, signal) : undefined;
        if (kept !== undefined) return await this.#failed({ kind: 'not-upgraded', reason: kept }, 'upgraded');
        this.#see(reply.etag, base);
        return undefined;
      }
    }
  }

  #see(etag: string | undefined, base: Base): void {
    if (etag !== this.#seen?.etag) this.#refused = false;
    this.#readable();
    this.#seen = { etag, base, since: this.#options.clock.monotonic() };
    const { lease } = base;
    if (!lease) return;
    this.#options.onWatch?.({ kind: 'held', lease });
    const { owner, host, epoch } = lease;
    if (this.#told === owner || this.#patience(lease) === 0) return;
    this.#told = owner;
    const text = `standing by: ${owner} on ${host} holds the registry`;
    this.#options.log.info(registryEvents.standby, text, { holder: owner, host, epoch });
  }

  /** Writes the takeover over the version that was seen. Whatever else than success the answer is, the next read settles it. */
  async #take({ base }: Seen): Promise<Registry | undefined> {
    const { store, clock, log, signal } = this.#options;
    const document = base.document();
    const started = momentOf(clock);
    this.#won = base.won;
    this.#sent ??= started;
    const reply = await this.#request((limit) => store.write(serializeDocument(document), base.condition, limit));
    if (reply.kind === 'committed') {
      this.#refused = false;
      this.#readable();
      return opened(this.#context, { document, etag: reply.etag, renewed: started }, base.won);
    }
    log.debug(registryEvents.saveRetried, 'the registry is read again: the takeover was not confirmed', {
      answer: reply.kind,
    });
    if ('reason' in reply) {
      this.#refused = true;
      const kind = reply.kind === 'denied' ? 'denied' : 'unreachable';
      return await this.#failed({ kind, reason: reply.reason }, 'taken over');
    }
    await clock.sleep(1 + fullJitter(0, this.#context.timing.backoff, this.#context.random), signal);
    return undefined;
  }

  #request<T>(request: (limit: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, signal } = this.#options;
    return withTimeout(clock, this.#context.timing.attemptTimeoutMs, signal, request);
  }

  /** Pauses before the next request, never longer than to the next poll. */
  async #failed(problem: Extract<RegistryProblem, { readonly reason: string }>, what: string): Promise<undefined> {
    const { clock, log, signal, ha, patient, onWatch } = this.#options;
    signal?.throwIfAborted();
    this.#failures++;
    // Where nobody holds it, being denied is no trouble that another instance would see through.
    const starting = problem.kind === 'denied' ? this.#told === '' : !this.#seen && !this.#won;
    if (!patient && starting && this.#failures >= defaultTiming.attempts) this.#refuse(problem);
    const reason = `the registry cannot be ${what}: ${problem.reason}`;
    if (this.#failures === 1) log.warn(registryEvents.unreadable, reason);
    onWatch?.({ kind: 'unreadable', reason });
    const pause = fullJitter(this.#failures - 1, defaultTiming.backoff, this.#context.random);
    await clock.sleep(Math.min(ha.poll_ms, 1 + pause), signal);
  }

  #readable(): void {
    if (this.#refused) return;
    const { log, onWatch } = this.#options;
    if (this.#failures > 0) log.info(registryEvents.readable, 'the registry can be used again');
    this.#failures = 0;
    const lease = this.#seen?.base.lease;
    if (lease) onWatch?.({ kind: 'held', lease });
  }

  #refuse(problem: RegistryProblem): never {
    throw new RegistryError(this.#options.store.location, problem);
  }
}
