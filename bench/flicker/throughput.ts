import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Corpus } from './corpus';
import { show, spread, table } from './figures';
import { cpuSeconds, launch, LINE_MARK, memory, received, RECORD_MARK, settled, type Sink } from './process';
import type { Subject } from './subjects';

/** What one subject made of one corpus, once. */
export interface Shipping {
  /** Megabytes of input per second of CPU of the subject, user and system. */
  readonly perCpuSecond: number;
  /** Megabytes of input per second of wall clock. */
  readonly perSecond: number;
  readonly eventsPerSecond: number;
  /** Peak resident memory, MiB. */
  readonly peak: number;
  /** Bytes sent for each byte of input. */
  readonly expansion: number;
  /** How busy the sink was, from 0 to 1. */
  readonly sinkBusy: number;
}

/**
 * Starts the subject, waits until it idles, lets the file appear, and measures until the sink has every line. The start-up
 * is not in the figures: it is a bench of its own.
 */
export async function ship(subject: Subject, corpus: Corpus, sink: Sink, folder: string): Promise<Shipping> {
  const place = mkdtempSync(join(folder, 'run-'));
  const state = join(place, 'state');
  const logs = join(place, 'logs');
  mkdirSync(state);
  mkdirSync(logs);
  const input = join(logs, 'app.log');
  const counter = subject.sink ?? sink;
  const expected = subject.joins ? corpus.events : corpus.lines;
  linkSync(corpus.file, join(place, 'arriving'));
  const running = await launch(subject.command({ state, input, url: sink.url }));
  try {
    await settled(running);
    await counter.reset(subject.marksRecords ? RECORD_MARK : LINE_MARK);
    const before = cpuSeconds(running.pid);
    renameSync(join(place, 'arriving'), input);
    const counts = await received(counter, expected, running);
    const cpu = cpuSeconds(running.pid) - before;
    const { peak } = memory(running.pid);
    await delay(300);
    const extra = (await counter.counts()).events - expected;
    if (extra > 0) throw new Error(`${subject.name} sent ${extra} events twice`);
    const megabytes = corpus.bytes / 1e6;
    return {
      perCpuSecond: megabytes / cpu,
      perSecond: megabytes / counts.seconds,
      eventsPerSecond: expected / counts.seconds,
      peak,
      expansion: counts.bytes / corpus.bytes,
      sinkBusy: counts.cpu / counts.seconds,
    };
  } catch (error) {
    throw new Error(`${subject.name}, ${corpus.name}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await running.stop();
    rmSync(place, { recursive: true, force: true });
  }
}

/** Runs every subject in turn, `runs` times, so that what disturbs the machine disturbs all of them. */
export async function compare(
  subjects: readonly Subject[],
  corpus: Corpus,
  sink: Sink,
  runs: number,
  folder: string,
): Promise<ReadonlyMap<Subject, readonly Shipping[]>> {
  const results = new Map<Subject, Shipping[]>(subjects.map((subject) => [subject, []]));
  for (let run = 0; run < runs; run++) {
    for (const [subject, shippings] of results) shippings.push(await ship(subject, corpus, sink, folder));
  }
  return results;
}

/** A row for each subject. The ratio is to `reference`, run by run, in megabytes per second of CPU. */
export function compareTable(results: ReadonlyMap<Subject, readonly Shipping[]>, reference: Subject): string {
  const base = results.get(reference) ?? [];
  const rows = [...results].map(([subject, shippings]) => {
    const over = (value: (shipping: Shipping, run: number) => number) => spread(shippings.map(value));
    return [
      subject.name,
      show(over((shipping) => shipping.perCpuSecond)),
      show(
        over((shipping, run) => shipping.perCpuSecond / (base[run]?.perCpuSecond ?? NaN)),
        2,
      ),
      show(over((shipping) => shipping.perSecond)),
      show(over((shipping) => shipping.eventsPerSecond / 1000)),
      show(over((shipping) => shipping.peak)),
      over((shipping) => shipping.expansion).median.toFixed(2),
      `${Math.round(over((shipping) => shipping.sinkBusy).max * 100)} %`,
    ];
  });
  const header = ['', 'MB per CPU second', `ratio to ${reference.name}`, 'MB/s wall', '1000 events/s', 'peak RSS MiB'];
  return table([...header, 'bytes out per byte in', 'sink busy at most'], rows);
}
