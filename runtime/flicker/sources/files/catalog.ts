import { dirname } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { isDynamicPattern } from 'tinyglobby';
import type { LogFileConfig } from '../../../../contract/flicker';
import { errorCode } from '../../../core/errors';
import { SourceError, type SourceContext } from '../../source';
import type { FlickerState, LegacyState } from '../../state';
import { Copies } from './copies';
import { findFiles, rotatedSince, statFile, type FileStat } from './discover';
import { Entries, FIRST_START_SLACK_MS, FORGET_MS, type Changes } from './entries';
import { beginsWith, endOfLastLine, FINGERPRINT_BYTES, goesOn, markOf, readAt, readMarker } from './fingerprint';
import { Handles, statHandle, withFile } from './handles';
import { Listings } from './listings';
import { createPoll, type Poll } from './poll';
import { createReport, type Report } from './report';
import { inodeOf, newTail, tailOf, type Tail } from './tail';

/** A deleted file is read until nothing was written to it for this long. */
const QUIET_MS = 60_000;
/** Files named when several cannot be read. */
const MAX_PROBLEMS = 5;

type FirstStart = { readonly legacy: LegacyState | undefined };

/** Which files there are, which of them are known under another name, and which were cut, replaced or deleted. */
export class Catalog {
  readonly handles = new Handles();
  private readonly entries: Entries;
  private readonly copies: Copies;
  private readonly listings: Listings;
  /** Why files could not be read at the last poll. */
  private readonly problems = new Set<string>();
  private readonly report: Report;

  constructor(
    name: string,
    private readonly config: Pick<LogFileConfig, 'path' | 'start_at'>,
    private readonly context: SourceContext,
  ) {
    this.report = createReport(name, context);
    this.listings = new Listings(context.clock);
    this.entries = new Entries(name, context, isDynamicPattern(config.path) ? undefined : config.path);
    this.copies = new Copies(this.entries, this.handles);
  }

  get files(): Iterable<Tail> {
    return this.entries.tails.values();
  }

  load(state: FlickerState): void {
    this.entries.load(state);
  }

  /** Looks at the disk. @returns the entries that changed. */
  async poll(first?: FirstStart): Promise<Changes> {
    this.problems.clear();
    const files = await findFiles(this.config.path);
    const poll = createPoll(files, this.context.clock.monotonic());
    const { tails } = this.entries;
    // Before anything is listed: what changes from here on is for the next poll.
    const changed = new Set(await this.changedFolders(files));
    this.entries.forget();
    for (const tail of [...tails.values()]) await this.attempt(tail.location, () => this.locate(tail, poll));
    for (const { old, file } of poll.cut) await this.attempt(file.path, () => this.leave(old, poll));
    if (first) await this.begin(files, first, poll);
    // What stands now in a file that was cut was written under the name that the file had.
    const fresh = new Map(files.map((file) => [file.id, { file, path: file.path }]));
    for (const { old, file } of poll.cut) fresh.set(file.id, { file, path: old.path });
    for (const { file, path } of fresh.values()) {
      if (!tails.has(file.id)) await this.attempt(file.path, () => this.identify(file, path, poll));
    }
    for (const { tail, file } of poll.filled) {
      if (tails.get(file.id) === tail) await this.attempt(file.path, () => this.identify(file, tail.path, poll));
    }
    // A copy onto a file that was there does not change the folder.
    for (const { old } of poll.cut) changed.add(dirname(old.path));
    if (!first) for (const folder of changed) await this.attempt(folder, () => this.catchUp(folder, poll));
    for (const tail of poll.lost) await this.attempt(tail.location, () => this.lose(tail, poll));
    this.copies.forget(poll);
    return this.entries.take();
  }

  /** The change that says how far a file was read. */
  entry(tail: Tail): Changes {
    return this.entries.of(tail);
  }

  /** Ends a file that was read to its end and is gone. @returns the change that says so */
  async release(tail: Tail): Promise<Changes> {
    if (tail.gone) this.entries.depart(tail);
    else this.entries.remove(tail);
    await this.handles.close(tail);
    return this.entries.take();
  }

  /** Why not all could be read, for people. */
  get problem(): string | undefined {
    return this.problems.size === 0 ? undefined : [...this.problems].join('; ');
  }

