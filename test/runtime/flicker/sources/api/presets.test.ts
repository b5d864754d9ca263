import fc from 'fast-check';
import { flickerEvents } from '../../../../../contract/flicker';
import { SourceError } from '../../../../../runtime/flicker/source';
import { NOW, open } from './fixtures';
import { Harness } from './harness';
import { subjects, type Subject } from './vendors';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** How late an event may come and still arrive. */
const late: Readonly<Record<string, number>> = {
  google_workspace: 5 * HOUR,
  cloudflare: 50 * MINUTE,
  cloudflare_v1: 50 * MINUTE,
};
const LATE = 8 * MINUTE;

type Step =
  | { readonly kind: 'append'; readonly count: number; readonly late: number }
  | { readonly kind: 'fill'; readonly settle: boolean }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'kill' }
  | { readonly kind: 'expire tokens' };

const appended = fc.record({ count: fc.integer({ min: 1, max: 20 }), late: fc.constantFrom(0, 0, 0.1, 0.5, 1) });
const passed = fc.constantFrom(0, 700, MINUTE, 5 * MINUTE);

const script = (kills: boolean) =>
  fc.array(
    fc.oneof(
      { weight: 4, arbitrary: appended.map((one): Step => ({ kind: 'append', ...one })) },
      {
        weight: 6,
        arbitrary: fc.boolean().map((settle): Step => ({ kind: 'fill', settle: settle || !kills })),
      },
      { weight: 3, arbitrary: passed.map((ms): Step => ({ kind: 'pass', ms })) },
      { weight: 1, arbitrary: fc.constant<Step>({ kind: 'expire tokens' }) },
      ...(kills ? [{ weight: 2, arbitrary: fc.constant<Step>({ kind: 'kill' }) }] : []),
    ),
    { minLength: 4, maxLength: 24 },
  );

interface Run {
  readonly subject: Subject;
  readonly source: Harness;
  /** Fills once; waits as long as a refusal asks to. */
  fill(settle?: boolean): Promise<'more' | 'idle'>;
  /** Until nothing more is there, also of what comes late. */
  drain(): Promise<void>;
}

async function begin(name: string, batch = 5): Promise<Run> {
  const now = { read: () => NOW };
  const start = subjects[name];
  if (!start) throw new Error(`there is no vendor ${name}`);
  const subject = await start({ now: () => now.read() });
  const source = new Harness(subject.config, { events: batch, bytes: 1024 ** 2 }, NOW);
  now.read = () => source.time;
  open.push({ stop: () => subject.vendor.stop() }, source);
  await source.start();
  const fill = async (settle = true) => {
    try {
      return await source.fill(settle);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      source.time += Math.max(1000, error.retryAfterMs ?? 1000);
      return 'more';
    }
  };
  const drain = async () => {
    // A page may be empty though there are events: only some polls without any prove the end.
    for (let quiet = 0, count = -1; quiet < 3; quiet = count === source.shipped.length ? quiet + 1 : 0) {
      count = source.shipped.length;
      source.time += 30 * MINUTE;
      for (let turns = 0; (await fill()) === 'more'; turns++) if (turns > 2000) throw new Error('it does not end');
    }
  };
  return { subject, source, fill, drain };
}

async function play(name: string, batch: number, steps: readonly Step[]): Promise<Run> {
  const run = await begin(name, batch);
  const { subject, source, fill } = run;
  // Where the order is not that of time, what comes before the first poll has none.
  subject.vendor.append(1, NOW);
  await fill();
  for (const step of steps) {
    switch (step.kind) {
      case 'append': {
        // Nothing from before the start.
        const time = Math.max(NOW, source.time - step.late * (late[name] ?? LATE));
        subject.vendor.append(step.count, time);
        break;
      }
      case 'fill':
        await fill(step.settle);
        break;
      case 'pass':
        source.time += step.ms;
        break;
      case 'kill':
        await source.restart();
        break;
      case 'expire tokens':
        subject.vendor.expireTokens?.();
        break;
    }
  }
  await run.drain();
  return run;
}

describe.each(Object.keys(subjects))('the preset of %s', (name) => {
  const stop = async ({ subject, source }: Run) => {
    await source.close();
    await subject.vendor.stop();
    open.length = 0;
  };

  it('ships every event once, however late, whatever the pages', async () => {
    await fc.assert(
      fc.asyncProperty(script(false), fc.integer({ min: 1, max: 12 }), async (steps, batch) => {
        const run = await play(name, batch, steps);
        expect(run.source.shipped.map(({ id }) => id).sort()).toEqual([...run.subject.ids()].sort());
        expect(run.source.shipped.every(({ time }) => time !== undefined)).toBe(true);
        expect(run.source.log.filter(({ event }) => event === flickerEvents.gap)).toEqual([]);
        await stop(run);
      }),
      { numRuns: 4 },
    );
  });

  it('loses none when it is killed', async () => {
    await fc.assert(
      fc.asyncProperty(script(true), fc.integer({ min: 1, max: 12 }), async (steps, batch) => {
        const run = await play(name, batch, steps);
        expect([...new Set(run.source.shipped.map(({ id }) => id))].sort()).toEqual([...run.subject.ids()].sort());
        await stop(run);
      }),
      { numRuns: 6 },
    );
  });
});
