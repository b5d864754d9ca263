import { z } from 'zod';

const key = /^[\w-]{11}$/;
const time = z.int().min(0);
const keys = z.string().regex(/^(?:[\w-]{11})*$/);

/** Keys with their times: eleven characters of key, four of how many units before `newest`, in base 36. */
const storedWindow = z.object({
  newest: time,
  /** Everything read that is later than this is in `ids`. */
  cut: time.nullable(),
  ids: z.string().regex(/^(?:[\w-]{11}[0-9a-z]{4})*$/),
  /** Milliseconds; 1 when absent. */
  unit: z.int().min(1).optional(),
});

/** A walk over the pages that has not come to its end. */
const walk = z.object({
  /** Hash of the endpoint and the way it pages: a saved page of another is not followed. */
  of: z.string(),
  /** The page to read next; the first one when absent. */
  at: z.union([z.string(), z.number()]).optional(),
  /** The server keeps the place itself (a saved `next` after an empty page): everything it sends is new. */
  tail: z.boolean().optional(),
  newest: time.nullable(),
  /** The window that this walk reads, in mode `window`. */
  from: time.optional(),
  to: time.optional(),
  /** What was read in this walk, as far as the next one needs to know. */
  recent: storedWindow.optional(),
  undated: keys.optional(),
  /** What was delivered of page `at`. */
  done: keys.optional(),
});

/**
 * How far an API source was delivered. `watermark` moves at the end of a walk only, so that an API may send its newest
 * entries first; until then every page is asked for with the same time filter.
 */
export const apiPosition = z.object({
  /** Time of the newest entry of all walks that came to their end, milliseconds; null before the first. */
  watermark: time.nullable(),
  /** Entries before this time are old; later ones are new unless `recent` has them. */
  floor: time.nullable(),
  recent: storedWindow.optional(),
  /** Entries without a readable time, of the last walk. */
  undated: keys.optional(),
  walk: walk.optional(),
  /** Mode `window`: everything before this time was read. */
  closed: time.optional(),
  /** Where the next window begins, while windows are read again. */
  next: time.optional(),
  /** The oldest time of which entries may have come since it was read. */
  again: time.optional(),
  /** When windows were last read again. */
  rereadAt: time.optional(),
  /** What remains of the rate limit, and when it is full again. */
  rate: z.object({ remaining: z.number(), resetAt: time }).optional(),
  /** The API asked for no request before this time. */
  notBefore: time.optional(),
});

export type ApiPosition = z.output<typeof apiPosition>;
export type StoredWindow = z.output<typeof storedWindow>;
export type Walk = z.output<typeof walk>;

/** Most units that the age of a key can have. */
export const MAX_DELTA = 36 ** 4 - 1;

export function packKeys(values: Iterable<string>): string | undefined {
  return [...values].join('') || undefined;
}

export function unpackKeys(packed: string | undefined): string[] {
  return (packed?.match(/.{11}/g) ?? []).filter((value) => key.test(value));
}
