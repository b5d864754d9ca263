import { simulate } from '../../../dev/sim/simulate';
import { mutations } from './mutations';

const SCHEDULES = 300;

/** Seeds that catch rare mutations; should they cease to, the others are tried. */
const early: Readonly<Record<string, number>> = { 'seq reused': 149 };

test(`no invariant is broken in ${SCHEDULES} seeded schedules`, async () => {
  const failed: string[] = [];
  const met = { kills: 0, fenced: 0, repeated: 0, resent: 0 };
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const { violations, figures } = await simulate(seed);
    for (const name of ['kills', 'fenced', 'repeated', 'resent'] as const) met[name] += figures[name];
    if (violations.length > 0) failed.push(`npm run torture -- registry --seed ${seed}: ${violations[0]}`);
  }
  expect(failed).toEqual([]);
  // The schedules were about something.
  expect(Math.min(...Object.values(met))).toBeGreaterThan(SCHEDULES);
}, 120_000);

test('the same seed plays the same schedule', async () => {
  const first = await simulate(7, {}, true);
  await simulate(8);
  const again = await simulate(7, {}, true);
  expect(first.trace.length).toBeGreaterThan(50);
  expect(again.trace).toEqual(first.trace);
});

test.each(Object.entries(mutations))(
  'the schedules catch: %s',
  async (name, sabotage) => {
    let caught: string | undefined;
    for (const seed of [early[name] ?? 1, ...Array.from({ length: SCHEDULES }, (_, i) => i + 1)]) {
      caught = (await simulate(seed, sabotage)).violations[0];
      if (caught !== undefined) break;
    }
    expect(caught).toBeDefined();
  },
  120_000,
);
