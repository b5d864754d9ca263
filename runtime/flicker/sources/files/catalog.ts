import { dirname } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import type { LogFileConfig } from '../../../../contract/flicker';
import { errorCode } from '../../../core/errors';
import { isDynamicPattern } from 'tinyglobby';
import { SourceError, type SourceContext } from '../../source';
import type { FileEntry, FlickerState, LegacyState } from '../../state';
import { findFiles, isRotatedName, listFolder, rotatedSince, statFile, type FileStat } from './discover';
import {
  beginsWith,
  endOfLastLine,
  FINGERPRINT_BYTES,
  goesOn,
  isWeak,
  markOf,
  readAt,
  readMarker,
  sameUpTo,
} from './fingerprint';
import { Handles, statHandle, withFile } from './handles';
import { Listings } from './listings';
import { createReport, type Report } from './report';
import { entryOf, inodeOf, keyOf, newTail, parseKey, tailOf, type Departed, type Tail } from './tail';

/** A deleted file is read until nothing was written to it for this long. */
const QUIET_MS = 60_000;
/** The entry of a file that is gone, or was rotated away and read, is kept for this long. */
const FORGET_MS = 3_600_000;
/** Entries of other nodes are kept for this long. */
const FORGET_NODE_MS = 7 * 24 * 3_600_000;
/** File times lag behind the clock, by the kernel's tick. */
const CLOCK_SLACK_MS = 50;
/** Files named when several cannot be read. */
const MAX_PROBLEMS = 5;

type FirstStart = { readonly legacy: LegacyState | undefined };
type Changes = Record<string, FileEntry | null>;

/** What a poll is about to find out. */
interface Poll {
  readonly found: ReadonlyMap<string, FileStat>;
  readonly folder: (folder: string) => Promise<readonly FileStat[]>;
  /** Files that cannot be found under any name. */
  readonly lost: Set<Tail>;
  /** Files whose content is no longer what was followed. */
  readonly cut: { readonly old: Tail; readonly file: FileStat }[];
}

/** Which files there are, which of them are known under another name, and which were cut, replaced or deleted. */
export class Catalog {
  readonly handles = new Handles();
  private readonly tails = new Map<string, Tail>();
  private readonly departed = new Map<string, Departed>();
  /** Files that look like a copy of a followed file that is not cut yet, and since when. */
  private readonly held = new Map<string, { readonly version: string; readonly since: number }>();
  /** Why files could not be read at the last poll. */
  private problems = new Set<string>();
  private changes: Changes = {};
  private readonly listings = new Listings();
  /** Wall clock of the very first start. */
  private startedAt: number;
  private readonly report: Report;

  constructor(
    private readonly name: string,
    private readonly config: Pick<LogFileConfig, 'path' | 'start_at'>,
    private readonly context: SourceContext,
  ) {
    this.report = createReport(name, context);
    this.startedAt = context.clock.now();
  }

  get files(): Iterable<Tail> {
    return this.tails.values();
  }

  load(state: FlickerState): void {
    const now = this.context.clock.now();
    this.startedAt = Date.parse(state.sources[this.name]?.startedAt ?? '') || now;
    for (const [key, entry] of Object.entries(state.files)) {
      if (entry.source !== this.name) continue;
      const plain = key.endsWith(`@${this.name}`) ? key.slice(0, -this.name.length - 1) : key;
      const known = parseKey(this.context.nodeId, plain);
      if (!known) {
        if (now - Date.parse(entry.seenAt) > FORGET_NODE_MS) this.changes[plain] = null;
      } else if (entry.goneAt !== undefined) {
        this.departed.set(known.id, { key: plain, id: known.id, entry, replaced: false });
      } else {
        this.tails.set(known.id, tailOf(known.id, entry, this.context.clock.monotonic()));
      }
    }
  }

