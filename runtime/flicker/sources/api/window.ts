import { MAX_DELTA_MS, type StoredWindow } from './position';

/** How far back entries are asked for and remembered, to catch late ones. */
export const OVERLAP_MS = 600_000;
/** Entries remembered for that: the newest ones. */
export const REMEMBERED = 64;
/** Most entries remembered when so many share the newest time. What is beyond may be sent again; nothing is lost. */
export const MOST_REMEMBERED = 10_000;

/** The newest entries read: bounded, and complete above `cut`. */
export class RecentWindow {
  private times = new Map<string, number>();
  private cut: number | null = null;
  private pruneAt = 4 * REMEMBERED;

  static load(...stored: readonly (StoredWindow | undefined)[]): RecentWindow {
    const window = new RecentWindow();
    for (const { newest, cut, ids } of stored.filter((one) => one !== undefined)) {
      if (cut !== null) window.cut = Math.max(window.cut ?? cut, cut);
      for (let at = 0; at < ids.length; at += 15) {
        window.times.set(ids.slice(at, at + 11), newest - parseInt(ids.slice(at + 11, at + 15), 36));
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

  add(key: string, time: number): void {
    this.times.set(key, time);
    if (this.times.size < this.pruneAt) return;
    this.prune();
    this.pruneAt = Math.max(4 * REMEMBERED, 2 * this.times.size);
  }

  store(): StoredWindow | undefined {
    this.prune();
    const [first] = this.times.values();
    if (first === undefined) return undefined;
    const ids = [...this.times].map(([key, time]) => key + (first - time).toString(36).padStart(4, '0')).join('');
    return { newest: first, cut: this.cut, ids };
  }

  /** Keeps the newest entries, those of the newest time in any case, and leaves them sorted, newest first. */
  private prune(): void {
    const sorted = [...this.times].sort(([, a], [, b]) => b - a);
    const newest = sorted[0]?.[1];
    if (newest === undefined) return;
    const oldest = newest - Math.min(OVERLAP_MS, MAX_DELTA_MS);
    const within = sorted.findIndex(([, time], i) => time < oldest || (i >= REMEMBERED && time < newest));
    const kept = Math.min(within < 0 ? sorted.length : within, MOST_REMEMBERED);
    const evicted = sorted[kept]?.[1];
    if (evicted !== undefined) this.cut = Math.max(this.cut ?? evicted, evicted);
    const { cut } = this;
    // Some entries at the cut may be gone: all of them go, so that the window is complete above it.
    this.times = new Map(sorted.slice(0, kept).filter(([, time]) => cut === null || time > cut || time === newest));
  }
}
