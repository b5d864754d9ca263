/** Over how long a rate is taken. */
const WINDOW_MS = 60_000;

interface Sample {
  readonly at: number;
  readonly totals: ReadonlyMap<string, number>;
}

/** Rates of growing counts, over the last minute or as long as there are samples. */
export class Rates {
  readonly #samples: Sample[] = [];

  /** @param at monotonic time in milliseconds */
  add(at: number, totals: ReadonlyMap<string, number>): void {
    this.#samples.push({ at, totals });
    while (this.#samples[1] && this.#samples[1].at <= at - WINDOW_MS) this.#samples.shift();
  }

  /** Counts a second from the oldest sample to this moment. */
  perSecond(name: string, at: number, total: number): number {
    const oldest = this.#samples[0];
    if (!oldest || at <= oldest.at) return 0;
    return Math.max(0, (total - (oldest.totals.get(name) ?? 0)) / ((at - oldest.at) / 1000));
  }
}
