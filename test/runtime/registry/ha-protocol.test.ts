import { simulateHa } from '../../../dev/sim/simulate-ha';
import { haMutations } from './ha-mutations';

const SCHEDULES = 100;

test(`two to five replicas keep every invariant in ${SCHEDULES} seeded schedules`, async () => {
  const failed: string[] = [];
  const met = {
    kills: 0,
    stops: 0,
    pauses: 0,
    partitions: 0,
    jumps: 0,
    edits: 0,
    takeovers: 0,
    expired: 0,
    measured: 0,
  };
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    const { violations, figures } = await simulateHa(seed);
    for (const name of Object.keys(met) as (keyof typeof met)[]) met[name] += figures[name];
    if (violations.length > 0) failed.push(`npm run torture -- ha --seed ${seed}: ${violations[0]}`);
  }
  expect(failed).toEqual([]);
  // The schedules were about something.
  expect(Math.min(...Object.values(met))).toBeGreaterThan(SCHEDULES / 4);
}, 120_000);

test('the same seed plays the same schedule', async () => {
  const first = await simulateHa(7, {}, true);
  await simulateHa(8);
  const again = await simulateHa(7, {}, true);
  expect(first.trace.length).toBeGreaterThan(50);
  expect(again.trace).toEqual(first.trace);
});

test.each(Object.entries(haMutations))(
  'the schedules catch: %s',
  async (_name, { sabotage, breaks }) => {
    let caught: string | undefined;
    for (let seed = 1; seed <= SCHEDULES && caught === undefined; seed++) {
      caught = (await simulateHa(seed, sabotage)).violations.find((violation) => breaks.test(violation));
    }
    expect(caught).toBeDefined();
  },
  120_000,
);
