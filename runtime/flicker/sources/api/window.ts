import { MAX_DELTA, type StoredWindow } from './position';
import type { Memory } from './spec';

/** Most entries remembered when so many share the newest time. What is beyond may be sent again; nothing is lost. */
export const MOST_REMEMBERED = 10_000;

/** The newest entries read: bounded whenever it is stored, as it is after each page, and complete above `cut`. */
export class RecentWindow {
  private times = new Map<string, number>();
  private cut: number | null = null;

  constructor(private readonly memory: Memory) {}

  static load(memory: Memory, ...stored: readonly (StoredWindow | undefined)[]): RecentWindow {
    const window = new RecentWindow(memory);
    for (const { newest, cut, ids, unit = 1 } of stored.filter((one) => one !== undefined)) {
      if (cut !== null) window.cut = Math.max(window.cut ?? cut, cut);
      for (let at = 0; at < ids.length; at += 15) {
        window.add(ids.slice(at, at + 11), newest - parseInt(ids.slice(at + 11, at + 15), 36) * unit);
      }
    }
    return window;
  }

  has(key: string): boolean {
    return this.times.has(key);
  }

  keys(): Iterable<string> {
    return this.times.keys();
  }

  /** A time counts as the end of its unit, so that no entry seems older than it is. */
  add(key: string, time: number): void {
    const { unit } = this.memory;
    this.times.set(key, Math.ceil(time / unit) * unit);
  }

  /** `horizon`: what is older is forgotten, and need not be remembered. */
  store(horizon = 0): StoredWindow | undefined {
    this.prune();
    const [first] = this.times.values();
    if (first === undefined) return undefined;
    const { unit } = this.memory;
    const kept = [...this.times].filter(([, time]) => time >= horizon);
    const ids = kept.map(([key, time]) => key + ((first - time) / unit).toString(36).padStart(4, '0')).join('');
    return { newest: first, cut: this.cut, ids, ...(unit > 1 && { unit }) };
  }

  /** Keeps the newest entries, those of the newest time in any case, and leaves them sorted, newest first. */
  private prune(): void {
    const { overlapMs, entries, unit } = this.memory;
    const sorted = [...this.times].sort(([, a], [, b]) => b - a);
    const newest = sorted[0]?.[1];
    if (newest === undefined) return;
    const oldest = newest - Math.min(overlapMs, MAX_DELTA * unit);
    const within = sorted.findIndex(([, time], i) => time < oldest || (i >= entries && time < newest));
    const kept = Math.min(within < 0 ? sorted.length : within, Math.max(MOST_REMEMBERED, entries));
    const evicted = sorted[kept]?.[1];
    if (evicted !== undefined) this.cut = Math.max(this.cut ?? evicted, evicted);
    const { cut } = this;
    // Some entries at the cut may be gone: all of them go, so that the window is complete above it.
    this.times = new Map(sorted.slice(0, kept).filter(([, time]) => cut === null || time > cut || time === newest));
  }
}
