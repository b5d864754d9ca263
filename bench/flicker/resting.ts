import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { get } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSeconds, launch, memory, settled } from './process';
import { flickerCommand } from './subjects';

/** A flicker with one empty log file, a local registry and its defaults. */
function restingCommand(folder: string, port: number) {
  mkdirSync(folder, { recursive: true });
  const input = join(folder, 'app.log');
  writeFileSync(input, '');
  return flickerCommand({
    config: { destination: { type: 'http', endpoint: 'http://127.0.0.1:9/' }, log_files: [{ path: input }] },
    registryFile: join(folder, 'registry.json'),
    port,
  });
}

export interface Start {
  /** Milliseconds from spawn to the first 200 of /readyz. */
  readonly ms: number;
  /** Milliseconds of CPU until then. */
  readonly cpuMs: number;
}

/** Starts flicker and asks until it is ready. */
export async function timeToReady(folder: string): Promise<Start> {
  const port = await freePort();
  const command = restingCommand(folder, port);
  const started = performance.now();
  const running = await launch(command);
  try {
    while (!(await ready(port))) {
      if (running.ended()) throw new Error(`flicker ended at its start:\n${running.output()}`);
      await delay(2);
    }
    return { ms: performance.now() - started, cpuMs: cpuSeconds(running.pid) * 1000 };
  } finally {
    await running.stop();
  }
}

/** Milliseconds that plain Node takes to start and end. */
export async function bareNode(): Promise<number> {
  const started = performance.now();
  const running = await launch({ argv: [process.execPath, '-e', '0'] });
  while (!running.ended()) await delay(1);
  return performance.now() - started;
}

export interface Rest {
  readonly residentMib: number;
  /** Percent of a core. */
  readonly cpuPercent: number;
}

/** Memory and CPU of a flicker that has nothing to do. */
export async function rest(folder: string, seconds: number): Promise<Rest> {
  const running = await launch(restingCommand(folder, 0));
  try {
    await settled(running);
    const before = cpuSeconds(running.pid);
    await delay(seconds * 1000);
    const cpuPercent = ((cpuSeconds(running.pid) - before) / seconds) * 100;
    return { residentMib: memory(running.pid).resident, cpuPercent };
  } finally {
    await running.stop();
  }
}

function ready(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ port, host: '127.0.0.1', path: '/readyz', agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    }).on('error', () => resolve(false)); // not listening yet
  });
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
