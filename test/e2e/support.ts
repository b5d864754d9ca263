import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { FlickerConfigInput } from '../../contract';
import { startAws } from '../../dev/aws';
import { connection } from '../../dev/aws/connection';
import { startFlicker, type FlickerProcess } from '../../dev/flicker-process';
import { listen } from '../../dev/vendors/listen';

const logLine = z.looseObject({ event: z.string(), message: z.string() });
export type LogLine = z.output<typeof logLine>;

/** A flicker process, what it says, and what its port answers. */
export class Program {
  constructor(readonly process: FlickerProcess) {}

  /** The first log line of an event, now or later. */
  async event(name: string): Promise<LogLine> {
    return logLine.parse(JSON.parse(await this.process.line((line) => eventOf(line) === name)));
  }

  /** Log lines so far. */
  events(): LogLine[] {
    return this.process.lines.filter((line) => eventOf(line) !== '').map((line) => logLine.parse(JSON.parse(line)));
  }

  /** What a probe is answered, as `status text`. */
  async probe(path: '/livez' | '/readyz'): Promise<string> {
    const { port } = await this.event('http.listening');
    const response = await fetch(`http://127.0.0.1:${String(port)}${path}`);
    return `${response.status} ${(await response.text()).trim()}`;
  }

  /** The exit code after SIGTERM. */
  async stop(): Promise<number | NodeJS.Signals> {
    this.process.child.kill('SIGTERM');
    return await this.process.ended;
  }

  /** Everything that it has printed. */
  get text(): string {
    return this.process.lines.join('\n');
  }
}

function eventOf(line: string): string {
  if (!line.startsWith('{')) return '';
  const parsed = logLine.safeParse(JSON.parse(line));
  return parsed.success ? parsed.data.event : '';
}

/** A folder, and programs that run in it; all of it is gone when it is disposed. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-stage-'));
  readonly #programs: Program[] = [];
  readonly #servers: (() => Promise<void>)[] = [];

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  append(name: string, text: string): void {
    writeFileSync(this.path(name), text, { flag: 'a' });
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  /** Starts flicker with a config; on a free port, with its log as JSON. */
  start(config: FlickerConfigInput | string, args: readonly string[] = [], env: Record<string, string> = {}): Program {
    const text = typeof config === 'string' ? config : JSON.stringify(config);
    const file = this.write(`config-${this.#programs.length}.yaml`, text);
    const all = ['-c', file, '--host', '127.0.0.1', ...(args.includes('--port') ? [] : ['--port', '0']), ...args];
    const program = new Program(startFlicker(all, env, this.folder));
    this.#programs.push(program);
    return program;
  }

  /** Runs flicker to its end. */
  async run(...given: Parameters<Stage['start']>): Promise<{ code: number | NodeJS.Signals; program: Program }> {
    const program = this.start(...given);
    return { code: await program.process.ended, program };
  }

  /** An HTTP server on loopback. */
  async serve(answer: RequestListener): Promise<string> {
    const { origin, stop } = await listen(createServer(answer));
    this.#servers.push(stop);
    return origin;
  }

  async dispose(): Promise<void> {
    for (const { process } of this.#programs) {
      process.child.kill('SIGKILL');
      await process.ended;
    }
    for (const stop of this.#servers) await stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const pathStyle = { AWS_S3_FORCE_PATH_STYLE: 'true' };

/** A versioned bucket for registries in an embedded AWS. */
export interface RegistryBucket {
  readonly Bucket: string;
  /** One attempt for each request, as registries need it. */
  readonly s3: S3Client;
  /** For programs that use it. */
  readonly env: Record<string, string>;
  stop(): Promise<void>;
}

export async function startRegistryBucket(): Promise<RegistryBucket> {
  const Bucket = 'state';
  const aws = await startAws();
  const s3 = new S3Client({ ...aws.clientConfig, forcePathStyle: true, maxAttempts: 1 });
  const stop = async () => {
    s3.destroy();
    await aws.stop();
  };
  try {
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  } catch (error) {
    await stop();
    throw error;
  }
  return { Bucket, s3, env: { ...aws.env, ...pathStyle }, stop };
}

/** Environment of a program whose S3 is at this endpoint. */
export function s3Environment(endpoint: string): Record<string, string> {
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret-key' };
  return { ...connection({ endpoint, region: 'eu-central-1', credentials }).env, ...pathStyle };
}

/** Polls until a condition holds. @throws Error when it does not in time */
export async function until(what: string, done: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  for (const deadline = performance.now() + timeoutMs; !(await done());) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Settings of one quick log file source. */
export const quick = {
  polling_frequency_ms: 20,
  flush_interval_ms: 20,
  start_at: 'beginning',
} as const;
export const quickRetry = { max_retries: 2, initial_delay_ms: 10, max_delay_ms: 100 } as const;

/** `line 1`, `line 2` … */
export const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`);
export const text = (from: number, to: number) => lines(from, to).join('\n') + '\n';
