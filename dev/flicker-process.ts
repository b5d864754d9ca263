import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The bundle that containers run. */
export const flickerBundle = join(__dirname, '../dist/runtime/flicker/flicker.mjs');

/** A flicker that runs as a process of its own. */
export interface FlickerProcess {
  readonly child: ChildProcess;
  /** Log lines so far, the last few hundred. */
  readonly lines: readonly string[];
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Resolves with the first log line that satisfies the test. Rejects when the process ends first. */
  line(test: (line: string) => boolean): Promise<string>;
}

const KEPT_LINES = 500;

/** Starts the real bundle. @throws Error when it has not been built */
export function startFlicker(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
  onLine?: (line: string) => void,
): FlickerProcess {
  if (!existsSync(flickerBundle)) throw new Error('the bundle is not built: run npm run build');
  const child = spawn(process.execPath, [flickerBundle, ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const watchers = new Set<(line: string) => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      onLine?.(line);
      if (lines.length > KEPT_LINES) lines.shift();
      for (const watch of watchers) watch(line);
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals);
  return {
    child,
    lines,
    ended,
    line: (test) =>
      new Promise((resolve, reject) => {
        const seen = lines.find(test);
        if (seen !== undefined) return resolve(seen);
        const watch = (line: string) => {
          if (!test(line)) return;
          watchers.delete(watch);
          resolve(line);
        };
        watchers.add(watch);
        void ended.then((how) => reject(new Error(`flicker ended (${how}) before that line:\n${lines.join('\n')}`)));
      }),
  };
}
