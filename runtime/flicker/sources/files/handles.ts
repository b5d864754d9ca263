import { open, type FileHandle } from 'node:fs/promises';
import { errorCode } from '../../../core/errors';
import { SourceError } from '../../source';
import { toFileStat, type FileStat } from './discover';

/** Most files kept open, beside deleted ones that can only be read while they are open. */
const MAX_OPEN = 100;

/** Opens a file, and makes sure that it is still the one that was found under this name. */
export async function openFile(path: string, id: string): Promise<FileHandle | undefined> {
  try {
    const handle = await open(path, 'r');
    if ((await statHandle(handle, path)).id === id) return handle;
    await handle.close();
    return undefined;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new SourceError(`${path} cannot be opened: ${code}; allow the process to read this file`);
  }
}

/** Opens a file for one look at it. @returns false when it cannot be found any more */
export async function withFile(
  file: Pick<FileStat, 'path' | 'id'>,
  work: (handle: FileHandle) => Promise<boolean>,
): Promise<boolean> {
  const handle = await openFile(file.path, file.id);
  try {
    return handle !== undefined && (await work(handle));
  } finally {
    await handle?.close();
  }
}

export async function statHandle(handle: FileHandle, path: string): Promise<FileStat> {
  return toFileStat(path, await handle.stat({ bigint: true }));
}

/** A file that may be kept open. */
export interface Openable {
  readonly id: string;
  readonly location: string;
  /** Only the handle leads to it: it has no name any more. */
  readonly gone: boolean;
}

/** Open files. Those used longest ago are closed when there are many. */
export class Handles {
  private readonly open = new Map<Openable, FileHandle>();

  constructor(private readonly most = MAX_OPEN) {}

  peek(file: Openable): FileHandle | undefined {
    return this.open.get(file);
  }

  /** @returns undefined when another file has taken the name, or none */
  async get(file: Openable): Promise<FileHandle | undefined> {
    const known = this.open.get(file);
    const handle = known ?? (file.gone ? undefined : await openFile(file.location, file.id));
    if (!handle) return undefined;
    this.open.delete(file);
    this.open.set(file, handle);
    if (!known) await this.closeOldest();
    return handle;
  }

  async close(file: Openable): Promise<void> {
    const handle = this.open.get(file);
    this.open.delete(file);
    await handle?.close();
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.open.keys()].map((file) => this.close(file)));
  }

  private async closeOldest(): Promise<void> {
    for (const file of this.open.keys()) {
      if (this.open.size <= this.most) return;
      if (!file.gone) await this.close(file);
    }
  }
}
