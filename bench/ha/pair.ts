import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { coreEvents, registryEvents, type HaProfile, type HaTiming } from '../../contract';
import { startFlicker, type FlickerProcess } from '../../dev/flicker-process';

/** How a holder goes. */
export const ways = ['SIGKILL', 'SIGTERM'] as const;
export type Way = (typeof ways)[number];

export interface PairOptions {
  readonly profile: HaProfile;
  readonly timing: HaTiming;
  /** Takeovers of each kind. */
  readonly runs: number;
  readonly registry: string;
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  /** How long requests are counted. */
  readonly countMs: number;
}

export interface PairResult {
  /** Milliseconds from the signal to the takeover. */
  readonly takeovers: Readonly<Record<Way, readonly number[]>>;
  /** Requests of a holder and its standby while both do nothing else. */
  readonly requests: Readonly<Record<'PutObject' | 'GetObject', number>>;
}

interface Instance {
  readonly process: FlickerProcess;
  /** Calls to AWS so far. */
  readonly calls: { PutObject: number; GetObject: number };
}

/** Two instances on one registry: the holder goes, the other one takes over, and a new one stands by. */
export async function runPair(options: PairOptions): Promise<PairResult> {
  const { timing, runs, folder, countMs } = options;
  mkdirSync(folder, { recursive: true });
  const takeovers: Record<Way, number[]> = { SIGKILL: [], SIGTERM: [] };
  let count = 0;
  const begin = () => startInstance(options, `n${++count}`);
  const running = new Set<Instance>();
  const started = async (event: string) => {
    const instance = begin();
    running.add(instance);
    await said(instance, event);
    return instance;
  };
  try {
    let holder = await started(registryEvents.created);
    let standby = await started(registryEvents.standby);
    const before = sum([holder, standby]);
    await delay(countMs);
    const after = sum([holder, standby]);
    for (let run = 0; run < runs * ways.length; run++) {
      const way = ways[run % ways.length] ?? 'SIGKILL';
      // Any moment between two saves and two looks.
      await delay(Math.random() * Math.max(timing.renew_ms, timing.poll_ms));
      const taken = said(standby, registryEvents.takenOver);
      const from = performance.now();
      holder.process.child.kill(way);
      await taken;
      takeovers[way].push(performance.now() - from);
      await holder.process.ended;
      running.delete(holder);
      holder = standby;
      standby = await started(registryEvents.standby);
    }
    return {
      takeovers,
      requests: { PutObject: after.PutObject - before.PutObject, GetObject: after.GetObject - before.GetObject },
    };
  } finally {
    for (const { process } of running) process.child.kill('SIGKILL');
    await Promise.all([...running].map(({ process }) => process.ended));
    rmSync(folder, { recursive: true, force: true });
  }
}

function startInstance({ profile, registry, env, folder }: PairOptions, node: string): Instance {
  const input = join(folder, 'app.log');
  writeFileSync(input, '');
  const config = join(folder, 'config.json');
  writeFileSync(
    config,
    JSON.stringify({
      log_files: [{ name: 'app', path: input, shared: true }],
      destination: { type: 'file', path: join(folder, 'out.jsonl') },
      ha: { profile },
    }),
  );
  const calls = { PutObject: 0, GetObject: 0 };
  const process = startFlicker(
    [
      '-c',
      config,
      '--track',
      '--registry-file',
      registry,
      '--node-id',
      node,
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--debug',
    ],
    env,
    folder,
    (line) => {
      if (!line.includes(`"${coreEvents.awsCall}"`)) return;
      if (line.includes('"PutObject"')) calls.PutObject++;
      if (line.includes('"GetObject"')) calls.GetObject++;
    },
  );
  return { process, calls };
}

async function said({ process }: Instance, event: string): Promise<void> {
  await process.line((line) => line.includes(`"${event}"`));
}

function sum(instances: readonly Instance[]): { PutObject: number; GetObject: number } {
  return instances.reduce(
    (total, { calls }) => ({
      PutObject: total.PutObject + calls.PutObject,
      GetObject: total.GetObject + calls.GetObject,
    }),
    { PutObject: 0, GetObject: 0 },
  );
}
