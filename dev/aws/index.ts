import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { guard, killGroup, temporaryFolder } from '../guard';
import { childEnvironment, connection, type AwsConnection } from './connection';

export { childEnvironment, connectionFromEnvironment, type AwsClientConfig, type AwsConnection } from './connection';
export { cdk, typescriptApp, type CdkOptions } from './cdk';

/** The account that the embedded AWS plays. */
export const EMBEDDED_ACCOUNT = '000000000000';

export interface StartAwsOptions {
  /** @default a free port of 127.0.0.1 */
  readonly port?: number;
  /** @default us-east-1 */
  readonly region?: string;
  /** Most time until it answers, in milliseconds. @default 30000 */
  readonly startTimeoutMs?: number;
}

/** An embedded AWS that runs. */
export interface EmbeddedAws extends AwsConnection {
  /** Forgets everything: buckets, stacks, and the CDK bootstrap too. */
  reset(): Promise<void>;
  /** Stops it and removes its files. It also stops when this process ends, however it ends. */
  stop(): Promise<void>;
  /** What it has printed, the last 64 KiB: for error messages. */
  output(): string;
}

const interpreter = join(__dirname, '../../.cache/aws/venv/bin/python');
const attempts = 3;
const keptOutput = 64 << 10;

/**
 * Starts an embedded AWS on loopback, with an empty state and a CDK home of its own.
 *
 * @throws Error when it is not installed, or does not answer in time; the text holds the last lines it printed.
 */
export async function startAws(options: StartAwsOptions = {}): Promise<EmbeddedAws> {
  if (!existsSync(interpreter)) throw new Error('the embedded AWS is not installed; run `npm run prepare-tree` once');
  const region = options.region ?? 'us-east-1';
  const home = temporaryFolder('holdfast-aws-');
  try {
    const server = await startOnFreePort(home, region, options);
    return embeddedAws(server, home, region);
  } catch (error) {
    rmSync(home, { recursive: true, force: true });
    throw error;
  }
}

interface Server {
  readonly child: ChildProcess;
  readonly endpoint: string;
  output(): string;
}

/** Another process may take a free port before the emulator does: then the next one is tried. */
async function startOnFreePort(home: string, region: string, options: StartAwsOptions): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const server = launch(port, home, region);
    try {
      await untilHealthy(server, options.startTimeoutMs ?? 30_000);
      return server;
    } catch (error) {
      killGroup(server.child, 'SIGKILL');
      const taken = /already in use/.test(server.output());
      if (!taken || options.port !== undefined || attempt === attempts) throw error;
    }
  }
}

function launch(port: number, home: string, region: string): Server {
  const child = spawn(interpreter, ['-m', 'ministack'], {
    cwd: home,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: childEnvironment(
      { env: {} },
      {
        BIND_HOST: '127.0.0.1',
        GATEWAY_PORT: String(port),
        MINISTACK_HOST: '127.0.0.1',
        MINISTACK_REGION: region,
        SFTP_ENABLED: '0',
        IOT_MTLS_ENABLED: '0',
        // It leaves files in these folders; they go with it.
        HOME: home,
        TMPDIR: home,
        S3_DATA_DIR: join(home, 's3'),
        STATE_DIR: join(home, 'state'),
        PYTHONUNBUFFERED: '1',
      },
    ),
  });
  guard(child);
  // A run that is over need not stop it first: it must not keep the process alive.
  child.unref();
  for (const stream of [child.stdout, child.stderr]) if (stream instanceof Socket) stream.unref();
  let text = '';
  const keep = (chunk: string) => (text = (text + chunk).slice(-keptOutput));
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  child.once('error', (error) => keep(String(error)));
  return { child, endpoint: `http://127.0.0.1:${port}`, output: () => text };
}

async function untilHealthy({ child, endpoint, output }: Server, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  const ended = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  while (!ended()) {
    const healthy = await fetch(`${endpoint}/_ministack/health`, { signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.ok,
      () => false,
    );
    // A stranger on the port answers too; then the emulator is about to end.
    if (healthy && /Running on|Ready/i.test(output()) && !ended()) return;
    if (performance.now() > deadline) throw new Error(report(`did not answer within ${timeoutMs} ms`, output()));
    await delay(25);
  }
  throw new Error(report('ended while it started', output()));
}

function report(what: string, output: string): string {
  return `the embedded AWS ${what}; it printed:\n${output.trim().split('\n').slice(-20).join('\n')}`;
}

function embeddedAws({ child, endpoint, output }: Server, home: string, region: string): EmbeddedAws {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const base = connection({ endpoint, region, credentials });
  let stopping: Promise<void> | undefined;
  return {
    ...base,
    env: {
      ...base.env,
      // The config of whoever runs this must not reach the clients of the embedded AWS.
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      NO_PROXY: '127.0.0.1,localhost',
      no_proxy: '127.0.0.1,localhost',
      // The CLI caches which account a key belongs to: each emulator gets its own folder.
      CDK_HOME: join(home, 'cdk'),
      CDK_DEFAULT_ACCOUNT: EMBEDDED_ACCOUNT,
      CDK_DEFAULT_REGION: region,
      CDK_DISABLE_CLI_TELEMETRY: 'true',
      CDK_DISABLE_VERSION_CHECK: 'true',
      CDK_NOTICES: 'false',
    },
    output,
    reset: async () => {
      const response = await fetch(`${endpoint}/_ministack/reset`, { method: 'POST' });
      if (!response.ok) throw new Error(report(`answered ${response.status} to a reset`, output()));
    },
    stop: () =>
      (stopping ??= (async () => {
        // Its state is thrown away: nothing to wait for.
        if (child.exitCode === null && child.signalCode === null) {
          child.ref(); // waited for now
          const exited = once(child, 'exit');
          killGroup(child, 'SIGKILL');
          await exited;
        }
        rmSync(home, { recursive: true, force: true });
      })()),
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('a loopback socket has no port');
  return address.port;
}