  /** One file that cannot be read does not stop the others. */
  async attempt(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const code = errorCode(error);
      if (!(error instanceof SourceError) && code === '') throw error;
      const problem = error instanceof SourceError ? error.message : `${path} cannot be read: ${code}`;
      if (this.problems.size < MAX_PROBLEMS) this.problems.add(problem);
    }
  }

  /** Folders in which files came, went or were renamed since they were listed last. */
  private async changedFolders(found: readonly FileStat[]): Promise<string[]> {
    const names = [...this.entries.names(), ...found.map(({ path }) => path)];
    const folders = [...new Set(names.map((path) => dirname(path)))];
    const changed = await Promise.all(folders.map(async (folder) => (await this.listings.changed(folder)) && folder));
    return changed.filter((folder) => folder !== false);
  }

  /** Finds a followed file: where the glob sees it, where it was, in its folder, or through its handle. */
  private async locate(tail: Tail, poll: Poll): Promise<void> {
    const same = (file: FileStat | undefined) => (file?.id === tail.id ? file : undefined);
    let file =
      poll.found.get(tail.id) ??
      same(await statFile(tail.location)) ??
      (await poll.folder(dirname(tail.path))).find(({ id }) => id === tail.id);
    tail.rotated = !poll.found.has(tail.id);
    const handle = this.handles.peek(tail);
    if (file) {
      if (file.path !== tail.location) {
        this.report.rotated(tail, 'renamed');
        // Its writer may still have it, however long it was idle.
        tail.changedAt = poll.now;
      }
      tail.gone = false;
      tail.location = file.path;
    } else if (handle) {
      if (!tail.gone) {
        this.report.rotated(tail, 'deleted');
        tail.changedAt = poll.now;
      }
      tail.gone = true;
      file = await statHandle(handle, tail.location);
    } else {
      poll.lost.add(tail);
      return;
    }
    if (file.version !== tail.verified) {
      if (tail.fingerprint.bytes === 0 && file.size > 0 && !tail.gone) {
        poll.filled.push({ tail, file });
        return;
      }
      const handle = await this.handles.get(tail);
      if (!handle) return; // it was renamed since it was found: the next poll finds it again
      if (!(await this.verify(tail, file, handle))) {
        poll.cut.push({ old: tail, file });
        this.entries.tails.delete(tail.id);
        return;
      }
      if (tail.verified !== '') tail.changedAt = poll.now;
      tail.verified = file.version;
      tail.final = false;
    }
    tail.size = file.size;
    tail.modified = Math.max(tail.modified, file.modified);
    const wait = tail.gone ? QUIET_MS : FORGET_MS;
    if ((tail.gone || tail.rotated) && poll.now - tail.changedAt >= wait) tail.final = true;
  }

  /**
   * Follows files that had a followed name and were rotated away before anybody looked: siblings that are new since the
   * folder was listed last or, after a restart, that were written after what was seen under that name.
   */
  private async catchUp(folder: string, poll: Poll): Promise<void> {
    const { tails } = this.entries;
    const files = await poll.folder(folder);
    const before = this.listings.before(folder);
    const fresh = files.filter(
      ({ id, version }) => before?.get(id) !== version && !tails.has(id) && !poll.found.has(id),
    );
    /** Copies that wait for what becomes of the original. */
    const waiting = new Set<string>();
    for (const path of fresh.length > 0 ? this.entries.names() : []) {
      if (dirname(path) !== folder) continue;
      for (const file of rotatedSince(path, before ? 0 : this.entries.unseenSince(path), fresh)) {
        if (!tails.has(file.id)) await this.identify(file, path, poll);
        if (!tails.has(file.id)) waiting.add(file.id);
      }
    }
    this.listings.keep(
      folder,
      files.filter(({ id }) => !waiting.has(id)),
    );
  }

  /** Whether a file is still what was followed; lets its fingerprint grow with it. */
  private async verify(tail: Tail, file: FileStat, handle: FileHandle): Promise<boolean> {
    if (file.size < tail.offset) return false;
    const prefix = await readAt(handle, 0, FINGERPRINT_BYTES);
    if (!beginsWith(prefix, tail.fingerprint)) return false;
    const marker = await readMarker(handle, tail.offset);
    const same = tail.marker ? marker.equals(tail.marker) : !tail.savedMarker || beginsWith(marker, tail.savedMarker);
    if (!same) return false;
    tail.marker = marker;
    if (prefix.length > tail.fingerprint.bytes) tail.fingerprint = markOf(prefix);
    return true;
  }

  /** A file was cut, or its inode has new content: the rest of the old content may be in a copy beside it. */
  private async leave(old: Tail, poll: Poll): Promise<void> {
    let copy: FileStat | undefined;
    try {
      copy = await this.copies.find(old, poll);
    } catch (error) {
      this.entries.tails.set(old.id, old); // the next poll tries again
      throw error;
    }
    this.report.rotated(old, 'truncated');
    this.entries.depart(old, copy !== undefined);
    this.report.missed(old, copy ? Math.max(old.offset, copy.size) : old.offset);
    if (copy) await this.copies.adopt(copy, old, poll);
    await this.handles.close(old);
  }

  /** Decides at the very first start where to begin in the files that are there. */
  private async begin(files: readonly FileStat[], { legacy }: FirstStart, poll: Poll): Promise<void> {
    const moved = await this.takeOver(legacy, poll);
    for (const file of files) {
      if (this.entries.tails.has(file.id)) continue;
      const atEnd = this.config.start_at === 'end' && !legacy?.files[file.path];
      await this.attempt(file.path, () =>
        atEnd ? this.followFromEnd(file, file.path, poll) : this.follow(newTail(file, poll.now), file),
      );
    }
    const folders = new Set([this.config.path, ...files.map(({ path }) => path)].map((path) => dirname(path)));
    for (const folder of folders) await this.attempt(folder, () => this.passOver(folder, moved, poll));
  }

  /** What was rotated away before the very first start is not read; what is new may still be written, and is known from now on. */
  private async passOver(folder: string, moved: ReadonlyMap<string, number>, poll: Poll): Promise<void> {
    const since = this.context.clock.now() - 2 * FIRST_START_SLACK_MS;
    const files = await poll.folder(folder);
    for (const path of this.entries.names()) {
      if (dirname(path) !== folder) continue;
      const after = moved.get(path);
      for (const file of rotatedSince(path, after ?? since, files)) {
        if (this.entries.tails.has(file.id)) continue;
        if (after === undefined) await this.followFromEnd(file, path, poll);
        else await this.follow(newTail(file, poll.now, { path }), file);
      }
    }
    this.listings.keep(folder, files);
  }

  /**
   * Entries of a version 1 registry: a position counts for the inode that it was saved with, wherever that is now.
   * @returns names that were left since, and when
   */
  private async takeOver(legacy: LegacyState | undefined, poll: Poll): Promise<Map<string, number>> {
    const moved = new Map<string, number>();
    for (const [path, { position, inode }] of Object.entries(legacy?.files ?? {})) {
      const named = [...poll.found.values()].some((file) => file.path === path);
      if (!named && path !== this.config.path) continue;
      const file = (await poll.folder(dirname(path))).find(({ id }) => Number(inodeOf(id)) === inode);
      if (!file || file.size < position) continue;
      await this.follow(newTail(file, poll.now, { path, offset: position }), file);
      if (file.path !== path) moved.set(path, file.modified);
    }
    return moved;
  }

  /** Decides where to start in a file that is not followed yet, or was empty. `path`: its name in events. */
  private async identify(file: FileStat, path: string, poll: Poll): Promise<void> {
    const before = this.entries.lastOf(file.id);
    if (before && (await this.resumes(file, tailOf(file.id, before.entry, poll.now)))) return;
    if (await this.remounted(file, poll)) return;
    if (file.size > 0 && (await this.copies.take(file, poll))) return;
    const empty = this.entries.tails.get(file.id);
    await this.follow(
      empty ?? newTail(file, poll.now, { path, generation: this.entries.nextGeneration(file.id) }),
      file,
    );
  }

  /** A file that was gone is back. */
  private async resumes(file: FileStat, tail: Tail): Promise<boolean> {
    if (file.size < tail.offset || tail.fingerprint.bytes === 0) return false;
    if (!(await withFile(file, (handle) => goesOn(handle, tail)))) return false;
    const departed = this.entries.lastOf(tail.id);
    if (departed) this.entries.departed.delete(departed.key);
    this.entries.add({ ...tail, location: file.path });
    return true;
  }

  /** A file system that was mounted again has another device number. */
  private async remounted(file: FileStat, poll: Poll): Promise<boolean> {
    for (const lost of poll.lost) {
      if (inodeOf(lost.id) !== inodeOf(file.id) || file.size < lost.offset || lost.fingerprint.bytes === 0) continue;
      if (!(await withFile(file, (handle) => goesOn(handle, lost)))) continue;
      poll.lost.delete(lost);
      this.entries.add({ ...lost, id: file.id, location: file.path });
      this.entries.remove(lost);
      return true;
    }
    return false;
  }

  private async followFromEnd(file: FileStat, path: string, poll: Poll): Promise<void> {
    const tail = newTail(file, poll.now, { path });
    await withFile(file, async (handle) => {
      tail.offset = await endOfLastLine(handle, file.size);
      return true;
    });
    await this.follow(tail, file);
  }

  /** Follows a file from where a tail says, and marks it at once: a restart must know it again. */
  private async follow(tail: Tail, file: FileStat): Promise<void> {
    const handle = await this.handles.get(tail);
    // What fills a file that was found empty may be a copy: the poll that sees it asks, and it is marked then.
    const empty = file.size === 0 && tail.offset === 0;
    if (handle && (empty || (await this.verify(tail, file, handle)))) {
      tail.verified = file.version;
      tail.size = file.size;
      tail.modified = file.modified;
    }
    this.entries.add(tail);
    this.report.found(file.path);
  }

  /** A file is gone, and nothing leads to what was not read of it. */
  private async lose(tail: Tail, poll: Poll): Promise<void> {
    // Names move while a folder is read.
    if ((await poll.folderAgain(dirname(tail.path))).some(({ id }) => id === tail.id)) return;
    this.report.rotated(tail, 'deleted');
    this.report.missed(tail, tail.offset);
    tail.gone = true;
    this.entries.depart(tail);
    await this.handles.close(tail);
  }
}
