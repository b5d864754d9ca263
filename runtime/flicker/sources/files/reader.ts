import type { FileHandle } from 'node:fs/promises';
import { longLines } from '../../../../contract/flicker';
import type { BatchBuilder } from '../../batch';
import type { Transform } from '../../filters';
import type { SourceContext } from '../../source';
import { patience } from '../joiner';
import { criAttributes } from './cri';
import { addEvents, type EventsAdded, type Format, type EndsHere } from './events';
import { beginsWith, FINGERPRINT_BYTES, idHashOf, markOf, MARKER_BYTES, readAt, readMarker } from './fingerprint';
import type { Handles } from './handles';
import { addLines, type Chunk } from './lines';
import { frameOf, type Tail } from './tail';

const CHUNK_BYTES = 256 * 1024;
/** Room for the longest part of a line, what stands before it, and one byte that shows that the line goes on. */
const LARGEST_CHUNK = longLines.bytes + MARKER_BYTES + 4096;
/** Room for the longest event, the headers of its lines, and lines of other streams between them. */
const LARGEST_EVENT_CHUNK = 2 * longLines.bytes;

export interface Turn {
  /**
   * `drained`: nothing more to read now. `refused`: the builder has no room. `changed`: the file is not what it was.
   */
  readonly state: 'more' | 'drained' | 'refused' | 'changed';
  readonly read: number;
  readonly filtered: number;
  readonly advanced: boolean;
}

interface Waiting {
  readonly start: number;
  readonly end: number;
  readonly since: number;
}

const NEWLINE = 0x0a;
const nothing = { read: 0, filtered: 0, advanced: false } as const;

/** Reads files in large chunks, through one buffer. */
export class Reader {
  private buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  /** What the buffer holds: `buffer[at, end)` was not used yet; `buffer[0]` is the byte `base` of the file. */
  private chunk: { readonly tail: Tail; readonly base: number; readonly end: number; at: number } | undefined;
  /** Events that are not complete where their files end, and since when. */
  private readonly waiting = new WeakMap<Tail, readonly Waiting[]>();

  /** `format`: how events are made of lines; without one each line is an event. */
  constructor(
    private readonly handles: Handles,
    private readonly transform: Transform | undefined,
    private readonly format: Format | undefined,
    private readonly context: Pick<SourceContext, 'clock' | 'nodeId' | 'includeId'>,
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
    const handle = await this.handles.get(tail);
    const prefix = handle && (await firstLine(handle, tail.final));
    if (!prefix) return false;
    const { birthtimeNs } = await handle.stat({ bigint: true });
    tail.idHash = idHashOf(this.context.nodeId, tail.id, tail.generation, birthtimeNs, prefix);
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
    const part = { bytes: this.buffer, base: chunk.base, end: chunk.end };
    const { at, read, filtered, refused, streams } = this.add(tail, builder, part, chunk.at, whole);
    const moved = at > chunk.at;
    const advanced = moved || read > 0;
    chunk.at = at;
    if (advanced) {
      tail.offset = chunk.base + at;
      tail.streams = streams;
      tail.size = Math.max(tail.size, chunk.base + chunk.end);
      tail.marker = Buffer.from(this.buffer.subarray(Math.max(0, at - MARKER_BYTES), at));
    }
    if (refused) return { state: 'refused', read, filtered, advanced };
    this.chunk = undefined;
    if (whole) return { state: 'drained', read, filtered, advanced };
    // A line or event longer than the buffer.
    if (!moved) this.buffer = Buffer.allocUnsafeSlow(Math.min(this.buffer.length * 4, this.largest));
    return { state: 'more', read, filtered, advanced };
  }

  private get largest(): number {
    return this.format ? LARGEST_EVENT_CHUNK : LARGEST_CHUNK;
  }

  private add(tail: Tail, builder: BatchBuilder, chunk: Chunk, from: number, whole: boolean): EventsAdded {
    const { format, transform } = this;
    const frame = frameOf(tail, this.context.includeId);
    const final = tail.final && whole;
    if (!format) return { ...addLines(builder, frame, transform, chunk, from, final), streams: {} };
    tail.attributes ??= format.cri ? criAttributes(tail.path) : {};
    const file = { frame, streams: tail.streams, attributes: tail.attributes };
    const endsHere = final ? () => true : whole ? this.timeOut(tail, chunk, format) : this.overflow(chunk, from);
    return addEvents(builder, format, file, chunk, from, final, endsHere);
  }

  /** Ends events at the end of a file to which nothing was added for long enough. */
  private timeOut(tail: Tail, { base, end }: Chunk, { grouping }: Format): EndsHere {
    const timeout = patience(grouping);
    const now = this.context.clock.monotonic();
    const before = this.waiting.get(tail) ?? [];
    const waiting: Waiting[] = [];
    // Nothing came since the file was looked at, and it was idle for long then.
    const idle = base + end <= tail.size && this.context.clock.now() - tail.modified >= timeout;
    return ({ start, end: at }) => {
      const known = before.find((event) => event.start === start && event.end === at);
      const since = known?.since ?? now;
      waiting.push({ start, end: at, since });
      this.waiting.set(tail, waiting);
      return idle || now - since >= timeout;
    };
  }

  /** Ends the event at the beginning of a chunk when nothing larger can be held. */
  private overflow({ base }: Chunk, from: number): EndsHere {
    const full = this.buffer.length >= this.largest && from <= MARKER_BYTES;
    return ({ start }) => full && start === base + from;
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
}

/** The first line of a file; undefined while that line is not complete. */
async function firstLine(handle: FileHandle, final: boolean): Promise<Buffer | undefined> {
  const prefix = await readAt(handle, 0, FINGERPRINT_BYTES);
  return final || prefix.length === FINGERPRINT_BYTES || prefix.includes(NEWLINE) ? prefix : undefined;
}
