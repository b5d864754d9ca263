import fc from 'fast-check';
import { startPages, type Pages, type PagesOptions } from '../../../../../dev/vendors/pages';
import { apiConfig, Harness } from './harness';

/** Now, for the source; events are before it. */
const NOW = Date.parse('2026-03-01T12:00:00Z');
const limit = 3;

const kinds = ['offset', 'page', 'page-open', 'cursor', 'link', 'single'] as const;
type Kind = (typeof kinds)[number];

const pagination = {
  offset: { pagination_type: 'offset', offset_param: 'offset', limit_param: 'limit', page_size: limit },
  page: {
    pagination_type: 'page',
    page_param: 'page',
    has_more_field: 'meta.more',
    limit_param: 'limit',
    page_size: limit,
  },
  'page-open': { pagination_type: 'page', page_param: 'page', limit_param: 'limit', page_size: limit },
  cursor: {
    pagination_type: 'cursor',
    cursor_param: 'cursor',
    next_cursor_field: 'meta.next',
    limit_param: 'limit',
    page_size: limit,
  },
  link: { pagination_type: 'link', limit_param: 'limit', page_size: limit },
  single: undefined,
} as const;

function configOf(pages: Pages, kind: Kind, options: { filter: boolean; id: boolean; maxPages: number }) {
  const way = pagination[kind];
  return apiConfig({
    endpoint: pages.url(kind === 'page-open' ? 'page' : kind),
    results_field: kind === 'link' || kind === 'single' ? '' : 'items',
    start_from: 'beginning',
    max_pages: options.maxPages,
    ...(way && { pagination: way }),
    ...(options.id && { id_field: 'id' }),
    ...(options.filter && { time_filter_param: 'since', time_filter_format: 'unix_ms' }),
  });
}

/** What happens, in order. `add`: events at times so many milliseconds after the beginning, arriving together. */
type Step =
  | { readonly kind: 'add'; readonly times: readonly number[] }
  | { readonly kind: 'fill'; readonly settle: boolean }
  | { readonly kind: 'kill' };

const steps = (times: fc.Arbitrary<number[]>, kills: boolean) =>
  fc.array(
    fc.oneof(
      { weight: 3, arbitrary: times.map((added): Step => ({ kind: 'add', times: added })) },
      { weight: 5, arbitrary: fc.boolean().map((settle): Step => ({ kind: 'fill', settle })) },
      ...(kills ? [{ weight: 1, arbitrary: fc.constant<Step>({ kind: 'kill' }) }] : []),
    ),
    { maxLength: 14 },
  );

const server = fc.record<PagesOptions>({
  order: fc.constantFrom('added', 'oldest-first', 'newest-first'),
  overlap: fc.integer({ min: 0, max: 2 }),
  exclusive: fc.boolean(),
  maxPageSize: fc.integer({ min: 1, max: 5 }),
});
const sizes = fc.record({ events: fc.integer({ min: 1, max: 6 }), bytes: fc.constant(10_000) });

/** Few distinct times, so that many are equal; in any order. */
const anyTimes = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 7 });

interface Run {
  readonly kind: Kind;
  readonly options: PagesOptions;
  readonly batch: { events: number; bytes: number };
  readonly script: readonly Step[];
  readonly filter: boolean;
  readonly id: boolean;
  readonly maxPages: number;
}

async function play(run: Run, bodyOf: (n: number, time: number) => unknown) {
  const pages = await startPages(run.options);
  const harness = new Harness(configOf(pages, run.kind, run), run.batch, NOW);
  let added = 0;
  const watermarks: number[] = [];
  const note = () => watermarks.push(Number(harness.position['watermark'] ?? 0));
  try {
    await harness.start();
    for (const step of run.script) {
      if (step.kind === 'kill') await harness.restart();
      else if (step.kind === 'fill') await harness.fill(step.settle);
      else {
        for (const offset of step.times) {
          const time = NOW - 100_000 + offset * 250;
          pages.add({ time, body: bodyOf(added++, time) });
        }
      }
      note();
    }
    // Two walks that come to their end: the one that is open, and one that sees everything from the beginning.
    for (let ends = 0, polls = 0; ends < 2; polls++) {
      if (polls > 4 * (added + 3)) throw new Error('the walk does not end');
      await harness.poll();
      note();
      if (harness.position['walk'] === undefined) ends++;
    }
  } finally {
    await harness.close();
    await pages.stop();
  }
  expect(watermarks).toEqual([...watermarks].sort((a, b) => a - b));
  return { shipped: harness.shipped, added, position: harness.position };
}

