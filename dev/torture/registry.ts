import { simulate } from '../sim/simulate';

const usage = `npm run torture -- registry [--seeds N] [--from SEED] | --seed SEED
  --seeds N     play N schedules (default 10000)
  --from SEED   the first of them (default 1)
  --seed SEED   play one and print what happened in it`;

/** Plays seeded schedules against the registry protocol. Tells the exit code: 0 when no invariant was broken. */
export async function tortureRegistry(args: string[]): Promise<number> {
  const options = new Map<string, number>();
  for (let index = 0; index < args.length; index += 2) {
    const value = Number(args[index + 1]);
    if (!['--seeds', '--from', '--seed'].includes(args[index] ?? '') || !Number.isInteger(value)) {
      console.error(usage);
      return 2;
    }
    options.set(args[index] ?? '', value);
  }
  const one = options.get('--seed');
  return one === undefined
    ? await many(options.get('--from') ?? 1, options.get('--seeds') ?? 10_000)
    : await replay(one);
}

async function replay(seed: number): Promise<number> {
  const { trace, violations } = await simulate(seed, {}, true);
  for (const line of trace) console.log(line);
  for (const violation of violations) console.log(`BROKEN: ${violation}`);
  console.log(violations.length === 0 ? `seed ${seed}: no invariant was broken` : `seed ${seed} failed`);
  return violations.length === 0 ? 0 : 1;
}

async function many(from: number, seeds: number): Promise<number> {
  const started = performance.now();
  const totals = new Map<string, number>();
  const add = (name: string, count: number) => totals.set(name, (totals.get(name) ?? 0) + count);
  const failed: number[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    const { violations, figures } = await simulate(seed);
    const { fates, ...counts } = figures;
    for (const [name, count] of Object.entries(counts)) add(name, count);
    for (const [fate, count] of fates) add(`request ${fate}`, count);
    if (violations.length > 0) {
      failed.push(seed);
      console.log(`seed ${seed}: ${violations[0]} (replay: npm run torture -- registry --seed ${seed})`);
    }
    const done = seed - from + 1;
    if (done % 500 === 0) console.log(`${done} of ${seeds} schedules, ${failed.length} failed`);
  }
  for (const [name, count] of totals) console.log(`${String(count).padStart(10)} ${name}`);
  const seconds = (performance.now() - started) / 1_000;
  console.log(`${seeds} schedules in ${seconds.toFixed(0)} s, ${failed.length} failed`);
  return failed.length === 0 ? 0 : 1;
}
