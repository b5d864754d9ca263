import { rateFacts } from '../../../../../runtime/flicker/sources/api/rate-limit';
import { readTime, writeTime } from '../../../../../runtime/flicker/sources/api/timestamp';
import { contentHash, fieldAt, lineOf, vendorId } from '../../../../../runtime/flicker/sources/api/fields';
import { SMALL_MEMORY } from '../../../../../runtime/flicker/sources/api/spec';
import { MOST_REMEMBERED, RecentWindow } from '../../../../../runtime/flicker/sources/api/window';

const REMEMBERED = SMALL_MEMORY.entries;

const at = Date.parse('2026-02-03T04:05:06.789Z');

describe('readTime', () => {
  it.each([
    ['2026-02-03T04:05:06.789Z', at],
    ['2026-02-03t04:05:06.789123456z', at],
    ['2026-02-03 05:05:06.789+01:00', at],
    ['2026-02-03T04:05:06.789+0000', at],
    ['2026-02-03T04:05:06,789', at],
    ['2026-02-03', Date.parse('2026-02-03T00:00:00Z')],
    [1_770_091_506, 1_770_091_506_000],
    ['1770091506', 1_770_091_506_000],
    [1_770_091_506.789, at],
    [at, at],
    [String(at), at],
    [at * 1000 + 1, at],
    [at * 1e6, at],
    [999_999_999, 999_999_999_000],
    [0, undefined],
    [-5, undefined],
    [1e30, undefined],
    [null, undefined],
    [true, undefined],
    ['yesterday', undefined],
    ['2026-13-45T00:00:00Z', undefined],
    [{ at }, undefined],
  ])('auto reads %p as %p', (value, expected) => {
    expect(readTime(value, 'auto')).toBe(expected);
  });

  it('obeys a format that is set', () => {
    expect(readTime(1_770_091_506, 'unix_ms')).toBe(1_770_091_506);
    expect(readTime('1770091506', 'unix')).toBe(1_770_091_506_000);
    expect(readTime(at * 1000, 'unix_us')).toBe(at);
    expect(readTime(at, 'rfc3339')).toBeUndefined();
    expect(readTime('2026-02-03T04:05:06Z', 'unix')).toBeUndefined();
  });

  it('writes the time filter', () => {
    expect(writeTime(at, 'rfc3339')).toBe('2026-02-03T04:05:06.789Z');
    expect(writeTime(at, 'rfc3339_seconds')).toBe('2026-02-03T04:05:06Z');
    expect(writeTime(at, 'date')).toBe('2026-02-03');
    expect(writeTime(at, 'unix')).toBe(1_770_091_506);
    expect(writeTime(at, 'unix_ms')).toBe(at);
    expect(writeTime(-1000, 'unix')).toBe(0);
  });
});