  /** Looks at the disk. @returns the entries that changed. */
  async poll(first?: FirstStart): Promise<Changes> {
    this.problems.clear();
    const files = await findFiles(this.config.path);
    const folders = new Map<string, Promise<FileStat[]>>();
    const poll: Poll = {
      found: new Map(files.map((file) => [file.id, file])),
      folder: (folder) => {
        const listed = folders.get(folder) ?? listFolder(folder);
        folders.set(folder, listed);
        return listed;
      },
      lost: new Set(),
      cut: [],
    };
    // Before anything is listed: what changes from here on is for the next poll.
    const changed = await this.changedFolders(files);
    const seen = new Map([...this.names()].map((path) => [path, this.seenUpTo(path)]));
    this.forget();
    for (const tail of [...this.tails.values()]) await this.attempt(tail.location, () => this.locate(tail, poll));
    for (const { old, file } of poll.cut) await this.attempt(file.path, () => this.leave(old, file, poll));
    if (first) await this.takeOver(first.legacy, poll);
    for (const file of files) {
      if (!this.tails.has(file.id)) await this.attempt(file.path, () => this.identify(file, poll, first));
    }
    for (const folder of changed) {
      await this.attempt(folder, () => this.catchUp(folder, poll, seen, first !== undefined));
    }
    for (const tail of poll.lost) await this.attempt(tail.location, () => this.lose(tail));
    for (const id of this.held.keys()) if (!poll.found.has(id) || this.tails.has(id)) this.held.delete(id);
    const changes = this.changes;
    this.changes = {};
    return changes;
  }

  /** The change that says how far a file was read. */
  entry(tail: Tail): Changes {
    const entry = entryOf(tail, this.name, new Date(this.context.clock.now()).toISOString());
    return { [keyOf(this.context.nodeId, tail.id, tail.generation)]: entry };
  }

