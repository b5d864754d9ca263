/** What is left of a rate limit. */
export interface Budget {
  readonly limit: number;
  readonly remaining: number;
  /** When requests are taken again, milliseconds since the epoch. */
  readonly resetAt: number;
  /** Until then, in whole seconds, one at least. */
  readonly resetInS: number;
  readonly exceeded: boolean;
}

/** A limit of requests in windows that follow one another; exceeding it may block for longer than its window. */
export class RateLimit {
  private window = 0;
  private used = 0;
  private blockedUntil = 0;

  constructor(
    private readonly now: () => number,
    private readonly rules: {
      readonly limit: number;
      readonly windowMs: number;
      readonly blockMs?: number | undefined;
    },
  ) {}

  /** Counts a request. */
  take(): Budget {
    this.turn();
    const { limit, windowMs, blockMs } = this.rules;
    const now = this.now();
    const blocked = now < this.blockedUntil;
    if (!blocked) this.used++;
    const exceeded = blocked || this.used > limit;
    if (exceeded && !blocked && blockMs !== undefined) this.blockedUntil = now + blockMs;
    const resetAt = Math.max((this.window + 1) * windowMs, this.blockedUntil);
    return {
      limit,
      remaining: exceeded ? 0 : limit - this.used,
      resetAt,
      resetInS: Math.max(1, Math.ceil((resetAt - now) / 1000)),
      exceeded,
    };
  }

  /** Takes all of the current window but `left` requests. */
  leave(left: number): void {
    this.turn();
    this.used = Math.max(this.used, this.rules.limit - left);
  }

  private turn(): void {
    const current = Math.floor(this.now() / this.rules.windowMs);
    if (current !== this.window) this.used = 0;
    this.window = current;
  }
}
