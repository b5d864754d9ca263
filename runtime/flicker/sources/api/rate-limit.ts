import type { IncomingHttpHeaders } from 'node:http';
import { retryAfterMs } from '../../../core/retry';

/** A reset that lies further away than this is asked about again. */
const LONGEST_WAIT_MS = 3_600_000;

/** How long to wait when an API refuses for its rate limit and does not say until when. */
export const DEFAULT_WAIT_MS = 60_000;

/**
 * How long an answer asks to wait, in milliseconds: `Retry-After` first; else, when nothing remains of the rate limit,
 * until its reset and one second more. Times of day are compared with the answer's own `Date`.
 */
export function rateLimitWait(headers: IncomingHttpHeaders, now: number): number | undefined {
  const date = Date.parse(text(headers.date) ?? '');
  const serverNow = Number.isNaN(date) ? now : date;
  const wait = retryAfterMs(text(headers['retry-after']), serverNow) ?? untilReset(headers, serverNow);
  return wait === undefined ? undefined : Math.min(wait, LONGEST_WAIT_MS);
}

function untilReset(headers: IncomingHttpHeaders, serverNow: number): number | undefined {
  for (const prefix of ['x-rate-limit', 'x-ratelimit', 'ratelimit']) {
    const remaining = number(headers[`${prefix}-remaining`]);
    const reset = number(headers[`${prefix}-reset`]);
    if (remaining === undefined || remaining > 0 || reset === undefined) continue;
    // Epoch seconds, epoch milliseconds, or seconds from now, as in the IETF draft.
    const at = reset >= 1e12 ? reset : reset >= 1e9 ? reset * 1000 : serverNow + reset * 1000;
    return Math.max(0, at - serverNow) + 1000;
  }
  return undefined;
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function number(header: string | string[] | undefined): number | undefined {
  const value = text(header)?.trim();
  return value !== undefined && /^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
}
