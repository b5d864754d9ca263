import { createHash } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { layoutOfKey } from '../../contract/registry';
import type { Clock } from '../core/clock';
import { errorCode } from '../core/errors';
import { withFileLock } from './file-lock';
import type { BesideReply, ObjectStore, ReadReply, WriteReply } from './store';

/**
 * The registry as a file. A write is a new file, forced to disk and renamed over the old one, so that a reader and a crash
 * find a whole version; compare and rename happen under a lock, so that processes on one machine cannot cross.
 * The ETag is a hash of the content.
 */
export function createLocalStore(file: string, clock: Clock): ObjectStore {
  const path = resolve(file);
  const prefix = layoutOfKey(path).prefix;
  const lock = `${path}.lock`;

  const current = async (): Promise<{ body: Uint8Array; etag: string } | undefined> => {
    try {
      const body = await readFile(path);
      return { body, etag: etagOf(body) };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  };

  const read = async (): Promise<ReadReply> => {
    try {
      const found = await current();
      return found ? { kind: 'found', ...found } : { kind: 'missing' };
    } catch (error) {
      return failureOf(error);
    }
  };

  return {
    location: path,
    read,

    async readUnless(etag) {
      const reply = await read();
      return reply.kind === 'found' && reply.etag === etag ? { kind: 'unchanged' } : reply;
    },

    async write(body, condition, signal): Promise<WriteReply> {
      let renamed = false;
      try {
        await mkdir(dirname(path), { recursive: true });
        return await withFileLock(lock, clock, signal, async (): Promise<WriteReply> => {
          const found = await current();
          if ('ifMatch' in condition) {
            if (!found) return { kind: 'missing' };
            if (found.etag !== condition.ifMatch) return { kind: 'precondition-failed' };
          } else if (found) {
            return { kind: 'precondition-failed' };
          }
          await writeWhole(`${path}.tmp`, body, async (whole) => {
            await rename(whole, path);
            renamed = true;
          });
          return { kind: 'committed', etag: etagOf(body) };
        });
      } catch (error) {
        const failure = failureOf(error);
        return renamed ? { kind: 'unknown', reason: failure.reason } : failure;
      }
    },

    async putBeside(name, body): Promise<BesideReply> {
      const target = `${prefix}${name}`;
      try {
        await mkdir(dirname(target), { recursive: true });
        await writeWhole(`${target}.${process.pid}.tmp`, body, (whole) => link(whole, target));
        return { kind: 'kept', location: target };
      } catch (error) {
        return errorCode(error) === 'EEXIST' ? { kind: 'exists' } : { kind: 'failed', reason: failureOf(error).reason };
      }
    },
  };
}

/** Writes a file and forces it to disk, gives it its name by `publish`, and forces the name to disk. */
async function writeWhole(temporary: string, body: Uint8Array, publish: (whole: string) => Promise<void>) {
  try {
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(body);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await publish(temporary);
    const folder = await open(dirname(temporary), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } finally {
    await rm(temporary, { force: true });
  }
}

function etagOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

function failureOf(error: unknown): { kind: 'denied' | 'failed'; reason: string } {
  switch (errorCode(error)) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return { kind: 'denied', reason: messageOf(error) };
    case 'ENOSPC':
    case 'EDQUOT':
      return { kind: 'failed', reason: 'the disk is full; the last saved version is untouched' };
    default:
      return { kind: 'failed', reason: messageOf(error) };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
