import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { haProfiles, takeoverBounds, type HaProfile } from '../../contract';
import { startAws } from '../../dev/aws';
import { flickerBundle } from '../../dev/flicker-process';
import { table } from '../flicker/figures';
import { runPair, ways, type PairResult } from './pair';

const usage = `npm run bench -- ha [options]
  --runs N     takeovers of each kind and profile (default 30)`;

const BUCKET = 'bench';
/** Pairs of instances of each profile, all of them at the same time: the slow ones need more of them. */
const pairs: Readonly<Record<HaProfile, number>> = { fast: 2, default: 4, cheap: 8 };
/** A GET and a PUT of a small object, as S3 takes for them at worst on most days. */
const REQUEST_MS = 500;
/** List price of us-east-1 in USD for one request. */
const PRICE = { PutObject: 0.005 / 1000, GetObject: 0.0004 / 1000 };
const MONTH_S = 30 * 86_400;

/** Measures how long a registry is without a holder. Tells the exit code. */
export async function benchHa(args: string[]): Promise<number> {
  const runs = readRuns(args);
  if (runs === undefined) {
    console.error(usage);
    return 2;
  }
  if (!existsSync(flickerBundle)) throw new Error('the bundle is not built: run npm run build');
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const aws = await startAws();
  try {
    const s3 = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await s3.send(new PutBucketVersioningCommand({ Bucket: BUCKET, VersioningConfiguration: { Status: 'Enabled' } }));
    s3.destroy();
    const env = { ...aws.env, AWS_S3_FORCE_PATH_STYLE: 'true' };
    const profiles = Object.keys(haProfiles) as HaProfile[];
    const results = await Promise.all(
      profiles.map(async (profile) => {
        const count = Math.min(pairs[profile], runs);
        const timing = haProfiles[profile];
        const countMs = 4 * Math.max(timing.renew_ms, timing.poll_ms);
        const all = await Promise.all(
          Array.from({ length: count }, (_, i) =>
            runPair({
              profile,
              timing,
              runs: Math.ceil(runs / count),
              registry: `s3://${BUCKET}/${profile}-${i}-registry.json`,
              env,
              folder: join(folder, `${profile}-${i}`),
              countMs,
            }),
          ),
        );
        return { profile, all, countedS: (countMs * count) / 1000 };
      }),
    );
    report(results);
    return 0;
  } finally {
    await aws.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Measured {
  readonly profile: HaProfile;
  readonly all: readonly PairResult[];
  /** Seconds in which requests were counted, over all pairs. */
  readonly countedS: number;
}

function report(results: readonly Measured[]): void {
  console.log('\n## Takeover, from the signal to the new lease, in seconds\n');
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const rows = results.flatMap(({ profile, all }) =>
    ways.map((way) => {
      const times = all.flatMap(({ takeovers }) => takeovers[way]).sort((a, b) => a - b);
      const at = (share: number) => seconds(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN);
      const { crashMs, cleanMs } = takeoverBounds(haProfiles[profile], REQUEST_MS);
      const bound = way === 'SIGKILL' ? crashMs : cleanMs;
      const within = times.filter((ms) => ms <= bound).length;
      return [
        profile,
        way,
        String(times.length),
        at(0),
        at(0.25),
        at(0.5),
        at(0.75),
        at(0.9),
        at(1),
        seconds(bound),
        `${within} of ${times.length}`,
      ];
    }),
  );
  console.log(
    table(['profile', 'signal', 'runs', 'min', '25 %', 'median', '75 %', '90 %', 'max', 'bound', 'within'], rows),
  );
  console.log('\n## Requests of one holder and one standby that have nothing to save\n');
  console.log(
    table(
      ['profile', 'counted for', 'PUT', 'GET', 'PUT a month', 'GET a month', 'USD a month'],
      results.map(({ profile, all, countedS }) => {
        const total = (of: 'PutObject' | 'GetObject') => all.reduce((sum, { requests }) => sum + requests[of], 0);
        const monthly = (of: 'PutObject' | 'GetObject') => (total(of) / countedS) * MONTH_S;
        const usd = monthly('PutObject') * PRICE.PutObject + monthly('GetObject') * PRICE.GetObject;
        return [
          profile,
          `${countedS} s`,
          String(total('PutObject')),
          String(total('GetObject')),
          monthly('PutObject').toFixed(0),
          monthly('GetObject').toFixed(0),
          usd.toFixed(2),
        ];
      }),
    ),
  );
}

function readRuns(args: string[]): number | undefined {
  try {
    const runs = Number(parseArgs({ args, options: { runs: { type: 'string', default: '30' } } }).values.runs);
    return Number.isInteger(runs) && runs >= 1 ? runs : undefined;
  } catch {
    return undefined; // an unknown option
  }
}
