import { setMaxListeners } from 'node:events';
import { FINAL_SAVE_MS, flickerEvents, REGISTRY_OPERATOR, type FlickerConfig } from '../../contract';
import { systemClock as clock } from '../core/clock';
import { Stopping } from '../core/lifecycle';
import type { Logger } from '../core/log';
import { describeLeaseEnd, type LeaseEnd } from '../registry/errors';
import type { Lease } from '../registry/format';
import type { Registry } from '../registry/registry';
import { Saver, type SaverStats } from '../registry/saver';
import type { Watched } from '../registry/standby';
import type { Commits } from './commits';
import type { Member } from './crew';
import type { FlickerMetrics } from './metrics';
import { readState, type FlickerState } from './state';
import { aborted, within } from './waiting';
import type { WorkerSignals } from './worker-context';

/** What an instance is to a registry. `ended`: it held it, and has not got it back. */
export type Role = 'starting' | 'standby' | 'holder' | 'ended';

/** How a lease is won. */
export interface Attempt {
  /** Not the first one: this process has held a lease before. */
  readonly again: boolean;
  /** Whether a lease was this process's own, or was left to it by an edit. */
  readonly mine: (lease: Lease) => boolean;
  readonly onWatch: (seen: Watched) => void;
  readonly signal: AbortSignal;
}

export interface PostOptions {
  /** Where the registry is, for people. */
  readonly location: string;
  /** Sources that run while the lease is held. */
  readonly members: readonly Member[];
  readonly win: (attempt: Attempt) => Promise<Registry>;
  /** Waits for the lease again when it was lost to another instance. */
  readonly standsBy: boolean;
  /** This registry's share of what an instance may have unsaved. */
  readonly maxUnsavedEvents: number;
  /** Longest time between two saves that renew the lease. */
  readonly renewMs: (registry: Registry) => number;
  /** Called with the state of each new lease, before its sources run. May go on until the signal. */
  readonly prepare?: (state: FlickerState, commits: Commits, signal: AbortSignal) => void;
  readonly config: FlickerConfig;
  readonly log: Logger;
  readonly metrics: FlickerMetrics;
  readonly once: boolean;
}

/** How a post has ended: told to stop, done (`once`), or because of its lease. */
export interface PostEnd {
  readonly end: LeaseEnd | undefined;
  /** The last positions could not be saved. */
  readonly unsaved: boolean;
}

/** How long a standby may go without looking before it counts as stuck. */
const STUCK_MS = 120_000;

/** The sources of one registry: waits for its lease, runs them while it is held, and waits again. */
export class Post {
  role: Role = 'starting';
  /** Who holds the lease, as far as is known here. */
  holder: Pick<Lease, 'owner' | 'host' | 'epoch'> | undefined;
  /** Resolves when the lease is held, or seen to be held by another instance. */
  readonly placed: Promise<void>;
  /** Resolves when the lease is held for the first time. */
  readonly held: Promise<void>;
  #place: () => void = () => {};
  #hold: () => void = () => {};
  #current: { readonly registry: Registry; readonly saver: Saver; readonly state: FlickerState } | undefined;
  #past: SaverStats = noStats;
  #end: LeaseEnd | undefined;
  /** Since when the registry cannot be read or taken over, and why. */
  #unreadable: { readonly since: number; readonly reason: string } | undefined;
  #looksBy = Number.POSITIVE_INFINITY;
  /** When the version that is stored was seen first. */
  #seen: { readonly epoch: number; readonly seq: number; readonly at: number } | undefined;
  readonly #owners = new Set<string>();
  readonly #options: PostOptions;

