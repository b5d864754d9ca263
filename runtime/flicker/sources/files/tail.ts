import type { FileEntry } from '../../state';
import { recordFrame, type RecordFrame } from '../../batch';
import type { Streams } from './events';
import { markOf, noMark, type Mark } from './fingerprint';

/** A file that is followed. */
export interface Tail {
  /** `<dev>-<ino>`. */
  id: string;
  generation: number;
  /** The name in events: the one under which the file was found first. */
  readonly path: string;
  /** Where it is now. */
  location: string;
  idHash: string;
  /** Everything before this byte was added to a batch. */
  offset: number;
  size: number;
  fingerprint: Mark;
  /** The bytes before the offset; unknown until the file was opened. */
  marker: Buffer | undefined;
  /** Hash of them, as it was saved. */
  savedMarker: Mark | undefined;
  /** Version of the file when it was verified last. */
  verified: string;
  /** Only an open handle leads to it. */
  gone: boolean;
  /** The glob does not name it any more. */
  rotated: boolean;
  /** The newest time that was seen under its name, by the file system's clock, in milliseconds since the epoch. */
  modified: number;
  /** When it was last seen to change, on the monotonic clock. */
  changedAt: number;
  /** Nothing more is expected: its last line ends where the file ends. */
  final: boolean;
  frame: RecordFrame | undefined;
  /** What is known of streams within the file beyond the offset. */
  streams: Streams;
  /** What its path says of it; unknown until it is read. */
  attributes: Readonly<Record<string, string>> | undefined;
}

/** A file that is gone. Its entry stays for a while, to tell a reuse of the inode and a copy of the file. */
export interface Departed {
  readonly key: string;
  readonly id: string;
  readonly entry: FileEntry;
  /** A copy of it is followed. */
  readonly copied: boolean;
}

export const keyOf = (nodeId: string, id: string, generation: number) => `${nodeId}/${id}-${generation}`;

/** The parts of a key of this node. */
export function parseKey(nodeId: string, key: string): { id: string; generation: number } | undefined {
  if (!key.startsWith(`${nodeId}/`)) return undefined;
  const [, id, generation] = /^(\d+-\d+)-(\d+)(?:@.*)?$/.exec(key.slice(nodeId.length + 1)) ?? [];
  return id !== undefined && generation !== undefined ? { id, generation: Number(generation) } : undefined;
}

export const inodeOf = (id: string) => id.slice(id.indexOf('-') + 1);

export function newTail(
  file: { id: string; path: string; size: number; modified: number },
  now: number,
  known: Partial<Tail> = {},
): Tail {
  return {
    id: file.id,
    generation: 0,
    path: file.path,
    location: file.path,
    idHash: '',
    offset: 0,
    size: file.size,
    fingerprint: noMark,
    marker: undefined,
    savedMarker: undefined,
    verified: '',
    gone: false,
    rotated: false,
    modified: file.modified,
    changedAt: now,
    final: false,
    frame: undefined,
    streams: {},
    attributes: undefined,
    ...known,
  };
}

export function tailOf(id: string, entry: FileEntry, now: number): Tail {
  return newTail(
    { id, path: entry.path, size: Math.max(entry.size ?? 0, entry.offset), modified: entry.modified ?? 0 },
    now,
    {
      generation: entry.generation,
      idHash: entry.idHash,
      offset: entry.offset,
      fingerprint: entry.fingerprint,
      savedMarker: entry.marker,
      streams: entry.streams ?? {},
    },
  );
}

export function entryOf(tail: Tail, source: string, seenAt: string): FileEntry {
  const marker = tail.marker ? markOf(tail.marker) : tail.savedMarker;
  return {
    source,
    path: tail.path,
    generation: tail.generation,
    offset: tail.offset,
    idHash: tail.idHash,
    fingerprint: tail.fingerprint,
    ...(marker && { marker }),
    ...(Object.keys(tail.streams).length > 0 && { streams: tail.streams }),
    size: tail.size,
    modified: tail.modified,
    seenAt,
  };
}

/** The frame of a file's records. The file must have its id hash. */
export function frameOf(tail: Tail, includeId: boolean): RecordFrame {
  return (tail.frame ??= recordFrame(tail.path, `${tail.idHash}-`, includeId));
}
