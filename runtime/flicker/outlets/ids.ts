import { createHash } from 'node:crypto';
import type { Records } from '../batch';
import { decodeAll } from '../destinations/record';

/** Characters that stand for an id: 66 bits of its hash. */
const LENGTH = 11;

/** The ids of records, hashed; undefined for a record without one. */
export function idsOf(records: Records): (string | undefined)[] {
  return decodeAll(records).map(({ id }) =>
    id === undefined ? undefined : createHash('sha256').update(id).digest('base64url').slice(0, LENGTH),
  );
}

/** The records whose ids are not among these. A copy. */
export function without(records: Records, ids: ReadonlySet<string>): Records {
  return records.pick(idsOf(records).flatMap((id, index) => (id !== undefined && ids.has(id) ? [] : [index])));
}

/** Ids as one text, for the registry. */
export const encodeIds = (ids: Iterable<string>): string => [...ids].join('');

export function decodeIds(text = ''): Set<string> {
  const count = Math.floor(text.length / LENGTH);
  return new Set(Array.from({ length: count }, (_, i) => text.slice(i * LENGTH, (i + 1) * LENGTH)));
}
