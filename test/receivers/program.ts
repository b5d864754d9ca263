import { spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { listen } from '../runtime/flicker/destinations/support';

/** A receiver that is a program of its own. */
export interface Program {
  /** Waits for a condition. @throws Error with what the program wrote on stderr, when it ends before */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
  stop(): Promise<void>;
}

export function start(command: string, args: readonly string[], options: SpawnOptions = {}): Program {
  const program = spawn(command, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  program.stderr?.on('data', (chunk: Buffer) => (complaints += String(chunk)));
  const ended = () => program.exitCode !== null || program.signalCode !== null;
  return {
    async until(condition) {
      while (!(await condition())) {
        if (ended()) throw new Error(`${command} ended with ${program.exitCode ?? program.signalCode}: ${complaints}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async stop() {
      if (ended()) return;
      const exit = once(program, 'exit');
      program.kill('SIGTERM');
      await exit;
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether somebody listens on a port. */
export const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket
      .on('error', () => resolve(false))
      .on('connect', () => {
        socket.destroy();
        resolve(true);
      });
  });

/** Lines that receivers are likely to misread. */
export const nasty = [
  'plain',
  'é "quoted" ]',
  'two\nlines',
  '<34>1 not a head',
  '12 not a count',
  '\0 \x1b[31m',
  ' ',
  'x'.repeat(3000),
];
