import { mkdtempSync, rmSync } from 'node:fs';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { flickerBundle } from '../../dev/flicker-process';
import { corpusNames, writeCorpus } from './corpus';
import { pinBench, pinned, startSink } from './process';
import { copyLimit, findPeers, flicker } from './subjects';
import { compare, compareTable } from './throughput';

const usage = `npm run bench -- flicker [options]
  --mb N         megabytes of each corpus (default 400)
  --runs N       runs of everything (default 5)
  --only PART    throughput, api, startup, idle or puts
  --profile DIR  writes CPU profiles of flicker there`;

const parts = ['throughput', 'startup', 'idle', 'api', 'puts'] as const;
type Part = (typeof parts)[number];

/** Measures flicker. Tells the exit code. */
export async function benchFlicker(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) {
    console.error(usage);
    return 2;
  }
  if (!existsSync(flickerBundle)) throw new Error('the bundle is not built: run npm run build');
  pinBench();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const sink = await startSink();
  try {
    for (const part of options.parts) {
      switch (part) {
        case 'throughput': {
          const peers = findPeers();
          const headline =
            peers.found.length === 0 ? 'WITHOUT A PEER' : `beside ${peers.found.map(({ name }) => name).join(', ')}`;
          console.log(`\n## File to HTTP, ${headline}\n`);
          for (const missing of peers.missing) console.log(`not here: ${missing}`);
          for (const name of corpusNames) {
            const corpus = writeCorpus(folder, name, options.megabytes);
            const nodeArgs = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`] : [];
            const subjects = [copyLimit, flicker('flicker', undefined, nodeArgs), ...peers.found];
            const results = await compare(subjects, corpus, sink, options.runs, folder);
            console.log(`\n### ${name}: ${options.megabytes} MB, ${corpus.lines} lines, ${options.runs} runs\n`);
            console.log(compareTable(results, copyLimit));
            rmSync(corpus.file);
          }
          break;
        }
        default:
          break;
      }
    }
    return 0;
  } finally {
    sink.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function readOptions(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        mb: { type: 'string', default: '400' },
        runs: { type: 'string', default: '5' },
        only: { type: 'string' },
        profile: { type: 'string' },
      },
    });
    const [megabytes, runs] = [Number(values.mb), Number(values.runs)];
    const chosen = parts.filter((part) => values.only === undefined || part === values.only);
    if (!(megabytes >= 1) || !(runs >= 1) || !Number.isInteger(runs) || chosen.length === 0) return undefined;
    return { megabytes, runs, parts: chosen satisfies Part[], profile: values.profile };
  } catch {
    return undefined;
  }
}
