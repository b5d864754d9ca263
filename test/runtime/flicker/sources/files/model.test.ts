import {
  appendFileSync as append,
  copyFileSync as copy,
  existsSync,
  renameSync as rename,
  truncateSync as truncate,
  unlinkSync as unlink,
} from 'node:fs';
import fc from 'fast-check';
import { longLines } from '../../../../../contract/flicker';
import type { FlickerState } from '../../../../../runtime/flicker/state';
import { Harness, type Shipped } from './harness';

type Step =
  /** Writes lines, all but the last `cut` bytes, which come with the next write. A number is a long line. */
  | { readonly do: 'append'; readonly lines: readonly (string | number)[]; readonly cut: number }
  | { readonly do: 'rename' | 'truncate' | 'delete' | 'poll' }
  | { readonly do: 'copytruncate'; readonly pollBetween: boolean }
  /** Starts again from a commit that is that many polls old. */
  | { readonly do: 'restart'; readonly back: number };

const letters = fc.constantFrom('a', '"', '\\', 'é', '日', '😀', '\t', ' ');
const line = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: letters, maxLength: 30 }) },
  { weight: 1, arbitrary: fc.constantFrom('\xff', 'crlf\r') },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 2_400_000 }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('append'), lines: fc.array(line, { maxLength: 6 }), cut: fc.nat(12) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('poll') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('rename', 'truncate', 'delete') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('copytruncate'), pollBetween: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart'), back: fc.nat(3) }) },
);

/** Where reading stops in a file: after its last line, or the last part of a line that is too long. */
function readableEnd(text: Buffer): number {
  let end = text.lastIndexOf(10) + 1;
  while (text.length - end > longLines.bytes) end += longLines.bytes;
  return end;
}

interface Written {
  readonly text: Buffer;
  readonly readable: number;
}

/** The records of `text[0, readable)`. Long lines are ASCII here: their parts are of equal length. */
function recordsOf({ text, readable }: Written): string[] {
  const records: string[] = [];
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf(10, start);
    const stop = newline === -1 ? text.length : newline;
    for (let at = start; at < stop;) {
      const end = stop - at > longLines.bytes ? at + longLines.bytes : stop;
      const trimmed = end === stop && newline !== -1 && text[end - 1] === 13 ? end - 1 : end;
      const before = at > start ? longLines.continued : '';
      const after = end < stop ? longLines.continues : '';
      if (end <= readable) records.push(`${before}${text.toString('utf8', at, trimmed)}${after}`);
      at = end;
    }
    start = stop + 1;
  }
  return records;
}

/** What the writer of one log did, and what must have arrived. */
class Model {
  /** Files that are done: what of them could be read. */
  private readonly past: Written[] = [];
  private text = Buffer.alloc(0);
  /** How much of it was there at the last poll. */
  private seen = 0;
  private rest = Buffer.alloc(0);
  private lines = 0;
  private rotations = 0;
  private missed = 0;
  private restarted = false;
  private readonly commits: { readonly state: FlickerState; readonly rotations: number; readonly known: boolean }[] =
    [];
  private readonly idOf = new Map<string, string>();
  private run: Shipped[] = [];

  constructor(readonly at: Harness) {}

  private get file(): string {
    return this.at.path('app.log');
  }

  async step(next: Step): Promise<void> {
    if (next.do !== 'append' && next.do !== 'poll' && next.do !== 'restart' && !existsSync(this.file)) return;
    // A file that came and went between two polls was never seen.
    if (next.do !== 'append' && next.do !== 'poll' && next.do !== 'restart' && this.seen === 0) {
      this.endLine();
      await this.poll();
    }
    switch (next.do) {
      case 'append':
        return this.append(next.lines, next.cut);
      case 'poll':
        return this.poll();
      case 'rename':
        this.endLine();
        rename(this.file, this.rotatedName());
        return this.finish(this.text.length);
      case 'delete':
        // Read through the handle to its end, with what stands after the last newline.
        await this.poll();
        unlink(this.file);
        this.finish(this.text.length);
        await this.poll();
        return this.poll(61_000);
      case 'copytruncate':
        this.endLine();
        copy(this.file, this.rotatedName());
        if (next.pollBetween) await this.poll();
        truncate(this.file);
        this.finish(this.text.length);
        return this.poll();
      case 'truncate': {
        truncate(this.file);
        const end = readableEnd(this.text.subarray(0, this.seen));
        this.missed += this.seen - end;
        this.text = this.text.subarray(0, this.seen);
        this.finish(end);
        return this.poll();
      }
      case 'restart':
        return this.restart(next.back);
    }
  }

