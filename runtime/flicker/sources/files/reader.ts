import { longLines } from '../../../../contract/flicker';
import type { BatchBuilder } from '../../batch';
import type { Transform } from '../../filters';
import type { SourceContext } from '../../source';
import { beginsWith, FINGERPRINT_BYTES, idHashOf, markOf, MARKER_BYTES, readAt, readMarker } from './fingerprint';
import type { Handles } from './handles';
import { addLines } from './lines';
import { frameOf, type Tail } from './tail';

const CHUNK_BYTES = 256 * 1024;
/** Room for the longest part of a line, what stands before it, and one byte that shows that the line goes on. */
const LARGEST_CHUNK = longLines.bytes + MARKER_BYTES + 4096;

export interface Turn {
  /**
   * `drained`: nothing more to read now. `refused`: the builder has no room. `changed`: the file is not what it was.
   */
  readonly state: 'more' | 'drained' | 'refused' | 'changed';
  readonly read: number;
  readonly filtered: number;
  readonly advanced: boolean;
}

const NEWLINE = 0x0a;
const nothing = { read: 0, filtered: 0, advanced: false } as const;

/** Reads files in large chunks, through one buffer. */
export class Reader {
  private buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  /** What the buffer holds: `buffer[at, end)` was not used yet; `buffer[0]` is the byte `base` of the file. */
  private chunk: { readonly tail: Tail; readonly base: number; readonly end: number; at: number } | undefined;

  constructor(
    private readonly handles: Handles,
    private readonly transform: Transform | undefined,
    private readonly context: Pick<SourceContext, 'nodeId' | 'includeId'>,
  ) {}

  /** Forgets what was read ahead. */
  reset(): void {
    this.chunk = undefined;
  }

  /**
   * Gives a file the hash that its ids begin with, once its first line is complete.
   * @returns whether that is new
   */
  async name(tail: Tail): Promise<boolean> {
    if (tail.idHash !== '') return false;
    const prefix = await this.firstLine(tail);
    if (!prefix) return false;
    tail.idHash = idHashOf(this.context.nodeId, tail.id, tail.generation, prefix);
    // The file may have grown since it was verified, and what is saved now must be enough to know it again.
    if (prefix.length > tail.fingerprint.bytes) tail.fingerprint = markOf(prefix);
    return true;
  }

  /** Adds the lines of one chunk of a file that has its id hash. */
  async read(tail: Tail, builder: BatchBuilder): Promise<Turn> {
    if (this.chunk?.tail !== tail) {
      const state = await this.load(tail);
      if (state) return { ...nothing, state };
    }
    const { chunk } = this;
    if (!chunk) return { ...nothing, state: 'drained' };
    const whole = chunk.end < this.buffer.length;
    const frame = frameOf(tail, this.context.includeId);
    const part = { bytes: this.buffer, base: chunk.base, end: chunk.end };
    const { at, read, filtered, refused } = addLines(
      builder,
      frame,
      this.transform,
      part,
      chunk.at,
      tail.final && whole,
    );
    const advanced = at > chunk.at;
    chunk.at = at;
    if (advanced) {
      tail.offset = chunk.base + at;
      tail.size = Math.max(tail.size, chunk.base + chunk.end);
      tail.marker = Buffer.from(this.buffer.subarray(Math.max(0, at - MARKER_BYTES), at));
    }
    if (refused) return { state: 'refused', read, filtered, advanced };
    this.chunk = undefined;
    if (whole) return { state: 'drained', read, filtered, advanced };
    // A line longer than the buffer.
    if (!advanced) this.buffer = Buffer.allocUnsafeSlow(Math.min(this.buffer.length * 4, LARGEST_CHUNK));
    return { state: 'more', read, filtered, advanced };
  }

  /** Reads on where the last chunk was used up, with the bytes before it: they tell whether the file is still the same. */
  private async load(tail: Tail): Promise<'drained' | 'changed' | undefined> {
    this.chunk = undefined;
    const handle = await this.handles.get(tail);
    if (!handle) return 'changed';
    const marker = (tail.marker ??= await readMarker(handle, tail.offset));
    const base = tail.offset - marker.length;
    const { bytesRead } = await handle.read(this.buffer, 0, this.buffer.length, base);
    if (bytesRead < marker.length || this.buffer.compare(marker, 0, marker.length, 0, marker.length) !== 0) {
      return 'changed';
    }
    // Near the beginning there is little before the offset, and nothing at it.
    if (base === 0 && !beginsWith(this.buffer.subarray(0, bytesRead), tail.fingerprint)) return 'changed';
    if (bytesRead === marker.length) return 'drained';
    this.chunk = { tail, base, end: bytesRead, at: marker.length };
    return undefined;
  }

  /** The first line of a file; undefined while that line is not complete. */
  private async firstLine(tail: Tail): Promise<Buffer | undefined> {
    const handle = await this.handles.get(tail);
    if (!handle) return undefined;
    const prefix = await readAt(handle, 0, FINGERPRINT_BYTES);
    return tail.final || prefix.length === FINGERPRINT_BYTES || prefix.includes(NEWLINE) ? prefix : undefined;
  }
}