  constructor(options: PostOptions) {
    this.#options = options;
    this.placed = new Promise((resolve) => (this.#place = resolve));
    this.held = new Promise((resolve) => (this.#hold = resolve));
  }

  get location(): string {
    return this.#options.location;
  }

  /** The sources that run while the lease is held. */
  get members(): readonly Member[] {
    return this.#options.members;
  }

  /** The positions as they are now, while the lease is held. */
  get state(): FlickerState | undefined {
    return this.term?.state;
  }

  /** The same, and what saves them. */
  get term(): { readonly state: FlickerState; readonly commits: Commits } | undefined {
    return this.#current && { state: this.#current.state, commits: this.#current.saver };
  }

  get clusterId(): string | undefined {
    return this.#current?.registry.clusterId;
  }

  get stats(): SaverStats {
    return this.#current ? this.#total(this.#current.saver.stats) : this.#past;
  }

  /** Milliseconds since the last good save of a held lease was started. */
  get renewedAgoMs(): number | undefined {
    return this.#current?.registry.renewedAgoMs;
  }

  /** Why this post could not do its part, for people; empty when all is well. @param patienceMs without the registry */
  problem(patienceMs: number): string {
    if (this.role === 'ended' && this.#end) return describeLeaseEnd(this.#end);
    const { since, reason } = this.#unreadable ?? { since: Number.POSITIVE_INFINITY, reason: '' };
    return clock.monotonic() - since > patienceMs ? reason : '';
  }

  /** What does not move here besides its sources; empty when all does. */
  get stuck(): string {
    return clock.monotonic() > this.#looksBy ? 'the watch of the registry does not move' : '';
  }

  /** Runs until it is told to stop, is done (`once`), or cannot go on. @throws RegistryError */
  async run(stop: AbortSignal): Promise<PostEnd> {
    const { standsBy } = this.#options;
    for (;;) {
      const registry = await this.#win(stop);
      const { end, unsaved } = await this.#term(registry, stop);
      this.#end = end;
      const again = end && end.kind !== 'lost' && (standsBy || byOperator(end));
      if (!again || stop.aborted) return { end, unsaved };
    }
  }

  async #win(signal: AbortSignal): Promise<Registry> {
    const { win, metrics } = this.#options;
    const again = this.#owners.size > 0;
    this.role = again ? 'standby' : 'starting';
    const edited = this.#end && byOperator(this.#end) ? this.#end.by.epoch : undefined;
    const mine = ({ owner, epoch }: Lease) => this.#owners.has(owner) || epoch === edited;
    try {
      const registry = await win({ again, mine, signal, onWatch: (seen) => this.#watched(seen) });
      const { owner, host } = registry;
      this.#owners.add(owner);
      this.holder = { owner, host, epoch: registry.epoch };
      if (this.#seen) metrics.takeoverSeconds.set({}, (clock.monotonic() - this.#seen.at) / 1000);
      return registry;
    } finally {
      this.#unreadable = this.#seen = undefined;
      this.#looksBy = Number.POSITIVE_INFINITY;
    }
  }

  #watched(seen: Watched): void {
    const now = clock.monotonic();
    this.#looksBy = now + STUCK_MS;
    if (seen.kind === 'unreadable') {
      this.#unreadable = { since: this.#unreadable?.since ?? now, reason: seen.reason };
      return;
    }
    const { owner, host, epoch, seq } = seen.lease;
    this.#unreadable = undefined;
    if (this.#seen?.epoch !== epoch || this.#seen.seq !== seq) this.#seen = { epoch, seq, at: now };
    this.holder = { owner, host, epoch };
    this.role = 'standby';
    this.#place();
  }

  /** One lease, from its beginning to its end. */
  async #term(registry: Registry, stop: AbortSignal): Promise<PostEnd> {
    const { members, config, log, metrics, once, prepare, standsBy } = this.#options;
    const state = readState(registry.loaded);
    const saver = this.#saver(registry, state);
    const abort = new AbortController();
    const signals: WorkerSignals = { drain: AbortSignal.any([stop, abort.signal]), abort: abort.signal };
    // Every source listens to them.
    setMaxListeners(0, abort.signal, signals.drain);
    this.#current = { registry, saver, state };
    this.role = 'holder';
    this.#place();
    this.#hold();
    metrics.registryEpoch.set({}, registry.epoch);
    metrics.fenced.set({}, 0);
    void registry.ended.then((end) => {
      this.role = end.kind !== 'lost' && (standsBy || byOperator(end)) ? 'standby' : 'ended';
      this.#end = end;
      if (end.kind !== 'lost') metrics.fencedTotal.inc({});
      if (end.kind === 'fenced') metrics.fenced.set({}, 1);
      const { unsavedEvents, inFlightEvents } = saver.stats;
      metrics.duplicatesPossible.inc({}, unsavedEvents + inFlightEvents);
      abort.abort(new Stopping('the end of the lease'));
    });
    saver.run().catch((error: unknown) => abort.abort(error));
    prepare?.(state, saver, signals.drain);

    const running = Promise.all(members.map((member) => member.run(saver, state, signals)));
    // Sources that stopped for good leave the process up, not ready: a restart would not help them.
    await Promise.race([once ? running : aborted(signals.drain), aborted(signals.drain)]);
    const stopBy = clock.monotonic() + config.shutdown_timeout_ms;
    const stopped = await within(running, Math.max(0, config.shutdown_timeout_ms - FINAL_SAVE_MS), () =>
      abort.abort(new Stopping('the end of the shutdown time-out')),
    );
    // What is under way there counts as not delivered.
    if (!stopped) log.warn(flickerEvents.failed, 'a source or its destination hangs and cannot be stopped');
    let unsaved = false;
    if (!registry.end) {
      const saved = await saver.flush(AbortSignal.timeout(Math.max(1, Math.ceil(stopBy - clock.monotonic()))));
      unsaved = saved.kind === 'failed';
    }
    // What still runs must not run twice.
    if (!stopped && !stop.aborted) await Promise.race([running, aborted(stop)]);
    this.#past = this.#total({ ...saver.stats, unsavedEvents: 0, inFlightEvents: 0 });
    this.#current = undefined;
    return { end: registry.end, unsaved };
  }

  #total(stats: SaverStats): SaverStats {
    return { ...sumOfStats([this.#past, stats]), lastSavedAt: stats.lastSavedAt ?? this.#past.lastSavedAt };
  }

  #saver(registry: Registry, state: FlickerState): Saver {
    const { config, metrics, renewMs, maxUnsavedEvents } = this.#options;
    return new Saver({
      registry,
      snapshot: () => state,
      clock,
      saveIntervalMs: config.registry.save_interval_ms,
      heartbeatMs: renewMs(registry),
      maxUnsavedEvents,
      onSave: (result, seconds) => {
        metrics.registrySaves.inc({ result });
        metrics.registrySaveSeconds.observe({}, seconds);
      },
    });
  }
}

type Fenced = Extract<LeaseEnd, { readonly kind: 'fenced' }>;

/** Somebody has edited the registry: nobody else works on it, and this instance goes on with what it says now. */
function byOperator(end: LeaseEnd): end is Fenced {
  return end.kind === 'fenced' && end.by.owner === REGISTRY_OPERATOR;
}

const noStats: SaverStats = {
  inFlightEvents: 0,
  unsavedEvents: 0,
  lastSavedAt: undefined,
  saves: 0,
  failures: 0,
  conflicts: 0,
};

/** Of several savers together. The oldest last save counts. */
export function sumOfStats(all: readonly SaverStats[]): SaverStats {
  return all.reduce((sum, one) => {
    const times = [sum.lastSavedAt, one.lastSavedAt].filter((time) => time !== undefined);
    return {
      inFlightEvents: sum.inFlightEvents + one.inFlightEvents,
      unsavedEvents: sum.unsavedEvents + one.unsavedEvents,
      lastSavedAt: times.length > 0 ? Math.min(...times) : undefined,
      saves: sum.saves + one.saves,
      failures: sum.failures + one.failures,
      conflicts: sum.conflicts + one.conflicts,
    };
  }, noStats);
}
