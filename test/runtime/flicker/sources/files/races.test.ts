import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
  type BigIntStats,
} from 'node:fs';
import type * as FsPromises from 'node:fs/promises';
import fc from 'fast-check';
import { Harness } from './harness';

/** Called before each look at the disk: what is done here happens in the middle of a poll. */
let beforeLook: () => void = () => {};

jest.mock('node:fs/promises', () => {
  const real = jest.requireActual<typeof FsPromises>('node:fs/promises');
  const looking =
    <Args extends unknown[], Result>(look: (...args: Args) => Promise<Result>) =>
    (...args: Args): Promise<Result> => {
      beforeLook();
      return look(...args);
    };
  const open = async (path: string, flags: string): Promise<FsPromises.FileHandle> => {
    const handle = await real.open(path, flags);
    const stat = handle.stat.bind(handle) as (options: { bigint: true }) => Promise<BigIntStats>;
    return Object.assign(handle, { read: looking(handle.read.bind(handle)), stat: looking(stat) });
  };
  return { ...real, stat: looking(real.stat), readdir: looking(real.readdir), open: looking(open) };
});

/** One thing that a writer or a rotation does at once. */
type Act = () => void;

const KEPT = 12;

/** A log whose rotation is done act by act. Every line is long enough to tell its file from any other. */
class Log {
  private lines = 0;

  constructor(private readonly at: Harness) {}

  write(count: number): Act {
    return () => {
      const lines = Array.from({ length: count }, () => `${++this.lines}:${'.'.repeat(1100)}:${this.lines}\n`);
      appendFileSync(this.path(0), lines.join(''));
    };
  }

  rotate(how: 'rename' | 'copytruncate'): Act[] {
    const cascade = Array.from({ length: KEPT - 1 }, (_, i) => KEPT - 1 - i).map((n): Act => () => {
      if (existsSync(this.path(n))) renameSync(this.path(n), this.path(n + 1));
    });
    const [log, first] = [this.path(0), this.path(1)];
    if (how === 'rename')
      return [...cascade, () => existsSync(log) && renameSync(log, first), () => appendFileSync(log, '')];
    const half = () => readFileSync(log).subarray(0, readFileSync(log).length / 2);
    return [
      ...cascade,
      () => existsSync(log) && writeFileSync(first, half()),
      // Between the last read and the cut nothing is written: that would be lost for every reader.
      () => existsSync(log) && (copyFileSync(log, first), truncateSync(log)),
    ];
  }

  get written(): string[] {
    return Array.from({ length: this.lines }, (_, i) => String(i + 1));
  }

  private path(n: number): string {
    return this.at.path(n === 0 ? 'app.log' : `app.log.${n}`);
  }
}

test('a rotation in the middle of a look', async () => {
  const part = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('write' as const), lines: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('rename' as const, 'copytruncate' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { minLength: 2, maxLength: 7 }),
      fc.infiniteStream(fc.nat(9)),
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      async (parts, pauses, kills) => {
        const at = new Harness({ start_at: 'beginning' });
        try {
          const log = new Log(at);
          log.write(2)();
          await at.start();
          await at.poll();
          at.save();
          const acts = parts.flatMap((one) => (one.do === 'write' ? [log.write(one.lines)] : log.rotate(one.do)));
          // Most acts follow each other at once, as those of a rotation do; some leave time for a few looks.
          let wait = pauses.next().value;
          beforeLook = () => {
            if (wait-- > 0) return;
            for (let pause = 0; pause < 3 && acts.length > 0; pause = pauses.next().value) acts.shift()?.();
            wait = pauses.next().value;
          };
          for (let turn = 0; acts.length > 0; turn++) {
            // A kill: what was not saved is read again.
            if (kills[turn]) await at.start(at.saved);
            else await at.poll(20);
          }
          beforeLook = () => {};
          for (let quiet = 0; quiet < 3; quiet++) await at.poll(6000);
          const ids = new Map<string, Set<string>>();
          for (const { line, id } of at.shipped) {
            const number = String(parseInt(line));
            ids.set(number, (ids.get(number) ?? new Set()).add(id));
          }
          expect([...ids.keys()].sort((a, b) => Number(a) - Number(b))).toEqual(log.written);
          expect([...ids].filter(([, { size }]) => size > 1)).toEqual([]);
          if (!kills.includes(true)) expect(at.shipped).toHaveLength(log.written.length);
          expect(at.metrics.bytesMissed.total()).toBe(0);
        } finally {
          beforeLook = () => {};
          await at.end();
        }
      },
    ),
    { numRuns: Number(process.env.FILES_RUNS ?? 60) },
  );
}, 600_000);
