interface Played {
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly figures: { readonly fates: ReadonlyMap<string, number> };
}

/** Plays the schedule of a seed. */
type Play = (seed: number, sabotage?: Record<string, never>, traced?: boolean) => Promise<Played>;

const usage = (name: string) => `npm run torture -- ${name} [--seeds N] [--from SEED] | --seed SEED
  --seeds N     play N schedules (default 10000)
  --from SEED   the first of them (default 1)
  --seed SEED   play one and print what happened in it`;

/** Plays many seeded schedules, or one of them with its trace. Tells the exit code: 0 when no invariant was broken. */
export async function playSchedules(name: string, play: Play, args: string[]): Promise<number> {
  const options = new Map<string, number>();
  for (let index = 0; index < args.length; index += 2) {
    const value = Number(args[index + 1]);
    if (!['--seeds', '--from', '--seed'].includes(args[index] ?? '') || !Number.isInteger(value)) {
      console.error(usage(name));
      return 2;
    }
    options.set(args[index] ?? '', value);
  }
  const one = options.get('--seed');
  return one === undefined
    ? await many(name, play, options.get('--from') ?? 1, options.get('--seeds') ?? 10_000)
    : await replay(play, one);
}

async function replay(play: Play, seed: number): Promise<number> {
  const { trace, violations } = await play(seed, {}, true);
  for (const line of trace) console.log(line);
  for (const violation of violations) console.log(`BROKEN: ${violation}`);
  console.log(violations.length === 0 ? `seed ${seed}: no invariant was broken` : `seed ${seed} failed`);
  return violations.length === 0 ? 0 : 1;
}

async function many(name: string, play: Play, from: number, seeds: number): Promise<number> {
  const started = performance.now();
  const totals = new Map<string, number>();
  const add = (what: string, count: number) => totals.set(what, (totals.get(what) ?? 0) + count);
  const failed: number[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    const { violations, figures } = await play(seed);
    const { fates, ...counts } = figures;
    for (const [what, count] of Object.entries(counts)) add(what, Number(count));
    for (const [fate, count] of fates) add(`request ${fate}`, count);
    if (violations.length > 0) {
      failed.push(seed);
      console.log(`seed ${seed}: ${violations[0]} (replay: npm run torture -- ${name} --seed ${seed})`);
    }
    const done = seed - from + 1;
    if (done % 500 === 0) console.log(`${done} of ${seeds} schedules, ${failed.length} failed`);
  }
  for (const [what, count] of totals) console.log(`${String(count).padStart(10)} ${what}`);
  const seconds = (performance.now() - started) / 1_000;
  console.log(`${seeds} schedules in ${seconds.toFixed(0)} s, ${failed.length} failed`);
  return failed.length === 0 ? 0 : 1;
}
