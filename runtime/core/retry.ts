/** Longest waits of exponential backoff. */
export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** A wait with full jitter: anything from 0 to the exponential bound of this attempt (the first is 0). */
export function fullJitter(attempt: number, backoff: Backoff, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(backoff.maxMs, backoff.initialMs * 2 ** Math.min(attempt, 30)));
}

/** Reads `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3). Milliseconds from now; undefined when it says nothing usable. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  // What is no date of HTTP is read as one all the same: "-1" is a day in 2001.
  const date = /^[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
