import { present } from './entries';
import type { ApiPosition } from './position';
import type { Range } from './request';
import type { ApiSpec, Mode } from './spec';

type WindowMode = Extract<Mode, { kind: 'window' }>;

/** Windows begin and end at whole seconds: many APIs count in them. */
const SECOND = 1000;
/** Entries at the very edge of what a vendor keeps may go while they are asked for. */
export const EDGE_MS = 60_000;

/** When a poll began, and whether nothing was read in it yet. */
export interface Poll {
  readonly now: number;
  readonly first: boolean;
}

/**
 * The position with the window to read now; undefined when there is none before the next poll. New time comes first, then
 * what is to be read again: `closed` is where the one begins, `next` where the other does.
 */
export function openWindow(
  spec: Pick<ApiSpec, 'of' | 'retentionMs'>,
  mode: WindowMode,
  position: ApiPosition,
  poll: Poll,
): ApiPosition | undefined {
  const { chunkMs } = mode;
  const limit = wholeSeconds(poll.now - mode.lagMs);
  const oldest = spec.retentionMs === undefined ? 0 : poll.now - spec.retentionMs + EDGE_MS;
  const closed = position.closed ?? position.floor ?? oldest;
  // Once in a poll: what is read in it is not read again in it.
  const due = poll.first && position.next === undefined ? rereadFrom(mode, position, closed, poll.now) : undefined;
  const base = due === undefined ? position : { ...position, next: due, again: undefined, rereadAt: poll.now };
  const open = (start: number, end: number): ApiPosition | undefined => {
    const from = wholeSeconds(Math.max(start, oldest));
    const to = Math.min(from + chunkMs, end);
    if (to <= from) return undefined;
    // What is older than the overlap has come by now.
    const late = Math.max(from, wholeSeconds(poll.now - mode.memory.overlapMs));
    const again = late < to ? Math.min(base.again ?? late, late) : base.again;
    return present({ ...base, closed, again, walk: { of: spec.of, newest: null, from, to } });
  };
  if (due !== undefined && closed < limit && limit - due <= chunkMs) return open(due, limit);
  if (closed < limit && (poll.first || base.next === undefined)) return open(closed, limit);
  return base.next === undefined ? undefined : open(base.next, closed);
}

/** Where to begin when windows are to be read again: undefined when that is not due, or would find nothing. */
function rereadFrom(
  { rereadMs }: WindowMode,
  { rereadAt = 0, again, recent, floor }: ApiPosition,
  closed: number,
  now: number,
): number | undefined {
  const since = now - rereadAt;
  if (again === undefined || (since >= 0 && since < Math.max(rereadMs, 1))) return undefined;
  const cut = recent?.cut ?? null;
  // What is before the start was never read; what is before the cut is no longer known.
  const from = Math.max(again, floor ?? 0, cut === null ? 0 : cut + SECOND);
  return from < closed ? from : undefined;
}

/** The oldest time that will be read again, or is not read yet, once this window is closed. */
export function horizonOf({ closed = 0, next, again, walk }: ApiPosition): number {
  const late = Math.min(again ?? Number.POSITIVE_INFINITY, next ?? Number.POSITIVE_INFINITY);
  return Math.min(late, Math.max(closed, walk?.to ?? 0)) - SECOND;
}

/** The position after a window was read to its end. `completed`: the same, as far as entries go. */
export function closeWindow({ walk, closed = 0, next }: ApiPosition, completed: ApiPosition): ApiPosition {
  const { from = 0, to = 0 } = walk ?? {};
  const reached = Math.max(closed, to);
  const rest = next !== undefined && from <= next ? (to < reached ? to : undefined) : next;
  return present({ ...completed, closed: reached, next: rest });
}

/** Clocks differ by that much, and answers take a while: the overlap makes up for it. */
const CLOCK_SLACK_MS = 5000;

/** How far this machine's clock is ahead of the vendor's, as the answer with this date tells. */
export function aheadOf(date: number, now: number): number {
  return now - date > CLOCK_SLACK_MS ? now - date : 0;
}

/**
 * The position with the window that is read cut off where the future begins, by the vendor's clock: the window was opened by
 * a clock that was ahead, and what is still to come must not count as read.
 */
export function cutWindow(mode: WindowMode, position: ApiPosition, now: number): ApiPosition {
  const { walk, again } = position;
  const limit = wholeSeconds(now - mode.lagMs);
  if (walk?.to === undefined || walk.to <= limit + CLOCK_SLACK_MS) return position;
  const { from = 0 } = walk;
  const late = Math.max(from, wholeSeconds(now - mode.memory.overlapMs));
  return { ...position, again: Math.min(again ?? late, late), walk: { ...walk, to: Math.max(from, limit) } };
}

const wholeSeconds = (time: number) => Math.floor(time / SECOND) * SECOND;

/**
 * The times whose late entries will not be seen: they are told from those that were read by what a position remembers, and
 * more were read than that.
 */
export function crowdedOut(
  { preset, mode }: Pick<ApiSpec, 'preset' | 'mode'>,
  { recent, again }: Pick<ApiPosition, 'recent' | 'again'>,
): Range | undefined {
  const to = recent?.cut ?? undefined;
  if (preset === undefined || recent === undefined || to === undefined || mode.kind === 'cursor') return undefined;
  const from = mode.kind === 'window' ? again : recent.newest - mode.memory.overlapMs;
  return from === undefined || to < from ? undefined : { from, to };
}

/** Time since which entries cannot have been read, because the vendor no longer keeps them. */
export function lostBefore(spec: ApiSpec, { closed }: ApiPosition, now: number): number | undefined {
  if (spec.retentionMs === undefined || closed === undefined) return undefined;
  const oldest = now - spec.retentionMs;
  return closed < oldest ? oldest : undefined;
}