const run = (times: fc.Arbitrary<number[]>, kills: boolean, id: fc.Arbitrary<boolean>, kind: Kind) =>
  fc.record<Run>({
    kind: fc.constant(kind),
    options: server,
    batch: sizes,
    script: steps(times, kills),
    filter: fc.boolean(),
    id,
    maxPages: fc.integer({ min: 1, max: 4 }),
  });

describe.each(kinds)('random feeds over %s', (kind) => {
  const runs = { numRuns: 15 };

  it('arrive exactly once when nothing is killed and entries have ids', async () => {
    await fc.assert(
      fc.asyncProperty(run(anyTimes, false, fc.constant(true), kind), async (one) => {
        const { shipped, added } = await play(one, (n, time) => ({ id: `e${n}`, time }));
        expect(shipped.map(({ id }) => id).sort()).toEqual(Array.from({ length: added }, (_, n) => `e${n}`).sort());
      }),
      runs,
    );
  });

  it('arrive at least once whenever the process is killed, equal entries without ids included', async () => {
    await fc.assert(
      fc.asyncProperty(run(anyTimes, true, fc.constant(false), kind), async (one) => {
        const { shipped, added } = await play(one, (_, time) => ({ time, text: 'the same' }));
        const wanted = new Map<string, number>();
        const times = one.script.flatMap((step) => (step.kind === 'add' ? step.times : []));
        for (const offset of times) {
          const line = JSON.stringify({ time: NOW - 100_000 + offset * 250, text: 'the same' });
          wanted.set(line, (wanted.get(line) ?? 0) + 1);
        }
        for (const [line, count] of wanted) {
          expect(shipped.filter((record) => record.line === line).length).toBeGreaterThanOrEqual(count);
        }
        expect(shipped.length).toBeGreaterThanOrEqual(added);
      }),
      runs,
    );
  });
});

describe('a long feed', () => {
  /** Seconds that each entry is later than the one before; many are at the same time. */
  const longFeed = fc.array(fc.constantFrom(0, 0, 1, 1, 40), { minLength: 100, maxLength: 200 });

  it.each(['oldest-first', 'newest-first', 'added'] as const)(
    'of more entries than are remembered arrives exactly once, %s',
    async (order) => {
      await fc.assert(
        fc.asyncProperty(
          longFeed,
          fc.constantFrom<Kind[]>('offset', 'cursor', 'link'),
          fc.boolean(),
          fc.integer({ min: 25, max: 150 }),
          async (feed, kind, filter, chunk) => {
            const pages = await startPages({ order });
            const way = { ...pagination[kind], page_size: 40 };
            const harness = new Harness(
              {
                ...configOf(pages, kind, { filter, id: true, maxPages: 2 }),
                pagination: apiConfig({ endpoint: 'http://a', pagination: way }).pagination,
              },
              undefined,
              NOW,
            );
            let time = NOW - 100_000_000;
            try {
              for (let n = 0; n < feed.length; n++) {
                time += Number(feed[n]) * 1000;
                pages.add({ time, body: { id: n, time: new Date(time).toISOString() } });
                if (n % chunk === chunk - 1)
                  do await harness.poll();
                  while (harness.position['walk'] !== undefined);
              }
              do await harness.poll();
              while (harness.position['walk'] !== undefined);
              await harness.poll();
            } finally {
              await harness.close();
              await pages.stop();
            }
            expect(harness.shipped.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(feed.map((_, n) => n));
          },
        ),
        { numRuns: 5, endOnFailure: true },
      );
    },
  );
});
