import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FlickerConfigInput } from '../../contract';
import { show, spread, table } from './figures';
import { cpuSeconds, launch, memory, received, RECORD_MARK, settled, type Running, type Sink } from './process';
import { startVendor } from './presets';
import { flickerCommand } from './subjects';

const FILES = 1000;
const LINES_A_FILE = 500;
const SOURCES = 20;
/** Of each API source. Audit events are of a few hundred bytes to some kilobytes. */
const EVENTS_A_SOURCE = 5000;
const EVENT_BYTES = 1500;
const IDLE_SECONDS = 5;

interface Footprint {
  readonly peak: number;
  readonly resident: number;
  /** Percent of a core once everything is shipped. */
  readonly idleCpu: number;
}

/** Starts flicker on sources that have so many events, and looks at it when the sink has all of them and it rests. */
async function footprint(
  folder: string,
  sink: Sink,
  sources: Pick<FlickerConfigInput, 'log_files' | 'api_sources'>,
  events: number,
): Promise<Footprint> {
  await sink.reset(RECORD_MARK);
  const config = { destination: { type: 'http' as const, endpoint: sink.url }, ...sources };
  const running = await launch(flickerCommand({ config, registryFile: join(folder, 'registry.json') }));
  try {
    await received(sink, events, running);
    return await atRest(running);
  } finally {
    await running.stop();
  }
}

async function atRest(running: Running): Promise<Footprint> {
  await settled(running);
  const before = cpuSeconds(running.pid);
  await delay(IDLE_SECONDS * 1000);
  const idleCpu = ((cpuSeconds(running.pid) - before) / IDLE_SECONDS) * 100;
  return { ...memory(running.pid), idleCpu };
}

async function manyFiles(folder: string, sink: Sink): Promise<Footprint> {
  const logs = join(folder, 'logs');
  mkdirSync(logs, { recursive: true });
  for (let n = 0; n < FILES; n++) {
    const line = `2024-01-01T00:00:00.000Z INFO file ${n} `.padEnd(199, 'x');
    writeFileSync(join(logs, `app-${n}.log`), `${line}\n`.repeat(LINES_A_FILE));
  }
  const log_files = [{ path: join(logs, '*.log'), start_at: 'beginning' as const, flush_interval_ms: 100 }];
  return footprint(folder, sink, { log_files }, FILES * LINES_A_FILE);
}

/** Sources of one vendor that all read the same events at the same time. */
async function manySources(folder: string, sink: Sink, events: number): Promise<Footprint> {
  mkdirSync(folder, { recursive: true });
  const vendor = await startVendor('okta', events, EVENT_BYTES);
  try {
    const api_sources = Array.from({ length: SOURCES }, (_, n) => {
      return { ...vendor.source, name: `okta-${n}`, polling_frequency_ms: 1000 };
    });
    return await footprint(folder, sink, { api_sources }, SOURCES * events);
  } finally {
    vendor.stop();
  }
}

/** Memory with many files and with many API sources. */
export async function footprints(sink: Sink, folder: string, { runs }: { readonly runs: number }): Promise<void> {
  const cases: Readonly<Record<string, (place: string) => Promise<Footprint>>> = {
    [`${FILES} files of ${LINES_A_FILE} lines`]: (place) => manyFiles(place, sink),
    [`${SOURCES} API sources, idle`]: (place) => manySources(place, sink, 0),
    [`${SOURCES} API sources, ${EVENTS_A_SOURCE} events of ${EVENT_BYTES} bytes each`]: (place) =>
      manySources(place, sink, EVENTS_A_SOURCE),
  };
  const rows = [];
  for (const [name, measure] of Object.entries(cases)) {
    const results: Footprint[] = [];
    for (let run = 0; run < runs; run++) {
      results.push(await measure(join(folder, `footprint-${name.replaceAll(/\W+/g, '-')}-${run}`)));
    }
    const over = (value: (one: Footprint) => number) => spread(results.map(value));
    rows.push([
      name,
      show(over(({ peak }) => peak)),
      show(over(({ resident }) => resident)),
      show(
        over(({ idleCpu }) => idleCpu),
        1,
      ),
    ]);
  }
  console.log(`\n## Memory, median of ${runs} runs (min–max)\n`);
  console.log(table(['', 'peak RSS MiB', 'RSS MiB afterwards', '% of a core afterwards'], rows));
}
