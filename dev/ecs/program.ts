import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { guard, killGroup } from '../guard';
import type { AwsConnection } from '../aws/connection';

/** One start of a container, as a player gets it: paths are already those of this machine. */
export interface ContainerRun {
  readonly name: string;
  readonly image: string;
  /** Entry point and command, in one list; empty when the image's own are to run. */
  readonly argv: readonly string[];
  /** All variables, with secrets, endpoint and credentials. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** How to reach AWS from this process. */
  readonly aws: AwsConnection;
  log(line: string, output: 'stdout' | 'stderr'): void;
}

/** How a container's program ended. A signal is 128 and its number, as a shell and ECS say it. */
export interface Exit {
  readonly code: number;
  /** Why, when the program never ran. */
  readonly reason?: string;
}

/** A container's program that runs. */
export interface ContainerProcess {
  readonly pid: number | undefined;
  readonly exited: Promise<Exit>;
  /** SIGKILL ends the program with all its children; other signals go to the program alone. */
  kill(signal: NodeJS.Signals): void;
}

/** Runs a command as the container's program. */
export function runProgram(run: Pick<ContainerRun, 'env' | 'cwd' | 'log'>, argv: readonly string[]): ContainerProcess {
  const [command = '', ...args] = argv;
  const { env, cwd } = run;
  const child = spawn(command, args, { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  guard(child);
  eachLine(child.stdout, (line) => run.log(line, 'stdout'));
  eachLine(child.stderr, (line) => run.log(line, 'stderr'));
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', (error) => {
      if (child.pid === undefined) resolve({ code: 127, reason: `${command} does not start: ${error.message}` });
    });
    // A container ends with its first process.
    child.once('exit', () => killGroup(child, 'SIGKILL'));
    child.once('close', (code, signal) => resolve({ code: code ?? 128 + (signal ? constants.signals[signal] : 0) }));
  });
  return { pid: child.pid, exited, kill: (signal) => send(child, signal) };
}

function send(child: ChildProcess, signal: NodeJS.Signals): void {
  if (signal === 'SIGKILL') killGroup(child, signal);
  else child.kill(signal);
}

function eachLine(stream: NodeJS.ReadableStream, log: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(log);
  });
  stream.on('end', () => {
    if (rest !== '') log(rest);
  });
}
