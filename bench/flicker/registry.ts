import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { flickerMetrics } from '../../contract/flicker';
import { show, spread, table } from './figures';
import { launch, received, RECORD_MARK, settled, type Sink } from './process';
import { startCountedS3 } from './puts';
import { freePort } from './resting';
import { flickerCommand } from './subjects';

const FILES = 1000;
const SECONDS = 5;
/** Much shorter than the default of 5 s, for more saves to measure. */
const SAVE_INTERVAL_MS = 100;

interface Saves {
  readonly count: number;
  readonly ms: number;
  readonly bytes: number;
}

interface Place {
  readonly location: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Bytes of what was saved last. */
  size(): Promise<number>;
}

/** Ships from 1,000 files, a line at a time, and asks flicker how long its saves take. */
async function measureSaves(folder: string, sink: Sink, { location, env, size }: Place): Promise<Saves> {
  const logs = join(folder, 'logs');
  mkdirSync(logs, { recursive: true });
  const files = Array.from({ length: FILES }, (_, n) => join(logs, `service-${n}.log`));
  for (const file of files) writeFileSync(file, 'a line of its own to be known by\n'.repeat(30));
  const log = { path: join(logs, '*.log'), start_at: 'beginning' as const, flush_interval_ms: 50 };
  const port = await freePort();
  await sink.reset(RECORD_MARK);
  const running = await launch(
    flickerCommand({
      config: {
        destination: { type: 'http', endpoint: sink.url },
        log_files: [{ ...log, polling_frequency_ms: 50 }],
        registry: { save_interval_ms: SAVE_INTERVAL_MS },
      },
      registryFile: location,
      port,
      ...(env && { env }),
    }),
  );
  try {
    await received(sink, FILES * 30, running);
    await settled(running);
    const before = await saveTimes(port);
    const until = performance.now() + SECONDS * 1000;
    for (let n = 0; performance.now() < until; n++) {
      appendFileSync(files[(n * 7) % FILES] ?? '', 'one more line\n');
      await delay(20);
    }
    const after = await saveTimes(port);
    const count = after.count - before.count;
    return { count, ms: ((after.sum - before.sum) / count) * 1000, bytes: await size() };
  } finally {
    await running.stop();
  }
}

/** Count and seconds of all saves so far. */
async function saveTimes(port: number): Promise<{ readonly count: number; readonly sum: number }> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const value = (end: string) =>
    Number(new RegExp(`^${flickerMetrics.registrySaveSeconds.name}_${end} (\\S+)`, 'm').exec(text)?.[1]);
  return { count: value('count'), sum: value('sum') };
}

/** How long saves take, and how large the registry is, at 1,000 files: on the disk and on an embedded S3. */
export async function registry(sink: Sink, folder: string, { runs }: { readonly runs: number }): Promise<void> {
  const s3 = await startCountedS3();
  const places: Readonly<Record<string, (run: string) => Place>> = {
    'local disk': (run) => {
      const location = join(run, 'registry.json');
      return { location, size: () => Promise.resolve(readFileSync(location).length) };
    },
    'embedded S3': (run) => {
      const key = `${run.slice(1)}/registry.json`;
      return { location: s3.at(key), env: s3.directEnv, size: () => s3.size(key) };
    },
  };
  try {
    const rows = [];
    for (const [name, place] of Object.entries(places)) {
      const results: Saves[] = [];
      for (let run = 0; run < runs; run++) {
        const own = join(folder, `registry-${name.replace(' ', '-')}-${run}`);
        results.push(await measureSaves(own, sink, place(own)));
      }
      const over = (value: (saves: Saves) => number) => spread(results.map(value));
      rows.push([
        name,
        show(
          over(({ ms }) => ms),
          1,
        ),
        show(over(({ count }) => count)),
        show(
          over(({ bytes }) => bytes / 1000),
          1,
        ),
      ]);
    }
    console.log(`\n## Saves of the registry at ${FILES} files, median of ${runs} runs (min–max)\n`);
    console.log(table(['', 'ms a save (mean of a run)', `saves in ${SECONDS} s`, 'size, kB'], rows));
  } finally {
    await s3.stop();
  }
}
