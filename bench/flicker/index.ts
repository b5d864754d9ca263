import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { flickerBundle } from '../../dev/flicker-process';
import { shipApi } from './api';
import { shippedAsTheyAre, writeCorpus } from './corpus';
import { show, spread, table } from './figures';
import { sending } from './destinations';
import { footprints } from './footprint';
import { presets } from './presets';
import { pinBench, pinned, startSink, type Sink } from './process';
import { processing } from './processing';
import { busyPuts, idlePuts, startCountedS3 } from './puts';
import { registry } from './registry';
import { bareNode, rest, timeToReady } from './resting';
import { copyLimit, findPeers, flicker } from './subjects';
import { compare, compareTable } from './throughput';

const usage = `npm run bench -- flicker [options]
  --mb N         megabytes of each corpus (default 400; destinations 10, processing 20)
  --runs N       runs of everything (default 5; presets, processing and destinations 2, memory and registry 1)
  --only PARTS   of throughput, start, idle, api, puts, presets, memory, registry, processing, destinations; with commas
  --profile DIR  writes CPU profiles of the throughput runs there; they slow flicker down`;

const START_RUNS = 15;
const IDLE_SECONDS = 20;
const PUT_SECONDS = 30;
const API_EVENTS = 100_000;

interface Options {
  readonly megabytes: number;
  readonly runs: number;
  readonly profile: string | undefined;
}

interface Part {
  readonly measure: (sink: Sink, folder: string, options: Options) => Promise<void>;
  readonly megabytes?: number;
  readonly runs: number;
}

const parts: Readonly<Record<string, Part>> = {
  throughput: { measure: throughput, megabytes: 400, runs: 5 },
  start: { measure: start, runs: START_RUNS },
  idle: { measure: idle, runs: 1 },
  api: { measure: api, runs: 5 },
  puts: { measure: puts, runs: 1 },
  presets: { measure: presets, runs: 2 },
  memory: { measure: footprints, runs: 1 },
  registry: { measure: registry, runs: 1 },
  processing: { measure: processing, megabytes: 20, runs: 2 },
  destinations: { measure: sending, megabytes: 10, runs: 2 },
};

/** Measures flicker. Tells the exit code. */
export async function benchFlicker(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) {
    console.error(usage);
    return 2;
  }
  if (process.platform !== 'linux') throw new Error('the bench reads /proc: run it on Linux');
  if (!existsSync(flickerBundle)) throw new Error('the bundle is not built: run npm run build');
  pinBench();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const sink = await startSink();
  try {
    console.log(`Node ${process.versions.node}; what is measured is ${pinned}.`);
    for (const [name, part] of Object.entries(parts)) {
      if (options.only && !options.only.includes(name)) continue;
      const { megabytes = part.megabytes ?? 0, runs = part.runs, profile } = options;
      await part.measure(sink, folder, { megabytes, runs, profile });
    }
    return 0;
  } finally {
    sink.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function throughput(sink: Sink, folder: string, { megabytes, runs, profile }: Options): Promise<void> {
  const peers = findPeers();
  const beside =
    peers.found.length === 0 ? 'WITHOUT A PEER' : `beside ${peers.found.map(({ name }) => name).join(', ')}`;
  console.log(`\n## File to HTTP, checkpoints on, ${beside}\n`);
  for (const missing of peers.missing) console.log(`- not here: ${missing}`);
  const s3 = await startCountedS3();
  try {
    const nodeArgs = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    const subjects = [
      copyLimit,
      flicker('flicker', undefined, nodeArgs),
      flicker('flicker, registry on S3', s3, nodeArgs),
    ];
    for (const name of shippedAsTheyAre) {
      const corpus = writeCorpus(folder, name, megabytes);
      const results = await compare([...subjects, ...peers.found], corpus, sink, runs, folder);
      console.log(`\n### ${name}: ${megabytes} MB, ${corpus.lines} lines, median of ${runs} runs (min–max)\n`);
      console.log(compareTable(results, copyLimit));
      rmSync(corpus.file);
    }
  } finally {
    await s3.stop();
  }
}

async function start(_sink: Sink, folder: string, { runs }: Options): Promise<void> {
  const starts = [];
  const bare = [];
  for (let run = 0; run < runs; run++) {
    bare.push(await bareNode());
    starts.push(await timeToReady(join(folder, `start-${run}`)));
  }
  console.log(`\n## Start-up, median of ${runs} (min–max), in ms\n`);
  console.log(
    table(
      ['', 'wall', 'CPU'],
      [
        [
          'flicker, spawn to ready',
          show(spread(starts.map(({ ms }) => ms))),
          show(spread(starts.map(({ cpuMs }) => cpuMs))),
        ],
        ['plain Node, spawn to end', show(spread(bare)), ''],
      ],
    ),
  );
}

async function idle(_sink: Sink, folder: string): Promise<void> {
  const { residentMib, cpuPercent } = await rest(join(folder, 'rest'), IDLE_SECONDS);
  console.log(`\n## Idle for ${IDLE_SECONDS} s\n`);
  console.log(`${residentMib.toFixed(0)} MiB resident, ${cpuPercent.toFixed(2)} % of a core`);
}

async function api(sink: Sink, folder: string, { runs }: Options): Promise<void> {
  const results = [];
  for (let run = 0; run < runs; run++) results.push(await shipApi(API_EVENTS, sink, join(folder, `api-${run}`)));
  console.log(`\n## API to HTTP: ${API_EVENTS} events, median of ${runs} runs (min–max)\n`);
  const row = [
    show(spread(results.map((result) => result.eventsPerSecond))),
    show(spread(results.map((result) => result.eventsPerCpuSecond))),
    show(spread(results.map((result) => result.peak))),
  ];
  console.log(table(['events/s', 'events per CPU second', 'peak RSS MiB'], [row]));
}

async function puts(sink: Sink, folder: string): Promise<void> {
  const s3 = await startCountedS3();
  try {
    const rows = [
      ['idle', await idlePuts(s3, sink, folder, PUT_SECONDS)] as const,
      ['busy: a line every 50 ms', await busyPuts(s3, sink, folder, PUT_SECONDS)] as const,
    ];
    console.log('\n## PUTs of the registry\n');
    console.log(
      table(
        ['', 'per hour', 'from'],
        rows.map(([name, { perHour, formula }]) => [name, perHour.toFixed(0), formula]),
      ),
    );
  } finally {
    await s3.stop();
  }
}

interface Asked extends Partial<Options> {
  readonly only: readonly string[] | undefined;
}

function readOptions(args: string[]): Asked | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: {
        mb: { type: 'string' },
        runs: { type: 'string' },
        only: { type: 'string' },
        profile: { type: 'string' },
      },
    });
    const megabytes = values.mb === undefined ? undefined : Number(values.mb);
    const runs = values.runs === undefined ? undefined : Number(values.runs);
    const only = values.only?.split(',');
    if (megabytes !== undefined && !(megabytes >= 1)) return undefined;
    if (runs !== undefined && !(runs >= 1 && Number.isInteger(runs))) return undefined;
    if (only?.some((name) => !(name in parts))) return undefined;
    return {
      ...(megabytes !== undefined && { megabytes }),
      ...(runs !== undefined && { runs }),
      only,
      profile: values.profile,
    };
  } catch {
    return undefined; // an unknown option
  }
}
