import { tortureRun } from '../../dev/torture/flicker/run';

const CAP = 500;
const KILLS = 24;

/** More kills, other seeds: `npm run torture -- flicker --kills N --seed S`. */
test(`${KILLS} kills at bad moments lose nothing and repeat no more than the cap each`, async () => {
  const report = await tortureRun({ kills: KILLS, seed: 11, cap: CAP, events: 50 * CAP });
  expect(report.problems).toEqual([]);
  expect(report.missing).toEqual([]);
  expect(report.mostAfterOneKill).toBeLessThanOrEqual(CAP);
  expect(report.exitCode).toBe(0);
  expect(report.sent).toBeGreaterThanOrEqual(50 * CAP);
  // The run is worth something only if it hit what it aimed at, and the destination refused something for good.
  expect(report.repeatedAfterKills).toBeGreaterThan(0);
  const { time, ...aimed } = report.kills;
  expect(Object.values(aimed).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(KILLS / 4);
  expect(time + Object.values(aimed).reduce((sum, count) => sum + count, 0)).toBe(KILLS);
}, 150_000);
