import { parseArgs } from 'node:util';
import { tortureRun } from './run';

/** `npm run torture -- flicker --kills N [--seed S]`. The result is the exit code. */
export async function tortureFlicker(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      kills: { type: 'string', default: '100' },
      seed: { type: 'string' },
      cap: { type: 'string', default: '500' },
      verbose: { type: 'boolean', default: false },
    },
  });
  const kills = Number(values.kills);
  const cap = Number(values.cap);
  const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
  if (![kills, cap, seed].every((number) => Number.isInteger(number) && number > 0)) {
    console.error('npm run torture -- flicker [--kills N] [--seed S] [--cap C] [--verbose]: whole numbers above 0');
    return 2;
  }
  console.log(`seed ${seed}: ${kills} kills, cap ${cap}`);
  const report = await tortureRun({
    kills,
    seed,
    cap,
    events: Math.max(50 * cap, kills * 300),
    progress: (text) => console.log(text),
    ...(values.verbose && { onLine: (line) => console.log(line) }),
  });
  const { missing, problems, kills: moments, ...counts } = report;
  console.table({ ...counts, lost: missing.length });
  console.table(moments);
  for (const problem of problems.slice(0, 20)) console.error(problem);
  if (missing.length > 0) console.error(`lost: ${missing.slice(0, 20).join(', ')}`);
  const good = missing.length === 0 && problems.length === 0 && report.mostAfterOneKill <= cap && report.exitCode === 0;
  console.log(good ? 'nothing was lost' : `FAILED with seed ${seed}`);
  return good ? 0 : 1;
}
