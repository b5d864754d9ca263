import type { IncomingHttpHeaders } from 'node:http';
import type { RateRules } from '../../../../contract/flicker';
import { retryAfterMs } from '../../../core/retry';

/** A reset that lies further away than this is asked about again. */
export const LONGEST_WAIT_MS = 3_600_000;

/** How long to wait when an API refuses for its rate limit and does not say until when. */
const DEFAULT_WAIT_MS = 60_000;

/** What remains of a rate limit, and when it is full again, by this machine's clock. */
export interface RateState {
  readonly remaining: number;
  readonly resetAt: number;
}

/** What an answer tells of the rate limit. */
export interface RateFacts {
  /** Milliseconds from now, when it asks to wait. */
  readonly waitMs: number | undefined;
  readonly state: RateState | undefined;
}

const usual = ['x-rate-limit', 'x-ratelimit', 'ratelimit'].map((prefix) => ({
  remaining: `${prefix}-remaining`,
  reset: `${prefix}-reset`,
}));

/**
 * How long an answer asks to wait: `Retry-After` first; else, when nothing but the reserve remains of the rate limit,
 * until its reset and one second more. Times of day are compared with the answer's own `Date`.
 */
export function rateFacts(headers: IncomingHttpHeaders, now: number, rules: RateRules = {}): RateFacts {
  const date = Date.parse(text(headers.date) ?? '');
  const serverNow = Number.isNaN(date) ? now : date;
  const { reserve = 0 } = rules;
  let state: RateState | undefined;
  for (const names of rules.headers ? [rules.headers] : usual) {
    const remaining = number(headers[names.remaining.toLowerCase()]);
    const reset = number(headers[names.reset.toLowerCase()]);
    if (remaining === undefined || reset === undefined) continue;
    // Epoch seconds, epoch milliseconds, or seconds from now, as in the IETF draft.
    const at = reset >= 1e12 ? reset : reset >= 1e9 ? reset * 1000 : serverNow + reset * 1000;
    const resetInMs = Math.min(Math.max(0, at - serverNow) + 1000, LONGEST_WAIT_MS);
    const found = { remaining, resetAt: Math.ceil(now + resetInMs) };
    if (!state || remaining < state.remaining) state = found;
  }
  const until = state && state.remaining <= reserve ? state.resetAt - now : undefined;
  const waitMs = retryAfterMs(text(headers['retry-after']), serverNow) ?? until;
  return { waitMs: waitMs === undefined ? undefined : Math.min(waitMs, LONGEST_WAIT_MS), state };
}

/** The wait after the nth refusal in a row, from 0, that does not say how long. */
export function refusalWait({ waitMs = DEFAULT_WAIT_MS }: RateRules, nth: number): number {
  return Math.min(waitMs * 2 ** Math.min(nth, 20), LONGEST_WAIT_MS);
}

/**
 * Takes one request from what is allowed, for a vendor that does not tell what remains.
 * @returns the state after it, or how long to wait first
 */
export function spend(
  { budget, reserve = 0 }: RateRules,
  state: RateState | undefined,
  now: number,
): { readonly state: RateState | undefined } | { readonly waitMs: number } {
  if (!budget) return { state };
  // A reset further away than a window is from a clock that has since been set.
  const open = state && state.resetAt > now && state.resetAt <= now + budget.perMs ? state : undefined;
  const { remaining, resetAt } = open ?? { remaining: budget.requests, resetAt: now + budget.perMs };
  if (remaining <= reserve) return { waitMs: resetAt - now };
  return { state: { remaining: remaining - 1, resetAt } };
}

function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

function number(header: string | string[] | undefined): number | undefined {
  const value = text(header)?.trim();
  return value !== undefined && /^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
}