  private append(lines: readonly (string | number)[], cut: number): void {
    const written = lines.map((content) => {
      const tag = `${this.lines++}:`;
      if (typeof content === 'number') return Buffer.from(`${tag.repeat(content / tag.length + 1)}\n`);
      return Buffer.from(`${tag}${content}\n`, content === '\xff' ? 'latin1' : 'utf8');
    });
    const bytes = Buffer.concat([this.rest, ...written]);
    this.write(bytes.subarray(0, Math.max(0, bytes.length - cut)));
    this.rest = bytes.subarray(Math.max(0, bytes.length - cut));
  }

  private write(bytes: Buffer): void {
    append(this.file, bytes);
    this.text = Buffer.concat([this.text, bytes]);
  }

  private endLine(): void {
    this.write(Buffer.concat([this.rest, Buffer.from('\n')]));
    this.rest = Buffer.alloc(0);
  }

  private rotatedName(): string {
    return this.at.path(`app.log.${this.rotations + 1}`);
  }

  /** The file is done; `readable` bytes of it can still be read or were. */
  private finish(readable: number): void {
    this.past.push({ text: this.text, readable });
    this.text = Buffer.alloc(0);
    this.rest = Buffer.alloc(0);
    this.seen = 0;
    this.rotations++;
  }

  async poll(advance?: number): Promise<void> {
    this.run.push(...(await this.at.poll(advance)));
    this.seen = this.text.length;
    // What its ids begin with is saved before the first of them is sent: no start is from before.
    const known = readableEnd(this.text) > 0;
    this.commits.push({ state: structuredClone(this.at.state), rotations: this.rotations, known });
  }

  private async restart(back: number): Promise<void> {
    await this.poll();
    this.checkRun();
    this.restarted = true;
    // Generations are counted by who looks: a start from before more rotations, or before the file, counts fewer.
    const recent = this.commits
      .slice(-1 - back)
      .find((commit) => commit.rotations + (commit.known ? 1 : 0) >= this.rotations);
    await this.at.start(recent?.state);
    await this.poll();
  }

  /** Once in a run, always with the same id, and in the order in which they were written. */
  checkRun(): void {
    const ids = this.run.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const last = new Map<string, number>();
    for (const { line, id } of this.run) {
      const [hash = '', offset] = id.split('-');
      expect(Number(offset)).toBeGreaterThan(last.get(hash) ?? -1);
      last.set(hash, Number(offset));
      if (line.startsWith(longLines.continued)) continue;
      expect(this.idOf.get(line.slice(0, 60)) ?? id).toBe(id);
      this.idOf.set(line.slice(0, 60), id);
    }
    this.run = [];
  }

  checkAll(): void {
    this.checkRun();
    const short = (text: string) =>
      text.length > 80 ? `${text.slice(0, 60)}… ${text.length} ${text.slice(-20)}` : text;
    const wanted = [...this.past, { text: this.text, readable: readableEnd(this.text) }].flatMap(recordsOf).map(short);
    const arrived = new Set(this.at.shipped.map((event) => short(event.line)));
    expect(wanted.filter((record) => !arrived.has(record))).toEqual([]);
    const known = new Set(wanted);
    expect([...arrived].filter((record) => !known.has(record))).toEqual([]);
    if (this.restarted) return;
    expect(this.at.metrics.bytesMissed.total()).toBe(this.missed);
    expect(this.at.shipped).toHaveLength(wanted.length);
    expect(this.at.running.lag()).toBe(this.text.length - readableEnd(this.text));
  }
}

test.each(['app.log', 'app.log*'])(
  'any sequence of writes, rotations and restarts: %s',
  async (path) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 20 }), async (steps, events) => {
        const at = new Harness({ path, start_at: 'beginning' });
        at.batchEvents = events;
        try {
          const model = new Model(at);
          await at.start();
          await model.poll();
          for (const next of steps) await model.step(next);
          await model.poll();
          await model.poll();
          model.checkAll();
        } finally {
          await at.end();
        }
      }),
      { numRuns: Number(process.env.FILES_RUNS ?? 40) },
    );
  },
  600_000,
);
