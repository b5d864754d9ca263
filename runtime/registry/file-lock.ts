import { lstat, readFile, readlink, symlink, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Clock } from '../core/clock';
import { errorCode } from '../core/errors';

const RETRY_MS = 10;
/** A holder on another host cannot be asked whether it lives; a lock is held for milliseconds. */
const FOREIGN_STALE_MS = 60_000;

/**
 * Runs `work` while no other process on this machine runs under the same lock. The lock is a symbolic link whose target
 * names its holder: it comes into being whole, and the lock of a killed process is recognised and broken.
 * @throws Error that names the holder, when the signal aborts while waiting
 */
export async function withFileLock<T>(
  path: string,
  clock: Clock,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const self = `${hostname()}:${process.pid}:${(await startOf(process.pid)) ?? ''}`;
  for (;;) {
    if (await created(self, path)) break;
    const holder = await holderOf(path);
    if (holder === undefined) continue;
    if (await lives(holder, path, clock)) {
      if (signal?.aborted) throw new Error(`the lock ${path} is held by ${holder} (host:process:start)`);
      await clock.sleep(RETRY_MS);
      continue;
    }
    // One breaker at a time: a lock that is still the dead holder's cannot change under it.
    await withFileLock(`${path}.break`, clock, signal, async () => {
      if ((await holderOf(path)) === holder) await unlink(path);
    });
  }
  try {
    return await work();
  } finally {
    await unlink(path);
  }
}

async function created(self: string, path: string): Promise<boolean> {
  try {
    await symlink(self, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function holderOf(path: string): Promise<string | undefined> {
  return await unlessMissing(readlink(path));
}

async function lives(holder: string, path: string, clock: Clock): Promise<boolean> {
  const [host, pid, start] = holder.split(':');
  if (host !== hostname()) {
    const stat = await unlessMissing(lstat(path));
    return stat === undefined || clock.now() - stat.mtimeMs < FOREIGN_STALE_MS;
  }
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return errorCode(error) !== 'ESRCH';
  }
  // A process id may have been given to another process since.
  return (await startOf(Number(pid))) === (start === '' ? undefined : start);
}

/** When a process started, in ticks since boot; undefined where there is no /proc. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await unlessMissing(readFile(`/proc/${pid}/stat`, 'utf8'));
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errorCode(error))) return undefined;
    throw error;
  }
}
