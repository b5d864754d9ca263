import fc from 'fast-check';
import type { ApiPosition } from '../../../../../runtime/flicker/sources/api/position';
import { closeWindow, crowdedOut, horizonOf, openWindow } from '../../../../../runtime/flicker/sources/api/windows';

const START = Date.parse('2026-03-01T12:00:00Z');
const MINUTE = 60_000;

interface Window {
  readonly from: number;
  readonly to: number;
  /** When it was asked for. */
  readonly at: number;
}

const run = fc.record({
  chunk: fc.constantFrom(3, 10, 60, Number.POSITIVE_INFINITY),
  lag: fc.integer({ min: 0, max: 5 }),
  overlap: fc.integer({ min: 1, max: 40 }),
  reread: fc.constantFrom(0, 4, 15),
  maxPages: fc.constantFrom(1, 2, 100),
  /** Minutes between polls; the source may be away for long. */
  waits: fc.array(fc.constantFrom(0.1, 1, 1, 5, 90), { minLength: 3, maxLength: 25 }),
  /** Events: minutes after the start, and which share of the overlap they are late. */
  events: fc.array(fc.tuple(fc.integer({ min: 0, max: 150 }), fc.constantFrom(0, 0.3, 1)), { maxLength: 20 }),
  /** Polls after which everything since the poll before is forgotten. */
  kills: fc.uniqueArray(fc.integer({ min: 0, max: 24 }), { maxLength: 3 }),
});

it('windows reach every event that is no later than the overlap, and remember what they may meet again', () => {
  fc.assert(
    fc.property(run, ({ chunk, lag, overlap, reread, maxPages, waits, events, kills }) => {
      const mode = {
        kind: 'window',
        chunkMs: chunk * MINUTE,
        lagMs: lag * MINUTE,
        rereadMs: reread * MINUTE,
        coarse: false,
        exclusive: false,
        memory: { overlapMs: overlap * MINUTE, entries: 10, unit: 1000 },
      } as const;
      let position: ApiPosition = { watermark: START, floor: START };
      let now = START;
      let horizon = 0;
      const read: Window[] = [];
      const poll = (most: number) => {
        const began = now;
        for (let page = 0; page < most; page++) {
          const opened = openWindow({ of: 'x', retentionMs: undefined }, mode, position, {
            now: began,
            first: page === 0,
          });
          if (!opened) return;
          if (page > 500) throw new Error('the poll does not end');
          const { from = 0, to = 0 } = opened.walk ?? {};
          if (from < horizon) throw new Error('what it may meet again is forgotten');
          if (to - from > mode.chunkMs || to > began - mode.lagMs) throw new Error('the window is too long');
          read.push({ from, to, at: now });
          const after = horizonOf(opened);
          position = closeWindow(opened, { ...opened, walk: undefined });
          horizon = after;
          now += 700;
        }
      };
      waits.forEach((wait, i) => {
        now += wait * MINUTE;
        const before = { position, horizon, count: read.length };
        poll(maxPages);
        if (!kills.includes(i)) return;
        ({ position, horizon } = before);
        read.length = before.count;
      });
      // Until all of it must have been seen.
      for (let i = 0; i < 12; i++) {
        now += 30 * MINUTE;
        poll(Number.POSITIVE_INFINITY);
      }
      const missed = events.filter(([minute, late]) => {
        const time = START + minute * MINUTE;
        const visible = time + late * mode.memory.overlapMs;
        return !read.some(({ from, to, at }) => from <= time && time < to && at >= visible);
      });
      expect(missed).toEqual([]);
    }),
    { numRuns: 80 },
  );
});

it('windows are read again once in their time, and not at every poll', () => {
  const memory = { overlapMs: 60 * MINUTE, entries: 10, unit: 1000 };
  const mode = {
    kind: 'window',
    chunkMs: 10 * MINUTE,
    lagMs: 0,
    rereadMs: 30 * MINUTE,
    coarse: false,
    exclusive: false,
    memory,
  } as const;
  let position: ApiPosition = { watermark: START, floor: START };
  let windows = 0;
  for (let minute = 1; minute <= 600; minute++) {
    for (let first = true; ; first = false) {
      const poll = { now: START + minute * MINUTE, first };
      const opened = openWindow({ of: 'x', retentionMs: undefined }, mode, position, poll);
      if (!opened) break;
      position = closeWindow(opened, { ...opened, walk: undefined });
      windows++;
    }
  }
  // 600 new ones; twenty times an hour and a half in windows of ten minutes.
  expect(windows).toBeLessThan(600 + 20 * 10);
});

describe('late entries are not seen where more came than are remembered', () => {
  const memory = { overlapMs: 10 * MINUTE, entries: 10, unit: 1000 };
  const recent = (cut: number | null) => ({ newest: START, cut, ids: '' });
  const ascending = { preset: 'x', mode: { kind: 'watermark', ascending: true, memory } } as const;
  const base = { watermark: START, floor: null };

  it('in ascending order: what was forgotten is no older than the overlap', () => {
    const at = (cut: number | null) => crowdedOut(ascending, { ...base, recent: recent(cut) });
    expect(at(START - MINUTE)).toEqual({ from: START - 10 * MINUTE, to: START - MINUTE });
    expect([at(null), at(START - 10 * MINUTE - 1)]).toEqual([undefined, undefined]);
    expect(crowdedOut({ ...ascending, preset: undefined }, { ...base, recent: recent(START) })).toBeUndefined();
  });

  it('in windows: what was forgotten was to be read again', () => {
    const mode = {
      kind: 'window',
      chunkMs: 1,
      lagMs: 0,
      rereadMs: 0,
      coarse: false,
      exclusive: false,
      memory,
    } as const;
    const at = (again: number | undefined) =>
      crowdedOut({ preset: 'x', mode }, { ...base, recent: recent(START - MINUTE), again });
    expect(at(START - 2 * MINUTE)).toEqual({ from: START - 2 * MINUTE, to: START - MINUTE });
    expect([at(undefined), at(START)]).toEqual([undefined, undefined]);
  });
});
