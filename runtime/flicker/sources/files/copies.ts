import { dirname } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { isRotatedName, type FileStat } from './discover';
import type { Entries } from './entries';
import { FINGERPRINT_BYTES, goesOn, isWeak, sameUpTo } from './fingerprint';
import { statHandle, withFile, type Handles } from './handles';
import type { Poll } from './poll';
import { newTail, tailOf, type Tail } from './tail';

/** The original of a copy that stays untouched for this long is not about to be cut. */
const QUIET_MS = 60_000;

/** Which files are copies of files that are or were followed: made by rotations that copy and truncate. */
export class Copies {
  /** Files that look like a copy of a followed file that is not cut yet, and since when. */
  private readonly held = new Map<string, { readonly version: string; readonly since: number }>();

  constructor(
    private readonly entries: Entries,
    private readonly handles: Handles,
  ) {}

  /** The largest copy of what stood in a file. */
  async find(old: Tail, poll: Poll): Promise<FileStat | undefined> {
    if (old.fingerprint.bytes === 0) return undefined;
    // What was listed before the file was seen to be cut may be older than its copy.
    const fresh = (await poll.folderAgain(dirname(old.location)))
      .filter(({ id, path, size }) => size >= old.offset && id !== old.id && isRotatedName(old.path, path))
      .filter(({ id }) => (this.entries.tails.get(id)?.fingerprint.bytes ?? 0) === 0)
      .sort((a, b) => b.size - a.size);
    for (const file of fresh) {
      if (await withFile(file, (handle) => goesOn(handle, old))) return file;
    }
    return undefined;
  }

  /**
   * Whether a file is a copy of one that is followed. While the original is there the copy waits: either the original is
   * cut, then the copy goes on where the reading stopped, or it stays, then the copy has nothing of its own.
   */
  async take(file: FileStat, poll: Poll): Promise<boolean> {
    for (const original of this.entries.tails.values()) {
      if (!isRotatedName(original.path, file.path) || original.fingerprint.bytes === 0) continue;
      if (poll.lost.has(original)) {
        if (isWeak(original)) continue;
        if (!(await withFile(file, (handle) => goesOn(handle, original)))) continue;
        // Names move while a folder is read: the next poll finds it.
        if ((await poll.folderAgain(dirname(original.path))).some(({ id }) => id === original.id)) return true;
        poll.lost.delete(original);
        this.entries.depart(original, true);
        await this.adopt(file, original, poll);
        return true;
      }
      const handle = await this.handles.get(original);
      if (!handle) {
        // It moved since it was found: the next poll sees whether it was cut.
        if (await withFile(file, (copy) => goesOn(copy, original))) return true;
        continue;
      }
      const { size } = await statHandle(handle, original.location);
      const same = size >= file.size && (await withFile(file, (copy) => sameUpTo(copy, handle, file.size)));
      if (!same) {
        if (await this.copiedAndCut(file, original, handle)) return true;
        continue;
      }
      const held = this.held.get(file.id);
      if (held?.version !== file.version) this.held.set(file.id, { version: file.version, since: poll.now });
      else if (poll.now - held.since >= QUIET_MS && original.offset >= file.size) {
        if (file.size < FINGERPRINT_BYTES) return false;
        await this.adopt(file, original, poll, file.size);
      }
      return true;
    }
    for (const departed of this.entries.departed.values()) {
      const { id, entry } = departed;
      if (departed.copied || id === file.id || !isRotatedName(entry.path, file.path)) continue;
      if (isWeak(entry)) continue;
      const original = tailOf(id, entry, poll.now);
      if (!(await withFile(file, (handle) => goesOn(handle, original)))) continue;
      await this.adopt(file, original, poll);
      this.entries.drop(departed);
      return true;
    }
    return false;
  }

  /** Whether a file has what was read of another, which was cut a moment ago, as the next poll sees. */
  private async copiedAndCut(file: FileStat, original: Tail, handle: FileHandle): Promise<boolean> {
    // Its size may be that of a copy under way: what is in it now counts.
    if (!(await withFile(file, (copy) => goesOn(copy, original)))) return false;
    return !(await goesOn(handle, original));
  }

  /** Goes on in a copy. Its lines keep the ids that they had in the original. */
  async adopt(file: FileStat, original: Tail, poll: Poll, offset = original.offset): Promise<void> {
    const { path, idHash, fingerprint, marker, savedMarker, streams } = original;
    const marks = offset === original.offset ? { marker, savedMarker, streams } : {};
    const generation = this.entries.nextGeneration(file.id);
    const empty = this.entries.tails.get(file.id);
    this.entries.add(newTail(file, poll.now, { path, idHash, offset, fingerprint, generation, ...marks }));
    if (empty) await this.handles.close(empty);
  }

  /** Forgets copies that are gone or followed. */
  forget(poll: Poll): void {
    for (const id of this.held.keys()) {
      const tail = this.entries.tails.get(id);
      if (!poll.found.has(id) || (tail && tail.fingerprint.bytes > 0)) this.held.delete(id);
    }
  }
}
