import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, HeadObjectCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import type { FlickerConfigInput } from '../../contract';
import { startAws } from '../../dev/aws';
import { startS3Proxy, type S3Proxy } from '../../dev/torture/flicker/s3-proxy';
import { launch, settled, type Sink } from './process';
import { flickerCommand } from './subjects';

const BUCKET = 'bench';
const KEY_END = '-registry.json';

/** An embedded S3 whose PUTs of registries are counted. */
export interface CountedS3 {
  readonly location: string;
  readonly env: Readonly<Record<string, string>>;
  /** To reach the server itself, past what counts. */
  readonly directEnv: Readonly<Record<string, string>>;
  readonly proxy: S3Proxy;
  /** Location of a key. */
  at(key: string): string;
  /** Bytes of an object. */
  size(key: string): Promise<number>;
  stop(): Promise<void>;
}

export async function startCountedS3(): Promise<CountedS3> {
  const aws = await startAws();
  const proxy = await startS3Proxy(aws.endpoint, KEY_END);
  const s3 = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  await s3.send(new PutBucketVersioningCommand({ Bucket: BUCKET, VersioningConfiguration: { Status: 'Enabled' } }));
  const directEnv = { ...aws.env, AWS_ENDPOINT_URL: aws.endpoint, AWS_S3_FORCE_PATH_STYLE: 'true' };
  const at = (key: string) => `s3://${BUCKET}/${key}`;
  return {
    location: at('bench'),
    env: { ...directEnv, AWS_ENDPOINT_URL: proxy.endpoint },
    directEnv,
    proxy,
    at,
    size: async (key) => (await s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: key }))).ContentLength ?? 0,
    stop: async () => {
      s3.destroy();
      await proxy.stop();
      await aws.stop();
    },
  };
}

/** The default heartbeat, and the one of the idle window: 30 times as often, so that a short window holds enough. */
const HEARTBEAT_MS = 60_000;
const SHORT_HEARTBEAT_MS = 2000;

export interface Puts {
  readonly counted: number;
  readonly perHour: number;
  readonly formula: string;
}

/** PUTs of a flicker that has nothing to do. */
export async function idlePuts(s3: CountedS3, sink: Sink, folder: string, seconds: number): Promise<Puts> {
  const registry = { heartbeat_interval_ms: SHORT_HEARTBEAT_MS };
  const counted = await countPuts(s3, sink, join(folder, 'idle'), registry, () => delay(seconds * 1000));
  const perHour = (counted * 3600 * SHORT_HEARTBEAT_MS) / (seconds * HEARTBEAT_MS);
  const formula = `${counted} PUTs in ${seconds} s with a heartbeat of 2 s; × 3600 / ${seconds} × 2 / 60`;
  return { counted, perHour, formula };
}

/** PUTs of a flicker that gets a line every 50 ms. */
export async function busyPuts(s3: CountedS3, sink: Sink, folder: string, seconds: number): Promise<Puts> {
  const counted = await countPuts(s3, sink, join(folder, 'busy'), {}, async (input) => {
    const until = performance.now() + seconds * 1000;
    while (performance.now() < until) {
      appendFileSync(input, 'a line now and then\n');
      await delay(50);
    }
  });
  return {
    counted,
    perHour: (counted * 3600) / seconds,
    formula: `${counted} PUTs in ${seconds} s; × 3600 / ${seconds}`,
  };
}

async function countPuts(
  s3: CountedS3,
  sink: Sink,
  folder: string,
  registry: FlickerConfigInput['registry'],
  during: (input: string) => Promise<void>,
): Promise<number> {
  mkdirSync(folder);
  const input = join(folder, 'app.log');
  writeFileSync(input, '');
  const source = { name: 'app', path: input, flush_interval_ms: 1000 };
  const running = await launch(
    flickerCommand({
      config: { destination: { type: 'http', endpoint: sink.url }, registry, log_files: [source] },
      registryFile: `${s3.location}/${Date.now()}${KEY_END}`,
      env: s3.env,
    }),
  );
  try {
    await settled(running);
    const before = s3.proxy.puts;
    await during(input);
    return s3.proxy.puts - before;
  } finally {
    await running.stop();
  }
}
