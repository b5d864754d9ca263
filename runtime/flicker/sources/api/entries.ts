import { contentHash, fieldAt, keyOf, occurrenceId, vendorId } from './fields';
import { packKeys, unpackKeys, type ApiPosition, type Walk } from './position';
import type { Range } from './request';
import type { ApiSpec, Memory } from './spec';
import { readTime } from './timestamp';
import { MOST_REMEMBERED, RecentWindow } from './window';

/** Entries of one walk that are remembered in memory, to tell those that overlapping pages repeat. */
const SEEN_IN_WALK = 50_000;

/** An entry that is to be delivered. */
export interface FreshEntry {
  readonly entry: unknown;
  readonly id: string;
  readonly key: string;
  /** Milliseconds since the epoch, where it can be read. */
  readonly time: number | undefined;
}

export interface Sifted {
  readonly fresh: readonly FreshEntry[];
  /** Of those, how many have no readable time. */
  readonly unreadable: number;
}

/**
 * Tells new entries from known ones, over the pages of a walk and from walk to walk.
 *
 * An entry is known when an earlier walk or an earlier page of this one had its id. An entry that is not known is new
 * unless its time is before the floor. The floor follows the newest time at a distance: it lets in what is late by no
 * more than the memory of the spec holds, in time and in entries; an entry that comes later than that is taken for one delivered long ago.
 * Where the server keeps the place it tells what is new, and a window says itself what belongs to it: nothing is too late there.
 *
 * Without an id of the vendor, n equal entries of a walk are told apart by number, so that the next walk knows how many of
 * them were delivered. Pages that overlap may then repeat an entry.
 */
export class Sieve {
  private readonly recent: RecentWindow;
  private readonly undated: Set<string>;
  /** Delivered by an earlier process, in this walk. */
  private readonly earlier: ReadonlySet<string>;
  private done: Set<string>;
  /** Ids of this walk, or how often an entry came in it. */
  private readonly seen = new Map<string, number>();
  /** Known content that came again in this walk: it stands for one entry only, even when `seen` has forgotten it. */
  private readonly met = new Set<string>();
  private readonly top: RecentWindow;
  private readonly topUndated: Set<string>;
  private newest: number | null;

  constructor(
    private readonly spec: ApiSpec,
    private readonly position: ApiPosition,
  ) {
    const { walk } = position;
    const memory = memoryOf(spec);
    this.recent = RecentWindow.load(memory, position.recent);
    this.undated = new Set(unpackKeys(position.undated));
    this.top = RecentWindow.load(memory, walk?.recent);
    this.topUndated = new Set(unpackKeys(walk?.undated));
    this.earlier = new Set([...this.top.keys(), ...this.topUndated]);
    this.done = new Set(unpackKeys(walk?.done));
    this.newest = walk?.newest ?? null;
  }

  /**
   * Takes in a page. `now`: a time of the future counts as now, so that it cannot move the floor past what is to come.
   * `range`: what the page was asked for.
   */
  sift(entries: readonly unknown[], now: number, range: Range = {}): Sifted {
    const { mode, time: clock } = this.spec;
    const fresh: FreshEntry[] = [];
    let unreadable = 0;
    for (const entry of entries) {
      const own = readTime(fieldAt(entry, clock.field), clock.format);
      if (mode.kind === 'window' && mode.coarse && own !== undefined && isOutside(own, range)) continue;
      const time = own === undefined ? undefined : Math.min(own, now);
      const { id, key, known } = this.identify(entry);
      if (known === 'in this walk') continue;
      if (known === 'no' && !this.done.has(key) && this.isOld(time)) continue;
      // In a window the latest time stands for one that cannot be read: remembered for as long as it may be read again.
      this.register(key, mode.kind === 'window' ? (time ?? range.to ?? now) : time);
      if (known !== 'no' || this.done.has(key)) continue;
      fresh.push({ entry, id, key, time: own });
      if (own === undefined) unreadable++;
    }
    this.done.clear();
    return { fresh, unreadable };
  }

  /** The walk so far, without its page. */
  walkState(): Pick<Walk, 'newest' | 'recent' | 'undated'> {
    return present({ newest: this.newest, recent: this.top.store(), undated: packKeys(this.topUndated) });
  }

