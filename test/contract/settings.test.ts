import fc from 'fast-check';
import { z } from 'zod';
import { duration, httpUrl, nearest, parseSettings, SettingsError, size, strictObject } from '../../contract';

const problems = (schema: z.ZodType, value: unknown): readonly string[] => {
  try {
    parseSettings(schema, value, 'settings');
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
};

describe('a duration', () => {
  test.each([
    [1500, 1500],
    ['1500', 1500],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['5 m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ])('%p is %p ms', (text, ms) => expect(duration('final').parse(text)).toBe(ms));

  test.each(['', 's', '-1s', '1w', '1s 2ms', '0.5ms', -1, 0.5, null, {}, '${X}'])('%p is none', (value) => {
    expect(duration('final').safeParse(value).success).toBe(false);
  });

  test('keeps its bounds and names them', () => {
    const schema = z.object({ wait: duration('final', { min: 10, max: 1000 }) });
    expect(problems(schema, { wait: '2s' })).toEqual([
      'wait: expected a whole number of ms from 10 to 1000, or a text such as "30s" or "5m"; got "2s"',
    ]);
    expect(problems(schema, { wait: 9 })).toHaveLength(1);
    expect(problems(schema, { wait: '10ms' })).toEqual([]);
  });

  test('in a template may be filled in later', () => {
    expect(duration('template').parse('${WAIT}')).toBeNaN();
    expect(duration('template').safeParse('soon').success).toBe(false);
    expect(duration('template').parse('30s')).toBe(30_000);
  });

  test('in seconds is the same as in milliseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000 }), (ms) => duration('final').parse(`${ms / 1000}s`) === ms),
    );
  });
});

describe('a size', () => {
  test.each([
    [10, 10],
    ['10', 10],
    ['10B', 10],
    ['2KB', 2000],
    ['2KiB', 2048],
    ['1.5MiB', 1_572_864],
    ['1GB', 1e9],
  ])('%p is %p bytes', (text, bytes) => expect(size('final').parse(text)).toBe(bytes));

  test.each(['10b', '1TB', '1 KiB more'])('%p is none', (text) => {
    expect(size('final').safeParse(text).success).toBe(false);
  });
});

describe('an unknown key', () => {
  const schema = strictObject(
    { endpoint: z.string(), compression: z.boolean().optional() },
    { later: 'later comes later' },
  );

  test('is refused with the nearest known one', () => {
    expect(problems(schema, { endpoint: '', compresion: true })).toEqual([
      '(top level): unknown key "compresion", did you mean "compression"?',
    ]);
  });

  test('is refused with all known ones when none is near', () => {
    expect(problems(schema, { endpoint: '', qqq: 1 })).toEqual([
      '(top level): unknown key "qqq"; known keys: endpoint, compression',
    ]);
  });

  test('that a later version brings is refused by name', () => {
    expect(problems(schema, { endpoint: '', later: 1 })).toEqual(['(top level): later comes later']);
  });
});

test('a problem names the key, in lists and unions too, and never the value', () => {
  const schema = z.object({
    a: z.array(z.union([z.object({ b: z.number() }), z.object({ c: z.object({ d: z.number() }) })])),
  });
  const found = problems(schema, { a: [{ c: { d: 'hunter2' } }] });
  expect(found).toEqual([expect.stringMatching(/^a\[0\]\.c\.d: /)]);
  expect(found.join()).not.toContain('hunter2');
});

test.each([
  ['api_source', 'api_sources'],
  ['endpiont', 'endpoint'],
  ['ENDPOINT', 'endpoint'],
  ['zzzzzz', undefined],
])('the nearest to %p is %p', (word, near) => {
  expect(nearest(word, ['api_sources', 'endpoint', 'log_files'])).toBe(near);
});

test('a URL is absolute, http or https, or comes later', () => {
  const good = (mode: 'final' | 'template', url: string) => httpUrl(mode).safeParse(url).success;
  expect(good('final', 'https://a.example.com/x')).toBe(true);
  expect(good('final', 'ftp://a.example.com')).toBe(false);
  expect(good('final', '/x')).toBe(false);
  expect(good('final', '${URL}')).toBe(false);
  expect(good('template', '${URL}')).toBe(true);
});
