import { present } from './entries';
import type { ApiPosition } from './position';
import type { ApiSpec, Mode } from './spec';

type WindowMode = Extract<Mode, { kind: 'window' }>;

/** Windows begin and end at whole seconds: many APIs count in them. */
const SECOND = 1000;

/**
 * The position with the window to read now; undefined when there is none yet. While no window is read again `closed` is
 * where the next one begins; else `next` is.
 */
export function openWindow(
  spec: ApiSpec,
  mode: WindowMode,
  position: ApiPosition,
  now: number,
): ApiPosition | undefined {
  const limit = Math.floor((now - mode.lagMs) / SECOND) * SECOND;
  const oldest = spec.retentionMs === undefined ? 0 : now - spec.retentionMs + 60_000;
  const closed = position.closed ?? position.floor ?? oldest;
  const again = position.next ?? rereadFrom(mode, position, closed, now);
  const begin = Math.max(again ?? closed, oldest);
  const from = Math.floor(begin / SECOND) * SECOND;
  const to = Math.min(from + mode.chunkMs, limit);
  if (to <= from) return undefined;
  return present({
    ...position,
    closed,
    next: again,
    rereadAt: again !== undefined && position.next === undefined ? now : position.rereadAt,
    walk: { of: spec.of, newest: null, from, to },
  });
}

/** Where to begin when windows are to be read again: undefined when that is not due, or would find nothing. */
function rereadFrom(mode: WindowMode, position: ApiPosition, closed: number, now: number): number | undefined {
  const { overlapMs } = mode.memory;
  const since = now - (position.rereadAt ?? 0);
  if (since >= 0 && since < mode.rereadMs) return undefined;
  const cut = position.recent?.cut ?? null;
  // What is before the start was never read; what is before the cut is no longer known.
  const from = Math.max(closed - overlapMs, position.floor ?? 0, cut === null ? 0 : cut + SECOND);
  return from < closed ? from : undefined;
}

/** The oldest time that may be read again once this window is closed. */
export function horizonOf(mode: WindowMode, position: ApiPosition): number {
  const closed = Math.max(position.closed ?? 0, position.walk?.to ?? 0);
  return Math.min(closed - mode.memory.overlapMs, position.walk?.to ?? closed) - SECOND;
}

/**
 * The position after a window was read to its end. `completed`: the same, as far as entries go.
 * @returns whether the next window follows at once
 */
export function closeWindow(
  mode: WindowMode,
  { walk, closed: before }: ApiPosition,
  completed: ApiPosition,
): { readonly position: ApiPosition; readonly more: boolean } {
  const { from = 0, to = 0 } = walk ?? {};
  const closed = Math.max(before ?? 0, to);
  const position = present({ ...completed, closed, next: to < closed ? to : undefined });
  return { position, more: to < closed || to - from >= mode.chunkMs };
}

/** Time since which entries cannot have been read, because the vendor no longer keeps them. */
export function lostBefore(spec: ApiSpec, { closed }: ApiPosition, now: number): number | undefined {
  if (spec.retentionMs === undefined || closed === undefined) return undefined;
  const oldest = now - spec.retentionMs;
  return closed < oldest ? oldest : undefined;
}
