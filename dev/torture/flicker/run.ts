import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { renderFlickerSettings, type FlickerConfigInput } from '../../../contract';
import { startAws } from '../../aws';
import { startFlicker, type FlickerProcess } from '../../flicker-process';
import { startReceiver, type ReceivedRecord, type Verdict } from '../../receiver';
import { seededRandom, type Random } from '../../sim/random';
import { startOkta } from '../../vendors/okta';
import { Ledger } from '../../ledger';
import { startS3Proxy, type PutMoment } from './s3-proxy';
import { LogWriter } from './writer';

export interface TortureOptions {
  readonly kills: number;
  readonly seed: number;
  /** Cap of unsaved events. */
  readonly cap: number;
  /** Fewest events to send in all. */
  readonly events: number;
  readonly progress?: (text: string) => void;
  /** Gets every log line of the program. */
  readonly onLine?: (line: string) => void;
}

/** When a process is killed. */
const strikes = ['time', 'put-before', 'put-after', 'rotation', 'unsaved'] as const;
type Strike = (typeof strikes)[number];

export interface TortureReport {
  readonly sent: number;
  readonly accepted: number;
  readonly parked: number;
  readonly missing: readonly string[];
  readonly repeatedInLife: number;
  readonly repeatedAfterKills: number;
  readonly mostAfterOneKill: number;
  /** Kills by the moment that they hit. */
  readonly kills: Readonly<Record<Strike, number>>;
  readonly saves: number;
  readonly exitCode: number | NodeJS.Signals;
  readonly problems: readonly string[];
}

const BUCKET = 'torture';
const KEY = 'flicker/torture/run-registry.json';
/** A file stays under its name for several polls, which come every 20 ms: what comes and goes between two polls cannot be seen. */
const ROTATE_AFTER_MS = 250;
/** Nothing has arrived for so long: the rest is lost. */
const QUIET_MS = 8000;
/** Longest life: a strike that does not come is a kill at a random time. */
const LIFE_MS = 1500;

/**
 * Runs the real bundle against growing and rotating files, an API that pages, a destination that refuses now and then and
 * the embedded S3, and kills it over and over. What must hold: every event arrives or is parked, and each kill repeats at most
 * `cap` events.
 */