describe('rateFacts', () => {
  const date = new Date(at).toUTCString();
  const seconds = Math.floor(at / 1000);
  // The clock of this machine is an hour wrong: it must not matter.
  const wait = (headers: Record<string, string>) => rateFacts({ date, ...headers }, at - 3_600_000).waitMs;

  it.each([
    ['Retry-After in seconds', { 'retry-after': '7' }, 7000],
    ['Retry-After as a date', { 'retry-after': new Date((seconds + 9) * 1000).toUTCString() }, 9000],
    [
      'Retry-After before a reset',
      { 'retry-after': '3', 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': '50' },
      3000,
    ],
    ['a reset in epoch seconds', { 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': String(seconds + 20) }, 21_000],
    [
      'a reset in epoch milliseconds',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String((seconds + 5) * 1000) },
      6000,
    ],
    ['a reset in seconds from now', { 'ratelimit-remaining': '0', 'ratelimit-reset': '12' }, 13_000],
    ['a reset that has passed', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(seconds - 5) }, 1000],
    ['a reset far away', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(seconds + 1e6) }, 3_600_000],
    ['something that remains', { 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': '12' }, undefined],
    ['no reset', { 'x-ratelimit-remaining': '0' }, undefined],
    ['garbage', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': 'soon', 'retry-after': 'later' }, undefined],
  ])('%s', (_, headers, expected) => {
    expect(wait(headers)).toBe(expected);
  });

  it('takes the own clock when the answer has no date', () => {
    expect(
      rateFacts({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(seconds + 1) }, seconds * 1000).waitMs,
    ).toBe(2000);
  });
});

describe('fields of an entry', () => {
  it('finds dot paths, and keys with dots', () => {
    const entry = { a: { b: [{ c: 1 }] }, 'x.y': 2, x: { y: 3, z: 4 }, '@timestamp': 5, toString: undefined };
    expect(fieldAt(entry, 'a.b.0.c')).toBe(1);
    expect(fieldAt(entry, 'x.y')).toBe(2);
    expect(fieldAt(entry, 'x.z')).toBe(4);
    expect(fieldAt(entry, '@timestamp')).toBe(5);
    for (const path of ['a.c', 'a.b.1', 'constructor', '__proto__.x', 'a.b.length.x'])
      expect(fieldAt(entry, path)).toBeUndefined();
    expect(fieldAt(null, 'a')).toBeUndefined();
  });

  it('takes no id that parsing may have rounded', () => {
    expect(vendorId({ id: 12 }, ['id'])).toBe('12');
    expect(vendorId(JSON.parse('{"id":9007199254740993}'), ['id'])).toBeUndefined();
    expect(vendorId({ id: '' }, ['id'])).toBeUndefined();
    expect(vendorId({ id: { a: 1 } }, ['id'])).toBeUndefined();
    expect(vendorId({ id: 12 }, [])).toBeUndefined();
  });

  it('joins the fields of an id, if all are there', () => {
    expect(vendorId({ id: { time: 't', q: 2 }, app: 'a' }, ['id.time', 'id.q', 'app'])).toBe('t/2/a');
    expect(vendorId({ id: { time: 't' }, app: 'a' }, ['id.time', 'id.q', 'app'])).toBeUndefined();
  });

  it('ships the message, else the entry', () => {
    expect(lineOf({ m: 'text' }, 'm')).toBe('text');
    expect(lineOf({ m: { a: 1 } }, 'm')).toBe('{"a":1}');
    expect(lineOf({ m: null }, 'm')).toBe('{"m":null}');
    expect(lineOf({ a: 1 }, undefined)).toBe('{"a":1}');
    expect(lineOf('plain', 'm')).toBe('"plain"');
  });

  it('hashes content whatever the order of its keys', () => {
    expect(contentHash({ a: 1, b: { c: [1, 2], d: null } })).toBe(contentHash({ b: { d: null, c: [1, 2] }, a: 1 }));
    expect(contentHash([1, 2])).not.toBe(contentHash([2, 1]));
    expect(contentHash({ a: '1' })).not.toBe(contentHash({ a: 1 }));
  });
});

describe('RecentWindow', () => {
  const key = (n: number) => String(n).padStart(11, '0');
  const fill = (count: number, time: (n: number) => number) => {
    const window = new RecentWindow(SMALL_MEMORY);
    for (let n = 0; n < count; n++) window.add(key(n), time(n));
    return window;
  };

  it('keeps the newest, and says above which time it is complete', () => {
    const stored = fill(1000, (n) => at + n).store();
    expect(stored).toMatchObject({ newest: at + 999, cut: at + 999 - REMEMBERED });
    expect(stored?.ids.length).toBe(15 * REMEMBERED);
    const again = RecentWindow.load(SMALL_MEMORY, stored);
    expect([again.has(key(999)), again.has(key(1000 - REMEMBERED)), again.has(key(999 - REMEMBERED))]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('is complete above its cut when equal times are cut apart', () => {
    const stored = fill(100, (n) => at + Math.floor(n / 40)).store();
    expect(stored).toMatchObject({ newest: at + 2, cut: at });
    expect(stored?.ids.length).toBe(15 * 60);
  });

  it('keeps all of the newest time, up to a bound', () => {
    expect(fill(500, () => at).store()).toMatchObject({ cut: null, ids: expect.stringMatching(/^.{7500}$/) });
    const most = fill(MOST_REMEMBERED + 5, () => at).store();
    expect(most?.cut).toBe(at);
    expect(most?.ids.length).toBe(15 * MOST_REMEMBERED);
  });

  it('forgets what is older than the overlap', () => {
    expect(fill(3, (n) => at + n * 500_000).store()).toMatchObject({ newest: at + 1_000_000, cut: at });
  });
});
