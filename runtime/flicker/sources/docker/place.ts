import type { ContainerEntry } from '../../state';

/** Where an entry stands in its stream: how many entries of the same time are before it. */
export interface Place {
  readonly ts: string;
  readonly index: number;
}

export type StreamPoints = ContainerEntry['streams'];

/** Whether a stream was shipped beyond a place. */
export function isShipped(point: StreamPoints[string] | undefined, { ts, index }: Place): boolean {
  return point !== undefined && (ts < point.ts || (ts === point.ts && index < point.sameTsCount));
}

/** Counts the entries of one time in each stream, in the order in which the daemon gives them. */
export function createPlaces(): (stream: string, ts: string) => Place {
  const last = new Map<string, Place>();
  return (stream, ts) => {
    const before = last.get(stream);
    const place = { ts, index: before?.ts === ts ? before.index + 1 : 0 };
    last.set(stream, place);
    return place;
  };
}

/** The later of what a stream was shipped up to: the clock of a host may go back. */
export function later(point: StreamPoints[string] | undefined, last: Place): StreamPoints[string] {
  if (isShipped(point, last) && point) return point;
  return { ts: last.ts, sameTsCount: last.index + 1 };
}