  /** Ends a file that was read to its end and is gone. @returns the change that says so */
  async release(tail: Tail): Promise<Changes> {
    this.tails.delete(tail.id);
    await this.handles.close(tail);
    if (tail.gone) return this.depart(tail, false);
    return { [keyOf(this.context.nodeId, tail.id, tail.generation)]: null };
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

  /** Finds a followed file: where the glob sees it, where it was, in its folder, or through its handle. */
  private async locate(tail: Tail, poll: Poll): Promise<void> {
    const now = this.context.clock.monotonic();
    const same = (file: FileStat | undefined) => (file?.id === tail.id ? file : undefined);
    let file =
      poll.found.get(tail.id) ??
      same(await statFile(tail.location)) ??
      (await poll.folder(dirname(tail.path))).find(({ id }) => id === tail.id);
    tail.rotated = !poll.found.has(tail.id);
    const handle = this.handles.peek(tail);
    if (file) {
      tail.gone = false;
      if (file.path !== tail.location) {
        this.report.rotated(tail, 'renamed');
        tail.location = file.path;
      }
    } else if (handle) {
      if (!tail.gone) this.report.rotated(tail, 'deleted');
      tail.gone = true;
      file = await statHandle(handle, tail.location);
    } else {
      poll.lost.add(tail);
      return;
    }
    if (file.version !== tail.verified) {
      const handle = await this.handles.get(tail);
      if (!handle) return; // it was renamed since it was found: the next poll finds it again
      if (!(await this.verify(tail, file, handle))) {
        poll.cut.push({ old: tail, file });
        this.tails.delete(tail.id);
        Object.assign(this.changes, this.depart(tail, true));
        return;
      }
      if (tail.verified !== '') tail.changedAt = now;
      tail.verified = file.version;
      tail.final = false;
    }
    tail.size = file.size;
    tail.modified = file.modified;
    const wait = tail.gone ? QUIET_MS : FORGET_MS;
    if ((tail.gone || tail.rotated) && now - tail.changedAt >= wait) tail.final = true;
  }

  /** The names that are followed: what the glob has found, and a path that is no glob even before there is such a file. */
  private names(): Set<string> {
    const known = [...this.tails.values()].map(({ path }) => path);
    const gone = [...this.departed.values()].map(({ entry }) => entry.path);
    return new Set([...known, ...gone, ...(isDynamicPattern(this.config.path) ? [] : [this.config.path])]);
  }

  /** Folders in which files came, went or were renamed since they were listed last. */
  private async changedFolders(found: readonly FileStat[]): Promise<string[]> {
    const folders = [...new Set([...this.names(), ...found.map(({ path }) => path)].map((path) => dirname(path)))];
    const changed = await Promise.all(folders.map(async (folder) => (await this.listings.changed(folder)) && folder));
    return changed.filter((folder) => folder !== false);
  }

  /**
   * Follows files that had a followed name and were rotated away before anybody looked: siblings that are new since the
   * folder was listed last or, after a restart, that were written after what was seen under that name.
   */
  private async catchUp(folder: string, poll: Poll, seen: ReadonlyMap<string, number>, first: boolean): Promise<void> {
    const files = await poll.folder(folder);
    const before = this.listings.keep(folder, files);
    if (first) return;
    for (const path of this.names()) {
      if (dirname(path) !== folder) continue;
      const since = before ? 0 : (seen.get(path) ?? 0);
      for (const file of rotatedSince(path, since, files)) {
        if (before?.get(file.id) === file.version || this.tails.has(file.id) || poll.found.has(file.id)) continue;
        const departed = this.departed.get(file.id);
        if ((departed && !departed.replaced) || (await this.isCopy(file, poll))) continue;
        await this.follow(newTail(file, this.now, { path, generation: this.nextGeneration(file.id) }), file);
      }
    }
  }

  /** The newest time of a file that was seen under a name, by the file system's own clock. */
  private seenUpTo(path: string): number {
    const entries = [...this.tails.values(), ...[...this.departed.values()].map(({ entry }) => entry)];
    const times = entries.flatMap((entry) => (entry.path === path && entry.modified ? [entry.modified] : []));
    return times.length > 0 ? Math.max(...times) : this.startedAt - CLOCK_SLACK_MS;
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
  private async leave(old: Tail, file: FileStat, poll: Poll): Promise<void> {
    this.report.rotated(old, 'truncated');
    const copy = await this.findCopy(old, poll);
    if (copy) this.adopt(copy, old);
    this.report.missed(old, copy ? Math.max(old.offset, copy.size) : old.offset);
    await this.handles.close(old);
    if (file.size === 0 && poll.found.has(file.id)) await this.begin(file);
  }

  private async findCopy(old: Tail, poll: Poll): Promise<FileStat | undefined> {
    if (old.fingerprint.bytes === 0) return undefined;
    const fresh = (await poll.folder(dirname(old.location))).filter(
      ({ id, path, size }) =>
        size >= old.offset && !this.tails.has(id) && id !== old.id && isRotatedName(old.path, path),
    );
    for (const file of fresh) {
      if (await withFile(file, (handle) => goesOn(handle, old))) return file;
    }
    return undefined;
  }

  /** Entries of a version 1 registry: a position counts for the inode that it was saved with, wherever that is now. */
  private async takeOver(legacy: LegacyState | undefined, poll: Poll): Promise<void> {
    for (const [path, { position, inode }] of Object.entries(legacy?.files ?? {})) {
      const named = [...poll.found.values()].some((file) => file.path === path);
      if (!named && path !== this.config.path) continue;
      const file = (await poll.folder(dirname(path))).find(({ id }) => Number(inodeOf(id)) === inode);
      if (file && file.size >= position) await this.follow(newTail(file, this.now, { path, offset: position }), file);
    }
  }

  /** Decides where to start in a file that is not followed yet. */
  private async identify(file: FileStat, poll: Poll, first: FirstStart | undefined): Promise<void> {
    if (file.size === 0) return;
    const before = this.departed.get(file.id);
    if (before && !before.replaced && (await this.resumes(file, before))) return;
    if (await this.remounted(file, poll)) return;
    if (!first && (await this.isCopy(file, poll))) return;
    if (first && this.config.start_at === 'end' && !first.legacy?.files[file.path]) {
      const tail = newTail(file, this.now);
      await withFile(file, async (handle) => {
        tail.offset = await endOfLastLine(handle, file.size);
        return true;
      });
      await this.follow(tail, file);
      return;
    }
    await this.begin(file);
  }

  /** A file that was gone is back. */
  private async resumes(file: FileStat, { id, entry }: Departed): Promise<boolean> {
    const tail = { ...tailOf(id, entry, this.now), location: file.path };
    if (file.size < entry.offset || !(await withFile(file, (handle) => goesOn(handle, tail)))) return false;
    this.departed.delete(id);
    this.add(tail);
    return true;
  }

  /** A file system that was mounted again has another device number. */
  private async remounted(file: FileStat, poll: Poll): Promise<boolean> {
    for (const lost of poll.lost) {
      if (inodeOf(lost.id) !== inodeOf(file.id) || file.size < lost.offset || lost.fingerprint.bytes === 0) continue;
      if (!(await withFile(file, (handle) => goesOn(handle, lost)))) continue;
      poll.lost.delete(lost);
      this.tails.delete(lost.id);
      this.changes[keyOf(this.context.nodeId, lost.id, lost.generation)] = null;
      this.add({ ...lost, id: file.id, location: file.path });
      return true;
    }
    return false;
  }

  /**
   * Whether a file is a copy of one that is followed. While the original is there the copy waits: either the original is
   * cut, then the copy goes on where the reading stopped, or it stays, then the copy has nothing of its own.
   */
  private async isCopy(file: FileStat, poll: Poll): Promise<boolean> {
    for (const original of this.tails.values()) {
      if (!isRotatedName(original.path, file.path) || original.fingerprint.bytes === 0) continue;
      if (poll.lost.has(original)) {
        if (file.size < original.offset || isWeak(original)) continue;
        if (!(await withFile(file, (handle) => goesOn(handle, original)))) continue;
        poll.lost.delete(original);
        this.tails.delete(original.id);
        this.adopt(file, original);
        this.departed.set(original.id, this.departedOf(original, false));
        return true;
      }
      const handle = await this.handles.get(original);
      if (!handle) continue;
      const { size } = await statHandle(handle, original.location);
      // Cut a moment ago: the next poll sees it.
      if (size < original.offset && (await withFile(file, (copy) => goesOn(copy, original)))) return true;
      if (size < file.size) continue;
      if (!(await withFile(file, (copy) => sameUpTo(copy, handle, file.size)))) continue;
      const held = this.held.get(file.id);
      if (held?.version !== file.version) this.held.set(file.id, { version: file.version, since: this.now });
      else if (this.now - held.since >= QUIET_MS && original.offset >= file.size) {
        if (file.size < FINGERPRINT_BYTES) return false;
        this.adopt(file, original, file.size);
      }
      return true;
    }
    for (const { id, entry } of this.departed.values()) {
      if (id === file.id || !isRotatedName(entry.path, file.path)) continue;
      if (file.size < entry.offset || isWeak(entry)) continue;
      const original = tailOf(id, entry, this.now);
      if (!(await withFile(file, (handle) => goesOn(handle, original)))) continue;
      this.adopt(file, original);
      return true;
    }
    return false;
  }

  /** Goes on in a copy. Its lines keep the ids that they had in the original. */
  private adopt(file: FileStat, original: Tail, offset = original.offset): void {
    const { path, idHash, fingerprint, marker, savedMarker } = original;
    const marks = offset === original.offset ? { marker, savedMarker } : {};
    const generation = this.nextGeneration(file.id);
    this.add(newTail(file, this.now, { path, location: file.path, idHash, offset, fingerprint, generation, ...marks }));
  }

  /** Starts a file at its beginning. */
  private async begin(file: FileStat): Promise<void> {
    await this.follow(newTail(file, this.now, { generation: this.nextGeneration(file.id) }), file);
  }

  /** Follows a file from where a tail says, and marks it at once: a restart must know it again. */
  private async follow(tail: Tail, file: FileStat): Promise<void> {
    const handle = await this.handles.get(tail);
    if (handle && (await this.verify(tail, file, handle))) tail.verified = file.version;
    this.add(tail);
    this.report.found(file.path);
  }

  private nextGeneration(id: string): number {
    const before = this.departed.get(id);
    if (!before) return 0;
    this.departed.delete(id);
    this.changes[before.key] = null;
    return before.entry.generation + 1;
  }

  private add(tail: Tail): void {
    this.tails.set(tail.id, tail);
    this.held.delete(tail.id);
    Object.assign(this.changes, this.entry(tail));
  }

  /** A file is gone, and nothing leads to what was not read of it. */
  private async lose(tail: Tail): Promise<void> {
    this.report.rotated(tail, 'deleted');
    this.tails.delete(tail.id);
    this.report.missed(tail, tail.offset);
    tail.gone = true;
    Object.assign(this.changes, this.depart(tail, false));
    await this.handles.close(tail);
  }

  private depart(tail: Tail, replaced: boolean): Changes {
    const departed = this.departedOf(tail, replaced);
    this.departed.set(tail.id, departed);
    return { [departed.key]: departed.entry };
  }

  private departedOf(tail: Tail, replaced: boolean): Departed {
    const seenAt = new Date(this.context.clock.now()).toISOString();
    const entry = { ...entryOf(tail, this.name, seenAt), goneAt: seenAt };
    return { key: keyOf(this.context.nodeId, tail.id, tail.generation), id: tail.id, entry, replaced };
  }

  private forget(): void {
    const now = this.context.clock.now();
    for (const { id, key, entry } of this.departed.values()) {
      if (now - Date.parse(entry.goneAt ?? entry.seenAt) < FORGET_MS) continue;
      this.departed.delete(id);
      this.changes[key] = null;
    }
  }

  private get now(): number {
    return this.context.clock.monotonic();
  }
}