  /** The position after this walk has come to its end. `horizon`: nothing older will be asked for again. */
  completed(horizon?: number): ApiPosition {
    const { newest, position, spec } = this;
    const { kind } = spec.mode;
    const watermark = newest === null ? position.watermark : Math.max(newest, position.watermark ?? 0);
    const recent = RecentWindow.load(memoryOf(spec), position.recent, this.top.store()).store(horizon);
    const floor =
      kind !== 'watermark' || recent === undefined || recent.cut === null || watermark === null
        ? position.floor
        : Math.max(position.floor ?? 0, Math.min(recent.cut + 1, watermark));
    const { closed, next, again, rereadAt } = position;
    const undated = packKeys(this.topUndated);
    return present({ watermark, floor, recent, undated, closed, next, again, rereadAt });
  }

  private identify(entry: unknown): { id: string; key: string; known: 'no' | 'in this walk' | 'before' } {
    const vendor = vendorId(entry, this.spec.id);
    if (vendor !== undefined) {
      const key = keyOf(vendor);
      if (this.seen.has(key) || this.earlier.has(key)) return { id: vendor, key, known: 'in this walk' };
      this.remember(key, 1);
      return { id: vendor, key, known: this.knownBefore(key) ? 'before' : 'no' };
    }
    const content = contentHash(entry);
    for (let occurrence = this.seen.get(content) ?? 0; ; occurrence++) {
      const id = occurrenceId(content, occurrence);
      const key = keyOf(id);
      // A tail never repeats: an equal entry is another one.
      if (this.earlier.has(key) || (this.position.walk?.tail && this.knownBefore(key))) continue;
      this.remember(content, occurrence + 1);
      const known = this.knownBefore(key) && !this.met.has(key) ? 'before' : 'no';
      if (known === 'before') this.met.add(key);
      return { id, key, known };
    }
  }

  private knownBefore(key: string): boolean {
    return this.recent.has(key) || this.undated.has(key);
  }

  private isOld(time: number | undefined): boolean {
    const { floor, walk } = this.position;
    const { mode } = this.spec;
    if (mode.kind === 'cursor') return mode.earlierMs > 0 && time !== undefined && time < (floor ?? 0);
    // Requests may begin a little before the start, and many APIs count in seconds.
    if (mode.kind === 'window') return time !== undefined && floor !== null && time < floor - (floor % 1000);
    return time !== undefined && floor !== null && time < floor && !walk?.tail;
  }

  private register(key: string, time: number | undefined): void {
    if (time !== undefined) {
      this.top.add(key, time);
      this.newest = Math.max(this.newest ?? time, time);
      return;
    }
    this.topUndated.add(key);
    dropOldest(this.topUndated, MOST_REMEMBERED);
  }

  private remember(key: string, count: number): void {
    this.seen.delete(key);
    this.seen.set(key, count);
    dropOldest(this.seen, SEEN_IN_WALK);
  }
}

/** The position when the saved page of a walk is refused, or is of another API: the walk begins again, and what it delivered stays known. */
export function restarted(spec: ApiSpec, { walk, ...position }: ApiPosition): ApiPosition {
  const { mode } = spec;
  const recent = RecentWindow.load(memoryOf(spec), position.recent, walk?.recent).store();
  const undated = packKeys(
    new Set([...unpackKeys(position.undated), ...unpackKeys(walk?.undated), ...unpackKeys(walk?.done)]),
  );
  const newest = Math.max(position.watermark ?? 0, walk?.newest ?? 0);
  // In ascending order everything up to the newest entry was read, but for late ones.
  const ordered = mode.kind === 'cursor' || (mode.kind === 'watermark' && mode.ascending);
  if (!ordered || newest === 0) return present({ ...position, recent, undated });
  const floor = Math.max(position.floor ?? 0, newest - mode.memory.overlapMs);
  return present({ ...position, watermark: newest, floor, recent, undated });
}

/** What to remember: whatever the newest entry's time, where that says nothing of what may come again. */
function memoryOf({ mode }: ApiSpec): Memory {
  return mode.kind === 'watermark' ? mode.memory : { ...mode.memory, overlapMs: Number.POSITIVE_INFINITY };
}

function isOutside(time: number, { from, to }: Range): boolean {
  return (from !== undefined && time < from) || (to !== undefined && time >= to);
}

/** Without the fields that are undefined: positions are JSON. */
export function present<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}

function dropOldest(
  values: { readonly size: number; keys(): Iterator<string>; delete(key: string): boolean },
  most: number,
) {
  if (values.size <= most) return;
  const oldest = values.keys().next();
  if (!oldest.done) values.delete(oldest.value);
}
