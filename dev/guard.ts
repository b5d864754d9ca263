import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * What must not outlive this process, however it ends: a shell in a session of its own reads from a pipe what there is,
 * and kills and removes it when the pipe closes, which a SIGKILL of this process does as well.
 */
const script = `
groups=
while read -r kind rest; do
  case $kind in
    groups) groups=$rest ;;
    folder) set -- "$@" "$rest" ;;
  esac
done
for group in $groups; do kill -9 "-$group"; done
[ $# -eq 0 ] || rm -rf -- "$@"
`;

const groups = new Set<number>();
let watcher: ChildProcess | undefined;

/** Kills this child's process group with this process. The child must be spawned with `detached: true`. */
export function guard(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  const tellGroups = () => tell(`groups ${[...groups].join(' ')}`);
  groups.add(pid);
  tellGroups();
  child.once('exit', () => {
    groups.delete(pid);
    tellGroups();
  });
}

/** A new folder that is removed with this process, if nobody removes it before. */
export function temporaryFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  tell(`folder ${folder}`);
  return folder;
}

function tell(line: string): void {
  if (watcher === undefined) {
    watcher = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    watcher.once('error', (error) => {
      throw new Error('cannot start /bin/sh, which ends the child processes of a run that dies', { cause: error });
    });
    watcher.unref();
    if (watcher.stdin instanceof Socket) watcher.stdin.unref();
  }
  watcher.stdin?.write(`${line}\n`);
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
