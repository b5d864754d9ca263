import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import fc from 'fast-check';
import { Harness } from './harness';

/** What a log, what rotates it, and what reads it do, in any order: nobody looks between two steps but at a poll. */
type Step =
  /** Lines of so many bytes beside their number. */
  | { readonly do: 'write'; readonly sizes: readonly number[] }
  /** `late`: the writer still has the renamed file. `pollAfter`: a poll falls between two steps of the rotation. */
  | {
      readonly do: 'rotate';
      readonly how: 'rename' | 'rename without a new file' | 'copytruncate';
      readonly late: boolean;
      readonly pollAfter: number | undefined;
    }
  /** Starts again first, from what was saved, when it is down. */
  | { readonly do: 'poll'; readonly wait: number; readonly batches: number | undefined }
  | { readonly do: 'save' | 'kill' };

const write = fc.record({
  do: fc.constant('write' as const),
  sizes: fc.array(fc.oneof(fc.nat(40), fc.integer({ min: 400, max: 1500 })), { minLength: 1, maxLength: 4 }),
});
const rotate = fc.record({
  do: fc.constant('rotate' as const),
  how: fc.constantFrom('rename' as const, 'rename without a new file' as const, 'copytruncate' as const),
  late: fc.boolean(),
  pollAfter: fc.option(fc.nat(8), { nil: undefined }),
});
const poll = fc.record({
  do: fc.constant('poll' as const),
  wait: fc.constantFrom(0, 20, 1000, 20_000, 4_000_000),
  batches: fc.option(fc.nat(4), { nil: undefined }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: write },
  { weight: 6, arbitrary: rotate },
  { weight: 5, arbitrary: poll },
  { weight: 1, arbitrary: fc.constant({ do: 'save' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'kill' as const }) },
);

const writes = (...sizes: number[]): Step & { do: 'write' } => ({ do: 'write', sizes });
const rotates = (how: (Step & { do: 'rotate' })['how'], pollAfter?: number, late = false): Step & { do: 'rotate' } => ({
  do: 'rotate',
  how,
  late,
  pollAfter,
});
const polls = (wait: number, batches?: number): Step => ({ do: 'poll', wait, batches });

type Run = [before: (Step & { do: 'write' | 'rotate' })[], later: number, after: Step[], events: number];

/** What was lost, repeated, or shipped though it was there before. */
const found: Run[] = [
  // The log was made and rotated before anybody looked.
  [[], 0, [writes(0), rotates('rename')], 1],
  // Cut after it was named, before it was read.
  [[], 0, [writes(0), polls(0, 1), rotates('copytruncate'), writes(400), polls(0)], 1],
  // An empty file was seen, and written to after it was renamed.
  [[], 0, [writes(0), polls(1000), rotates('copytruncate', 2), rotates('rename without a new file', 1, true)], 1],
  [[], 0, [writes(0), rotates('rename', 1), polls(1000), rotates('rename', 2, true), polls(1000)], 1],
  // A copy was seen while it was empty.
  [[], 0, [writes(1400), polls(1000), rotates('copytruncate', 0), polls(1000)], 1],
  // Idle for long, renamed, and written to once more.
  [[writes(0)], 0, [polls(4_000_000), rotates('rename', 1, true)], 1],
  // Rotated away before the first start, and started again.
  [[writes(400), rotates('rename')], 0, [{ do: 'kill' }], 1],
  [[writes(400), rotates('rename', undefined, true)], 0, [polls(4_000_000), { do: 'save' }, { do: 'kill' }], 1],
  [[writes(400), rotates('rename'), writes(9)], 500_000, [{ do: 'kill' }], 1],
];

/** Numbered files beside the log. */
const KEPT = 4;
/** Time of files moves in steps, as a kernel's does: 1/256 s is exact in binary. */
const TICKS = 256;

class Model {
  private lines = 0;
  private kills = 0;
  private started = false;
  private down = true;
  /** Lines that are there to be read. */
  private readonly wanted = new Set<number>();
  private savedLines = new Set<number>();
  private readonly idOf = new Map<number, string>();
  private checked = 0;

  constructor(
    private readonly at: Harness,
    private readonly literal: boolean,
  ) {}

  async step(next: Step): Promise<void> {
    this.at.time++;
    switch (next.do) {
      case 'write':
        for (const size of next.sizes) this.write('app.log', size);
        return;
      case 'rotate':
        return this.rotate(next);
      case 'poll':
        await this.poll(next.wait, next.batches);
        return;
      case 'save':
        return this.save();
      case 'kill':
        if (this.down) return;
        this.down = true;
        this.kills++;
        await this.at.stop();
    }
  }

  private write(name: string, size: number): void {
    const isNew = !existsSync(this.at.path(name));
    this.wanted.add(++this.lines);
    appendFileSync(this.at.path(name), `${this.lines}:${'.'.repeat(size)}\n`);
    this.stamp(name);
    if (isNew) this.stamp('.');
  }

  /** Gives a file, or the folder, the time that it would have. */
  private stamp(name: string): void {
    const seconds = Math.floor((this.at.time / 1000) * TICKS) / TICKS;
    utimesSync(this.at.path(name), seconds, seconds);
  }

  private linesIn(name: string): number[] {
    if (!existsSync(this.at.path(name))) return [];
    const text = readFileSync(this.at.path(name), 'utf8');
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => parseInt(line));
  }

  private async rotate({ how, late, pollAfter }: Step & { do: 'rotate' }): Promise<void> {
    if (!existsSync(this.at.path('app.log'))) return;
    // The oldest is deleted only when all of it has arrived and is saved.
    const due = this.linesIn(`app.log.${KEPT}`).some((line) => this.wanted.has(line) && !this.savedLines.has(line));
    if (due && this.started) await this.settle();
    const acts: (() => void)[] = [];
    const [log, first] = ['app.log', 'app.log.1'].map((name) => this.at.path(name)) as [string, string];
    for (let n = KEPT; n >= 1; n--) {
      const from = this.at.path(`app.log.${n}`);
      if (!existsSync(from)) continue;
      acts.push(n === KEPT ? () => unlinkSync(from) : () => renameSync(from, this.at.path(`app.log.${n + 1}`)));
    }
    if (how === 'copytruncate') {
      acts.push(
        () => (appendFileSync(first, ''), this.stamp('app.log.1')),
        () => (copyFileSync(log, first), this.stamp('app.log.1')),
        () => (truncateSync(log), this.stamp('app.log')),
      );
    } else {
      acts.push(() => renameSync(log, first));
      if (how === 'rename') acts.push(() => (appendFileSync(log, ''), this.stamp('app.log')));
      if (late) acts.push(() => this.write('app.log.1', 10));
    }
    for (const [index, act] of acts.entries()) {
      this.at.time++;
      const before = statSync(this.at.folder, { bigint: true }).mtimeNs;
      act();
      if (statSync(this.at.folder, { bigint: true }).mtimeNs !== before) this.stamp('.');
      if (index === pollAfter && !this.down) await this.poll(6000);
    }
  }

  /** Whatever is there before the first start is read only where the path names it and `start_at` says so. */
  async firstStart(ships: boolean, later: number): Promise<void> {
    this.at.time += later;
    const read = ships ? new Set(this.literal ? this.linesIn('app.log') : [...this.wanted]) : new Set();
    for (const line of this.wanted) if (!read.has(line)) this.wanted.delete(line);
    this.started = true;
    this.down = false;
    await this.at.start();
  }

  private async poll(wait: number, batches?: number): Promise<void> {
    if (this.down) await this.at.start(this.at.saved);
    this.down = false;
    await this.at.poll(wait, batches);
    for (const { line, id, path } of this.at.shipped.slice(this.checked)) {
      const number = parseInt(line);
      if (!this.wanted.has(number)) throw new Error(`line ${number} was there before the first start`);
      if (this.literal) expect(path).toBe(this.at.path('app.log'));
      expect(this.idOf.get(number) ?? id).toBe(id);
      this.idOf.set(number, id);
    }
    this.checked = this.at.shipped.length;
  }

  private save(): void {
    if (this.down) return;
    this.at.save();
    this.savedLines = new Set(this.idOf.keys());
  }

  async settle(): Promise<void> {
    await this.poll(1000);
    await this.poll(1000);
    this.save();
    const there = ['app.log', ...Array.from({ length: KEPT }, (_, n) => `app.log.${n + 1}`)].flatMap((name) =>
      this.linesIn(name),
    );
    expect(there.filter((line) => this.wanted.has(line) && !this.idOf.has(line))).toEqual([]);
  }

  check(): void {
    expect([...this.wanted].filter((line) => !this.idOf.has(line))).toEqual([]);
    expect(new Set(this.idOf.values()).size).toBe(this.idOf.size);
    expect(this.at.metrics.bytesMissed.total()).toBe(0);
    if (this.kills === 0) expect(this.at.shipped).toHaveLength(this.wanted.size);
  }
}

test.each([
  ['app.log', 'beginning'],
  ['app.log', 'end'],
  ['app.log*', 'beginning'],
])(
  'any sequence of rotations between two looks: %s from the %s',
  async (path, startAt) => {
    const before = fc.array(fc.oneof(write, rotate), { maxLength: 6 });
    const after = fc.array(step, { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        before,
        fc.constantFrom(0, 500_000),
        after,
        fc.integer({ min: 1, max: 20 }),
        async (old, later, steps, events) => {
          const at = new Harness({ path, start_at: startAt });
          at.batchEvents = events;
          try {
            const model = new Model(at, path === 'app.log');
            for (const next of old) await model.step(next);
            await model.firstStart(startAt === 'beginning', later);
            for (const next of steps) await model.step(next);
            await model.settle();
            model.check();
          } finally {
            await at.end();
          }
        },
      ),
      { numRuns: Number(process.env.FILES_RUNS ?? 40), examples: found },
    );
  },
  600_000,
);
