import { listFolder, type FileStat } from './discover';
import type { Tail } from './tail';

/** One look at the disk, and what is about to be found out. */
export interface Poll {
  /** When it began, on the monotonic clock. */
  readonly now: number;
  /** The files that the path or glob names. */
  readonly found: ReadonlyMap<string, FileStat>;
  /** The files of a folder, which is read once. */
  readonly folder: (folder: string) => Promise<readonly FileStat[]>;
  /** The same, from a second look. */
  readonly folderAgain: (folder: string) => Promise<readonly FileStat[]>;
  /** Files that cannot be found under any name. */
  readonly lost: Set<Tail>;
  /** Files that were empty and have content now, of which nothing is known: they may be copies of others. */
  readonly filled: { readonly tail: Tail; readonly file: FileStat }[];
  /** Files whose content is no longer what was followed. */
  readonly cut: { readonly old: Tail; readonly file: FileStat }[];
}

export function createPoll(files: readonly FileStat[], now: number): Poll {
  return {
    now,
    found: new Map(files.map((file) => [file.id, file])),
    folder: readOnce(),
    folderAgain: readOnce(),
    lost: new Set(),
    filled: [],
    cut: [],
  };
}

function readOnce(): Poll['folder'] {
  const listed = new Map<string, Promise<FileStat[]>>();
  return (folder) => {
    const files = listed.get(folder) ?? listFolder(folder);
    listed.set(folder, files);
    return files;
  };
}
