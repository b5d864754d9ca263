import { spawn } from 'node:child_process';
import { childEnvironment, type AwsConnection } from './connection';
import { guard, killGroup } from '../guard';

export interface CdkOptions {
  /** The AWS that the CLI and the app talk to. */
  readonly aws: AwsConnection;
  /** The app: a command, or the folder of an assembly that was synthesized before. @default `app` of cdk.json in `cwd` */
  readonly app?: string;
  /** Folder of the synthesized assembly. @default `cdk.out` in `cwd` */
  readonly output?: string;
  /** Variables for the CLI and the app, besides those of the connection. */
  readonly env?: Readonly<Record<string, string>>;
  /** @default the folder of this process */
  readonly cwd?: string;
  /** Called with each line as it is printed. */
  readonly log?: (line: string) => void;
  /** Aborting kills the CLI and its app. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the pinned CDK CLI: `await cdk(['deploy', '--all', '--require-approval', 'never'], { aws, app })`.
 *
 * @returns what it printed on both outputs.
 * @throws Error when it fails; the text holds the end of what it printed.
 */
export async function cdk(args: readonly string[], options: CdkOptions): Promise<string> {
  const { aws, app, output, cwd, log, signal } = options;
  const line = [
    require.resolve('aws-cdk/bin/cdk'),
    ...args,
    ...(app === undefined ? [] : ['--app', app]),
    ...(output === undefined ? [] : ['--output', output]),
    '--no-color',
    '--no-notices',
  ];
  const child = spawn(process.execPath, line, {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: childEnvironment(aws, options.env),
  });
  guard(child);
  const abort = () => killGroup(child, 'SIGKILL');
  signal?.addEventListener('abort', abort);
  let text = '';
  let rest = '';
  const take = (chunk: string) => {
    text += chunk;
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach((entry) => log?.(entry));
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);
  try {
    const [code, killedBy] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (...end) => resolve(end));
    });
    if (rest !== '') log?.(rest);
    signal?.throwIfAborted();
    if (code === 0) return text;
    const tail = text.trim().split('\n').slice(-30).join('\n');
    throw new Error(`cdk ${args.join(' ')} failed with ${killedBy ?? `exit code ${String(code)}`}:\n${tail}`);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** The app command for a TypeScript file of this repository. */
export function typescriptApp(file: string): string {
  // The CLI takes away quotes around a whole argument: it must not begin with one.
  return ['exec', ...[process.execPath, require.resolve('tsx/cli'), file].map((part) => `"${part}"`)].join(' ');
}