export async function tortureRun(options: TortureOptions): Promise<TortureReport> {
  const random = seededRandom(options.seed);
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-torture-'));
  const ledger = new Ledger();
  const aws = await startAws();
  const s3 = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
  const okta = await startOkta({ seed: options.seed, limitPerWindow: 1_000_000 });
  const proxy = await startS3Proxy(aws.endpoint, KEY);
  let acceptedSincePut = 0;
  let onAccepted: (() => void) | undefined;
  const verdict = moods(random);
  let mood: Verdict = { kind: 'accept' };
  const receiver = await startReceiver(
    (records, accepted) => {
      if (!accepted) return;
      ledger.accept(records, mood.kind === 'accept-and-drop');
      acceptedSincePut += records.length;
      onAccepted?.();
    },
    (records) => (mood = verdict(records)),
  );
  const kills: Record<Strike, number> = { time: 0, 'put-before': 0, 'put-after': 0, rotation: 0, unsaved: 0 };
  try {
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await s3.send(new PutBucketVersioningCommand({ Bucket: BUCKET, VersioningConfiguration: { Status: 'Enabled' } }));
    const writer = new LogWriter(
      folder,
      (event) => ledger.send(event),
      random,
      (text) => options.onLine?.(text),
    );
    const env = {
      ...aws.env,
      AWS_ENDPOINT_URL: proxy.endpoint,
      AWS_S3_FORCE_PATH_STYLE: 'true',
      ...renderFlickerSettings({
        config: configOf(folder, okta.url, receiver.url, options.cap),
        track: true,
        registryFile: `s3://${BUCKET}/${KEY}`,
        port: 0,
        host: '127.0.0.1',
        nodeId: 'torture',
      }),
    };
    // The first start decides where to begin: nothing may be written before it has.
    let flicker = startFlicker([], env, folder, options.onLine);
    for (const source of ['okta', 'app']) {
      await flicker.line((line) => line.includes('source.started') && line.includes(`"${source}"`));
    }

    const traffic = new Traffic(writer, okta, ledger, random, Math.ceil(options.events / options.kills));
    for (let kill = 1; kill <= options.kills; kill++) {
      const planned = random.pick(strikes);
      // Most strikes hit a program at work; some hit it while it starts.
      const atWork = random.chance(0.85);
      if (atWork) await atLastStarted(flicker);
      // A file whose last event was refused has arrived as well: without this the rotation would stop for good.
      if (traffic.waitsForArrival) for (const line of await deadLetters(s3)) ledger.park(line);
      traffic.begin();
      const hit = await liveUntil(planned, {
        random,
        traffic,
        setOnPut: (on) => (proxy.onPut = on),
        setOnAccepted: (on) => (onAccepted = on),
        unsaved: () => acceptedSincePut,
        onPut: () => (acceptedSincePut = 0),
        threshold: options.cap / 4,
        strike: () => flicker.child.kill('SIGKILL'),
      });
      const how = await flicker.ended;
      if (how !== 'SIGKILL')
        throw new Error(`flicker ended by itself (${how}):\n${flicker.lines.slice(-20).join('\n')}`);
      kills[hit]++;
      await until(() => receiver.busy() === 0, 5000, 'the receiver to finish');
      ledger.life++;
      acceptedSincePut = 0;
      flicker = startFlicker([], env, folder, options.onLine);
      options.progress?.(
        `kill ${kill} of ${options.kills} (${hit}): ${ledger.counts.accepted} of ${ledger.counts.sent} events`,
      );
    }
    // The strikes came early: what is left to send goes through the last life.
    await atLastStarted(flicker);
    while (ledger.counts.sent < options.events) {
      traffic.begin();
      traffic.burst();
      if (random.chance(0.02)) traffic.rotate();
      await delay(2);
    }
    return await finish(flicker, s3, ledger, kills, proxy);
  } finally {
    await receiver.stop();
    await proxy.stop();
    await okta.stop();
    s3.destroy();
    await aws.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function configOf(folder: string, api: string, endpoint: string, cap: number): FlickerConfigInput {
  return {
    destination: { type: 'http', endpoint },
    retry: { initial_delay_ms: 10, max_delay_ms: 100 },
    registry: { save_interval_ms: 250, max_unsaved_events: cap },
    log_files: [
      {
        name: 'app',
        path: join(folder, 'app.log'),
        start_at: 'beginning',
        polling_frequency_ms: 20,
        flush_interval_ms: 50,
        batch_max_events: 100,
      },
    ],
    api_sources: [
      {
        name: 'okta',
        endpoint: api,
        results_field: '',
        timestamp_field: 'published',
        id_field: 'uuid',
        message_field: 'uuid',
        headers: { Authorization: 'SSWS torture' },
        start_from: 'beginning',
        pagination: { pagination_type: 'link', limit_param: 'limit', page_size: 50 },
        polling_frequency_ms: 50,
        flush_interval_ms: 50,
      },
    ],
  };
}

/** A destination that refuses now and then: busy, down, an answer that is lost, and rarely a refusal for good. */
function moods(random: Random): (records: readonly ReceivedRecord[]) => Verdict {
  return () => {
    const dice = random.next();
    if (dice < 0.03) return { kind: 'answer', status: 503 };
    if (dice < 0.05) return { kind: 'answer', status: 429, headers: { 'retry-after': '0' } };
    if (dice < 0.07) return { kind: 'accept-and-drop' };
    if (dice < 0.075) return { kind: 'answer', status: 400 };
    return { kind: 'accept' };
  };
}

/** Writes lines, rotates and appends API events while a process lives. */
class Traffic {
  private left = 0;
  private rotatedAt = 0;

  constructor(
    private readonly writer: LogWriter,
    private readonly okta: Awaited<ReturnType<typeof startOkta>>,
    private readonly ledger: Ledger,
    private readonly random: Random,
    private readonly perLife: number,
  ) {}

  /** A new life: so much may be written in it. */
  begin(): void {
    this.left = this.perLife;
  }

  burst(): void {
    if (this.left <= 0) return;
    const lines = this.random.int(1, Math.max(2, this.perLife / 6));
    const count = this.random.int(0, Math.max(1, this.perLife / 30));
    this.left -= lines + count;
    this.writer.append(lines);
    for (const { uuid } of this.okta.append(count)) this.ledger.send(uuid);
  }

  /** Whether the oldest file cannot be deleted yet. */
  get waitsForArrival(): boolean {
    const due = this.writer.dueBeforeRotation;
    return due !== undefined && !this.ledger.arrived(due);
  }

  /** Rotates unless that would delete what has not arrived, or come sooner than any log is rotated. */
  rotate(): boolean {
    if (this.waitsForArrival) return false;
    if (performance.now() - this.rotatedAt < ROTATE_AFTER_MS) return false;
    this.rotatedAt = performance.now();
    this.writer.rotate();
    return true;
  }
}

interface Life {
  readonly random: Random;
  readonly traffic: Traffic;
  setOnPut(on: ((moment: PutMoment) => void) | undefined): void;
  setOnAccepted(on: (() => void) | undefined): void;
  unsaved(): number;
  onPut(): void;
  readonly threshold: number;
  strike(): void;
}

/** Keeps traffic going until the planned moment comes, and strikes then. */
async function liveUntil(planned: Strike, life: Life): Promise<Strike> {
  const { random, traffic } = life;
  let hit: Strike | undefined;
  const strike = (as: Strike) => {
    if (hit) return;
    hit = as;
    life.strike();
  };
  let putsToGo = random.int(1, 3);
  life.setOnPut((moment) => {
    if (moment === 'before') putsToGo--;
    if (putsToGo <= 0 && planned === `put-${moment}`) strike(planned);
    if (moment === 'after') life.onPut();
  });
  life.setOnAccepted(() => {
    if (planned === 'unsaved' && life.unsaved() >= life.threshold) strike('unsaved');
  });
  const endBy = performance.now() + (planned === 'time' ? random.int(50, LIFE_MS / 2) : LIFE_MS);
  const rotateAfter = random.int(1, 8);
  for (let turn = 1; !hit; turn++) {
    traffic.burst();
    if (turn % rotateAfter === 0 && traffic.rotate() && planned === 'rotation') strike('rotation');
    if (performance.now() >= endBy) strike('time');
    await delay(random.int(5, 60));
  }
  life.setOnPut(undefined);
  life.setOnAccepted(undefined);
  return hit;
}

async function finish(
  flicker: FlickerProcess,
  s3: S3Client,
  ledger: Ledger,
  kills: Record<Strike, number>,
  proxy: { readonly puts: number },
): Promise<TortureReport> {
  const parkAll = async () => {
    for (const line of await deadLetters(s3)) ledger.park(line);
    return ledger.counts.missing.length === 0;
  };
  // As long as something arrives there is hope.
  for (let last = -1, quietSince = performance.now(); !(await parkAll()); await delay(100)) {
    const { accepted } = ledger.counts;
    if (accepted !== last) quietSince = performance.now();
    last = accepted;
    if (performance.now() - quietSince > QUIET_MS) break;
  }
  flicker.child.kill('SIGTERM');
  const exitCode = await flicker.ended;
  return { ...ledger.counts, kills, saves: proxy.puts, exitCode, problems: ledger.problems };
}

async function deadLetters(s3: S3Client): Promise<string[]> {
  const prefix = KEY.replace('-registry.json', '/dlq/');
  const listed = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix }));
  const texts = await Promise.all(
    (listed.Contents ?? []).map(async ({ Key }) => {
      const found = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
      return (await found.Body?.transformToString()) ?? '';
    }),
  );
  return texts
    .flatMap((text) => text.split('\n').filter(Boolean))
    .map((line) => (JSON.parse(line) as { event: { line: string } }).event.line);
}

/** The sources start one after the other; the files are the last. */
async function atLastStarted(flicker: FlickerProcess): Promise<void> {
  await flicker.line((line) => line.includes('source.started') && line.includes('"app"'));
}

async function until(condition: () => boolean, ms: number, what: string): Promise<void> {
  const deadline = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms for ${what}`);
    await delay(5);
  }
}
