import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { guard, killGroup } from '../../dev/guard';

/** What is measured runs on the first core; the sink and everything else of the bench on the second. */
const SUBJECT_CORE = 0;
const SINK_CORE = 1;

const pinning = spawnSync('taskset', ['--version']).status === 0;
export const pinned = pinning ? 'pinned to one core, the sink to another' : 'not pinned to a core (no taskset)';

/** Keeps this process off the core of what is measured. */
export function pinBench(): void {
  if (pinning) spawnSync('taskset', ['-apc', String(SINK_CORE), String(process.pid)]);
}

/** A command of its own on one core. */
export interface Running {
  readonly pid: number;
  /** The last lines that it printed. */
  output(): string;
  /** Whether it has ended. */
  ended(): boolean;
  /** SIGTERM; after 15 s SIGKILL. */
  stop(): Promise<void>;
}

export interface Command {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const KEPT_OUTPUT = 8000;

function pinnedSpawn({ argv, env, cwd }: Command, core: number, ipc: boolean): ChildProcess {
  const [file, ...args] = pinning ? ['taskset', '-c', String(core), ...argv] : argv;
  if (file === undefined) throw new Error('an empty command');
  const child = spawn(file, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
    env: env ? { PATH: process.env['PATH'], ...env } : process.env,
    ...(cwd !== undefined && { cwd }),
  });
  guard(child);
  return child;
}

/** Starts what is measured. */
export async function launch(command: Command): Promise<Running> {
  const child = pinnedSpawn(command, SUBJECT_CORE, false);
  await once(child, 'spawn');
  let output = '';
  let ended = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => (output = (output + data.toString()).slice(-KEPT_OUTPUT)));
  }
  const exit = once(child, 'exit').then(() => (ended = true));
  return {
    pid: child.pid ?? 0,
    output: () => output,
    ended: () => ended,
    stop: async () => {
      if (ended) return;
      child.kill('SIGTERM');
      const late = setTimeout(() => killGroup(child, 'SIGKILL'), 15_000);
      await exit;
      clearTimeout(late);
    },
  };
}

/** Seconds of CPU that a process has used, user and system, all its threads. Ticks of 10 ms. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** MiB of memory of a process: resident now, and at most so far. */
export function memory(pid: number): { readonly resident: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? NaN) / 1024;
  return { resident: mebibytes('VmRSS'), peak: mebibytes('VmHWM') };
}

/** Waits until a process that has started has nothing more to do. */
export async function settled(running: Running, quietMs = 400): Promise<void> {
  const patience = performance.now() + 20_000;
  let before = -1;
  for (let quietSince = performance.now(); performance.now() - quietSince < quietMs;) {
    if (running.ended()) throw new Error(`it ended at its start:\n${running.output()}`);
    const now = cpuSeconds(running.pid);
    if (now > before) quietSince = performance.now();
    // A tick now and then is idling.
    before = Math.max(before, now);
    if (performance.now() > patience) return;
    await delay(20);
  }
}

/** What a sink has received since it was reset. */
export interface SinkCounts {
  readonly events: number;
  readonly bytes: number;
  readonly requests: number;
  /** Seconds between the first byte and the last one. */
  readonly seconds: number;
  /** Seconds of CPU, user and system. */
  readonly cpu: number;
}

/** What the process of a sink says, and what it is told. `reset`: by what events are counted from now on. */
export type SinkMessage = { readonly port: number; readonly linesPort?: number } | { readonly counts: SinkCounts };
export interface SinkOrder {
  readonly reset?: string;
}

/** What every line of a corpus holds once. */
export const LINE_MARK = '~event';
/** What every record holds once: within lines quotes are escaped. */
export const RECORD_MARK = ',"id":"';

export interface Sink {
  readonly port: number;
  /** Takes lines over TCP, where there is one. */
  readonly linesPort: number | undefined;
  readonly url: string;
  /** Counts from 0, by this mark. */
  reset(mark?: string): Promise<void>;
  counts(): Promise<SinkCounts>;
  stop(): void;
}

const STALLED_MS = 30_000;

/** Resolves when so many events have come. @throws Error when nothing more comes for 30 s, or `running` ends */
export async function received(sink: Pick<Sink, 'counts'>, events: number, running: Running): Promise<SinkCounts> {
  let most = -1;
  let movedAt = performance.now();
  for (;;) {
    const counts = await sink.counts();
    if (counts.events >= events) return counts;
    if (counts.events > most) movedAt = performance.now();
    most = counts.events;
    const stalled = performance.now() - movedAt > STALLED_MS;
    if (stalled || running.ended()) {
      const why = stalled ? 'nothing more has come for 30 s' : 'it has ended';
      throw new Error(`${counts.events} of ${events} events came, ${why}:\n${running.output()}`);
    }
    await delay(10);
  }
}

/** A script of the bench in a process of its own, that talks over IPC. It is not what is measured. */
export function startHelper(script: string, args: readonly string[] = []): ChildProcess {
  const argv = [process.execPath, ...process.execArgv, join(__dirname, script), ...args];
  const child = pinnedSpawn({ argv }, SINK_CORE, true);
  child.stderr?.pipe(process.stderr);
  return child;
}

/** Starts a sink in a process of its own. */
export async function startSink(script = 'sink.ts'): Promise<Sink> {
  const child = startHelper(script);
  const [hello] = (await once(child, 'message')) as [SinkMessage];
  if (!('port' in hello)) throw new Error('the sink has not told its port');
  const tell = async (order: SinkOrder): Promise<SinkCounts> => {
    child.send(order);
    const [answer] = (await once(child, 'message')) as [SinkMessage];
    if (!('counts' in answer)) throw new Error('the sink has not told its counts');
    return answer.counts;
  };
  return {
    port: hello.port,
    linesPort: hello.linesPort,
    url: `http://127.0.0.1:${hello.port}/ingest`,
    reset: async (mark = LINE_MARK) => void (await tell({ reset: mark })),
    counts: () => tell({}),
    stop: () => child.disconnect(),
  };
}
