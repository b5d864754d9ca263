import { constants, mkdir, open, stat, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorCode } from '../../core/errors';

const NEWLINE = 0x0a;
const SCAN_BYTES = 64 * 1024;
/** How every record begins. A last line without its newline that begins so was cut off by a crash. */
const RECORD_HEAD = Buffer.from('{"path":');

/**
 * A file of lines that batches are appended to, each one whole and durable or not at all. Sources that name the same
 * path share one of these.
 */
export class AppendFile {
  private static readonly shared = new Map<string, AppendFile>();
  private handle: FileHandle | undefined;
  /** Length before a write that failed and could not be taken back yet. */
  private torn: number | undefined;
  private users = 0;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(readonly path: string) {}

  /** Opens the file, makes its folders, and repairs a last line that a crash cut off. @throws what the system answers */
  static async open(path: string): Promise<AppendFile> {
    const full = resolve(path);
    const file = AppendFile.shared.get(full) ?? new AppendFile(full);
    AppendFile.shared.set(full, file);
    file.users++;
    try {
      await file.exclusively(() => file.ready());
    } catch (error) {
      await file.close();
      throw error;
    }
    return file;
  }

  /** Resolves when all of `lines` is on the disk. @throws what the system answers; then nothing of it is in the file */
  append(lines: Uint8Array): Promise<void> {
    return this.exclusively(async () => {
      const handle = await this.ready();
      const before = (await handle.stat()).size;
      try {
        for (let done = 0; done < lines.length;) {
          const { bytesWritten } = await handle.write(lines, done, lines.length - done);
          done += bytesWritten;
        }
        await syncData(handle);
      } catch (error) {
        // When this fails too, `ready` does it before the next write.
        this.torn = before;
        await this.takeBack(handle).catch(() => {});
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    if (--this.users > 0) return;
    AppendFile.shared.delete(this.path);
    await this.exclusively(() => this.release());
  }

  private async ready(): Promise<FileHandle> {
    // Somebody may have moved or deleted the file: what is written must be found under its path.
    if (this.handle && !(await isFileAt(this.path, this.handle))) await this.release();
    if (this.handle) {
      await this.takeBack(this.handle);
      return this.handle;
    }
    await mkdir(dirname(this.path), { recursive: true });
    const handle = await open(this.path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o640);
    try {
      if ((await handle.stat()).isFile()) {
        await repair(handle);
        await syncFolder(dirname(this.path));
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.handle = handle;
    return handle;
  }

  private async release(): Promise<void> {
    const handle = this.handle;
    this.handle = undefined;
    this.torn = undefined;
    await handle?.close();
  }

  private async takeBack(handle: FileHandle): Promise<void> {
    if (this.torn === undefined) return;
    if ((await handle.stat()).isFile()) await handle.truncate(this.torn);
    this.torn = undefined;
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const run = this.last.then(work, work);
    this.last = run.catch(() => {});
    return run;
  }
}

async function isFileAt(path: string, handle: FileHandle): Promise<boolean> {
  try {
    const [there, own] = await Promise.all([stat(path), handle.stat()]);
    return there.ino === own.ino && there.dev === own.dev;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Data and size. Pipes and terminals cannot be synchronised and need not be. */
async function syncData(handle: FileHandle): Promise<void> {
  try {
    await handle.datasync();
  } catch (error) {
    if (errorCode(error) !== 'EINVAL' || (await handle.stat()).isFile()) throw error;
  }
}

/**
 * Ends the file with a newline. A record that a crash cut off was never acknowledged and is sent again: it is removed.
 * Whatever else stands there is somebody's: it gets its newline.
 */
async function repair(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  const start = await lastLineStart(handle, size);
  if (start === size) return;
  const head = Buffer.alloc(Math.min(RECORD_HEAD.length, size - start));
  await handle.read(head, 0, head.length, start);
  if (head.equals(RECORD_HEAD.subarray(0, head.length))) await handle.truncate(start);
  else await handle.write('\n');
  await handle.datasync();
}

/** Where the last line starts; `size` when the file ends with a newline. */
async function lastLineStart(handle: FileHandle, size: number): Promise<number> {
  const chunk = Buffer.alloc(Math.min(SCAN_BYTES, size));
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - chunk.length);
    const { bytesRead } = await handle.read(chunk, 0, end - start, start);
    const at = chunk.subarray(0, bytesRead).lastIndexOf(NEWLINE);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}

/** A new name is durable when its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
