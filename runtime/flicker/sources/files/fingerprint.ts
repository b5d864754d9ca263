import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Tail } from './tail';

/** Hash of some bytes at a known place of a file. */
export interface Mark {
  readonly bytes: number;
  readonly hash: string;
}

/** Bytes at the beginning of a file that are compared. */
export const FINGERPRINT_BYTES = 1024;
/** Bytes before the offset that are compared. */
export const MARKER_BYTES = 256;

/** Few bytes may be alike by chance: to ship them twice does less harm than to leave them out. */
export const isWeak = ({ fingerprint }: { readonly fingerprint: Mark }) => fingerprint.bytes < FINGERPRINT_BYTES;

export function markOf(bytes: Uint8Array): Mark {
  return { bytes: bytes.length, hash: createHash('sha256').update(bytes).digest('hex').slice(0, 32) };
}

export const noMark: Mark = markOf(new Uint8Array());

/** Whether bytes begin with what was marked. Nothing begins with less than was marked. */
export function beginsWith(bytes: Uint8Array, mark: Mark): boolean {
  return bytes.length >= mark.bytes && markOf(bytes.subarray(0, mark.bytes)).hash === mark.hash;
}

/** Reads until `length` bytes or the end of the file. */
export async function readAt(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await handle.read(buffer, read, length - read, position + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return buffer.subarray(0, read);
}

/** The bytes before an offset that are compared. */
export function readMarker(handle: FileHandle, offset: number): Promise<Buffer> {
  const bytes = Math.min(MARKER_BYTES, offset);
  return readAt(handle, offset - bytes, bytes);
}

/** Whether a file has the bytes that were read of another, and goes on from there. */
export async function goesOn(
  handle: FileHandle,
  old: Pick<Tail, 'fingerprint' | 'offset' | 'marker' | 'savedMarker'>,
): Promise<boolean> {
  const prefix = await readAt(handle, 0, old.fingerprint.bytes);
  if (!beginsWith(prefix, old.fingerprint)) return false;
  const marker = old.marker ? markOf(old.marker) : old.savedMarker;
  return marker === undefined || beginsWith(await readMarker(handle, old.offset), marker);
}

/** What two files have at the same place: their beginning, and what stands before `size`. */
export async function sameUpTo(a: FileHandle, b: FileHandle, size: number): Promise<boolean> {
  const length = Math.min(FINGERPRINT_BYTES, size);
  for (const position of [0, size - length]) {
    const [left, right] = await Promise.all([readAt(a, position, length), readAt(b, position, length)]);
    if (left.length < length || !left.equals(right)) return false;
  }
  return true;
}

/**
 * The hash that ids of events of a file begin with. Made from what the file is, when it was made and its first line, so that
 * it is the same when the file is read again, and another when a later file gets the inode and the generation of one forgotten.
 */
export function idHashOf(nodeId: string, id: string, generation: number, born: bigint, prefix: Uint8Array): string {
  const newline = prefix.indexOf(10);
  const firstLine = prefix.subarray(0, newline === -1 ? FINGERPRINT_BYTES : newline + 1);
  return createHash('sha256')
    .update(`${nodeId}\0${id}\0${generation}\0${born}\0`)
    .update(firstLine)
    .digest('hex')
    .slice(0, 20);
}

/** Where the last complete line ends. */
export async function endOfLastLine(handle: FileHandle, size: number): Promise<number> {
  const step = 64 * 1024;
  for (let end = size; end > 0; end -= step) {
    const start = Math.max(0, end - step);
    const at = (await readAt(handle, start, end - start)).lastIndexOf(10);
    if (at !== -1) return start + at + 1;
  }
  return 0;
}
