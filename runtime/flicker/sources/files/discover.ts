import { constants, type BigIntStats } from 'node:fs';
import { access, lstat, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { errorCode } from '../../../core/errors';
import { SourceError } from '../../source';

/** A file as it is on the disk now. */
export interface FileStat {
  readonly path: string;
  /** `<dev>-<ino>`: what the file is, whatever its name. */
  readonly id: string;
  readonly size: number;
  /** When it was written last, in milliseconds since the epoch. */
  readonly modified: number;
  /** Changes whenever the file was written or truncated. */
  readonly version: string;
}

export function toFileStat(path: string, stats: BigIntStats): FileStat {
  return {
    path,
    id: `${stats.dev}-${stats.ino}`,
    size: Number(stats.size),
    modified: Number(stats.mtimeMs),
    version: `${stats.size}.${stats.mtimeNs}`,
  };
}

/**
 * A file goes by its own name, not by that of a link to it: what is rotated away lies beside the file.
 *
 * @returns undefined when there is no such file, or when it is no plain file
 */
export async function statFile(path: string): Promise<FileStat | undefined> {
  try {
    const stats = await lstat(path, { bigint: true });
    if (stats.isSymbolicLink()) return await statFile(await realpath(path));
    return stats.isFile() ? toFileStat(path, stats) : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error))) return undefined;
    throw new SourceError(`${path} cannot be looked at: ${errorCode(error)}; allow the process to search its folder`);
  }
}

async function statAll(paths: readonly string[]): Promise<FileStat[]> {
  return (await Promise.all(paths.map(statFile))).filter((file) => file !== undefined);
}

/** The files that a path or glob names, each inode once, in the order of their names. */
export async function findFiles(pattern: string): Promise<FileStat[]> {
  const literal = await statFile(pattern);
  if (literal || !isDynamicPattern(pattern)) return literal ? [literal] : [];
  const paths = await glob(pattern, { absolute: true, expandDirectories: false });
  if (paths.length === 0) await checkFolder(pattern);
  const files = await statAll(paths.sort());
  const seen = new Set<string>();
  return files.filter(({ id }) => !seen.has(id) && seen.add(id));
}

/** An unreadable folder looks like an empty one to a glob. */
async function checkFolder(pattern: string): Promise<void> {
  let folder = dirname(pattern);
  while (isDynamicPattern(folder)) folder = dirname(folder);
  try {
    await access(folder, constants.R_OK | constants.X_OK);
  } catch (error) {
    if (errorCode(error) === 'EACCES') {
      throw new SourceError(`${folder} cannot be read: EACCES; allow the process to read and search this folder`);
    }
  }
}

/** Every plain file of a folder; none when the folder is gone. */
export async function listFolder(folder: string): Promise<FileStat[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return await statAll(entries.filter((entry) => entry.isFile()).map((entry) => join(folder, entry.name)));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return [];
    if (error instanceof SourceError) throw error;
    throw new SourceError(`${folder} cannot be read: ${errorCode(error)}; allow the process to read this folder`);
  }
}

/** Whether a name may be that of a rotated copy: `app.log.1`, `app.log-20240101` or `app-20240101.log` of `app.log`. */
export function isRotatedName(original: string, candidate: string): boolean {
  const name = basename(original);
  return (
    candidate !== original &&
    dirname(candidate) === dirname(original) &&
    basename(candidate).startsWith(basename(name, extname(name)))
  );
}

/** What a rotation appends to a name: a number or a time. */
const NUMBERED = /^[._-]\d[\d._:T-]*$/;
/** What it puts before the extension: a date. A mere number there names another log, as in `worker-2.log`. */
const DATED = /^[._-]\d{4}([._-]?)\d{2}\1\d{2}[\d._:T-]*$/;

/**
 * Files that were rotated away from a name after a time, oldest first: `app.log.1`, `app.log-20240101`, `app-20240101.log`
 * of `app.log`. Compressed ones are left alone.
 */
export function rotatedSince(original: string, since: number, files: readonly FileStat[]): FileStat[] {
  const extension = extname(original);
  const stem = original.slice(0, original.length - extension.length);
  return files
    .filter(({ path, modified }) => {
      if (modified < since) return false;
      if (path.startsWith(original)) return NUMBERED.test(path.slice(original.length));
      if (extension === '' || !path.startsWith(stem) || !path.endsWith(extension)) return false;
      return DATED.test(path.slice(stem.length, path.length - extension.length));
    })
    .sort((a, b) => a.modified - b.modified);
}
