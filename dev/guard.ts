import { spawn, type ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';

/**
 * Process groups that must not outlive this process, however it ends: a shell in a session of its own reads the groups
 * from a pipe, and kills what it read last when the pipe closes, which a SIGKILL of this process does as well.
 */
const script = 'groups=; while read -r line; do groups=$line; done; for group in $groups; do kill -9 "-$group"; done';

const groups = new Set<number>();
let watcher: ChildProcess | undefined;

/** Kills this child's process group with this process. The child must be spawned with `detached: true`. */
export function guard(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  groups.add(pid);
  tell();
  child.once('exit', () => {
    groups.delete(pid);
    tell();
  });
}

function tell(): void {
  if (watcher === undefined) {
    watcher = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    watcher.once('error', (error) => {
      throw new Error('cannot start /bin/sh, which ends the child processes of a run that dies', { cause: error });
    });
    watcher.unref();
    if (watcher.stdin instanceof Socket) watcher.stdin.unref();
  }
  watcher.stdin?.write(`${[...groups].join(' ')}\n`);
}

/** Sends a signal to a child's whole process group; a group that is gone already is fine. */
export function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    const gone = typeof error === 'object' && error !== null && 'code' in error && error.code === 'ESRCH';
    if (!gone) throw error;
  }
}
