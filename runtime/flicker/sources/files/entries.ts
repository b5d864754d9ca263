import { FORGET_NODE_MS, nodeSeenIn } from '../../node-state';
import type { SourceContext } from '../../source';
import { plainKey, type FileEntry, type FlickerState } from '../../state';
import { isWeak } from './fingerprint';
import { entryOf, keyOf, parseKey, tailOf, type Departed, type Tail } from './tail';

/** The entry of a file that is gone, or was rotated away and read, is kept for this long. */
export const FORGET_MS = 3_600_000;
/** File times lag by the kernel's tick, and the clocks of file servers differ. Files as new as that have entries. */
export const FIRST_START_SLACK_MS = 60_000;

export type Changes = Record<string, FileEntry | null>;

/** The files that are followed and those that are gone, and which of their entries changed. */
export class Entries {
  readonly tails = new Map<string, Tail>();
  /** By key: an inode may have had several contents. */
  readonly departed = new Map<string, Departed>();
  private changes: Changes = {};
  /** The newest time of the files that were seen under each name before this start, by the file system's own clock. */
  private readonly newest = new Map<string, number>();
  private startedAt: number;

  constructor(
    private readonly source: string,
    private readonly context: Pick<SourceContext, 'nodeId' | 'clock'>,
    /** The one name that is followed, whether there is such a file or not. */
    private readonly literal: string | undefined,
  ) {
    this.startedAt = context.clock.now();
  }

  load(state: FlickerState): void {
    const now = this.context.clock.now();
    this.startedAt = Date.parse(state.sources[this.source]?.startedAt ?? '') || now;
    const nodeSeen = nodeSeenIn(state);
    for (const [key, entry] of Object.entries(state.files)) {
      if (entry.source !== this.source) continue;
      const plain = plainKey(key, this.source);
      const known = parseKey(this.context.nodeId, plain);
      if (!known) {
        if (now - nodeSeen(key, entry) > FORGET_NODE_MS) this.changes[plain] = null;
        continue;
      }
      this.newest.set(entry.path, Math.max(entry.modified ?? 0, this.newest.get(entry.path) ?? 0));
      if (entry.goneAt !== undefined) this.departed.set(plain, { key: plain, id: known.id, entry, copied: false });
      else this.tails.set(known.id, tailOf(known.id, entry, this.context.clock.monotonic()));
    }
  }

  /** Files that were rotated away from a name before this start and after this time were not seen, unless they have entries. */
  unseenSince(path: string): number {
    // A name without an entry was not there, or is forgotten: what is newer than all that was seen was not read.
    const seen = this.newest.get(path) ?? Math.max(0, ...this.newest.values());
    return Math.max(seen, this.startedAt - FIRST_START_SLACK_MS);
  }

  /** Names of files that are or were followed. */
  names(): Set<string> {
    const names = new Set(this.literal === undefined ? [] : [this.literal]);
    for (const { path } of this.tails.values()) names.add(path);
    for (const { entry } of this.departed.values()) names.add(entry.path);
    return names;
  }

  /** The entry that says how far a file was read. */
  of(tail: Tail): Changes {
    return { [this.key(tail)]: entryOf(tail, this.source, this.stamp) };
  }

  add(tail: Tail): void {
    this.tails.set(tail.id, tail);
    Object.assign(this.changes, this.of(tail));
  }

  remove(tail: Tail): void {
    if (this.isLast(tail)) return this.depart(tail);
    this.tails.delete(tail.id);
    this.changes[this.key(tail)] = null;
    for (const other of this.tails.values()) {
      if (other.path !== tail.path || other.modified > tail.modified) continue;
      // What is forgotten was read: a restart must not take it for new.
      other.modified = tail.modified + 1;
      Object.assign(this.changes, this.of(other));
    }
  }

  /** A file is gone, or its content is. Its entry stays for a while. `copied`: a copy of it is followed instead. */
  depart(tail: Tail, copied = false): void {
    this.tails.delete(tail.id);
    const goneAt = this.stamp;
    const entry = { ...entryOf(tail, this.source, goneAt), goneAt };
    const departed = { key: this.key(tail), id: tail.id, entry, copied };
    this.departed.set(departed.key, departed);
    this.changes[departed.key] = departed.entry;
  }

  /** What stood in an inode last. */
  lastOf(id: string): Departed | undefined {
    let last: Departed | undefined;
    for (const one of this.departed.values()) {
      if (one.id === id && (!last || one.entry.generation > last.entry.generation)) last = one;
    }
    return last;
  }

  /** The generation of new content in an inode. */
  nextGeneration(id: string): number {
    // Nothing was read yet of a file that is still followed here: it was empty.
    const empty = this.tails.get(id);
    if (empty) return empty.generation;
    const before = this.lastOf(id);
    if (!before) return 0;
    // What may still turn up in a copy is told apart from it.
    if (before.copied || isWeak(before.entry)) this.drop(before);
    return before.entry.generation + 1;
  }

  /** Forgets what is gone. */
  drop({ key }: Departed): void {
    this.departed.delete(key);
    this.changes[key] = null;
  }

  /** Drops entries of files that have been gone for long. */
  forget(): void {
    const now = this.context.clock.now();
    for (const departed of this.departed.values()) {
      const { id, entry } = departed;
      if (now - Date.parse(entry.goneAt ?? entry.seenAt) < FORGET_MS || this.isLast({ id, path: entry.path })) continue;
      this.drop(departed);
    }
  }

  /** What changed since this was asked last. */
  take(): Changes {
    const { changes } = this;
    this.changes = {};
    return changes;
  }

  /** The last entry of the name stays: it tells a restart what was read. */
  private isLast({ id, path }: Pick<Tail, 'id' | 'path'>): boolean {
    if (path !== this.literal) return false;
    for (const tail of this.tails.values()) if (tail.path === path && tail.id !== id) return false;
    for (const other of this.departed.values()) if (other.entry.path === path && other.id !== id) return false;
    return true;
  }

  private get stamp(): string {
    return new Date(this.context.clock.now()).toISOString();
  }

  private key(tail: Tail): string {
    return keyOf(this.context.nodeId, tail.id, tail.generation);
  }
}
