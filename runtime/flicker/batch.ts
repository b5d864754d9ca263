import { mergeChanges, type StateChange } from './state';

/** How a request joins records: a JSON array, or one record a line. */
export type Layout = 'array' | 'lines';

/** Encoded records, one after the other. */
export interface Records {
  readonly count: number;
  /** The request body: `[record,record]` or `record\nrecord\n`. */
  body(layout: Layout): Buffer;
  /** Records `from` up to, not including, `to`. */
  slice(from: number, to: number): Records;
  /** One record, as it is in the body. */
  record(index: number): Buffer;
}

/** Records of one source that travel together, and the state after them. */
export interface Batch {
  readonly records: Records;
  readonly after: StateChange;
}

/** The parts of a record that are the same for every line of a file. Made by `recordFrame`. */
export interface RecordFrame {
  readonly head: Buffer;
  /** Between line and number: `","id":"<idPrefix>`. Empty without ids. */
  readonly tail: Buffer;
  readonly includeId: boolean;
}

/** Frame of records `{"path": path, "line": …, "id": idPrefix + number}`. `idPrefix` needs no JSON escapes. */
export function recordFrame(path: string, idPrefix: string, includeId: boolean): RecordFrame {
  return {
    head: Buffer.from(`{"path":${JSON.stringify(path)},"line":"`),
    tail: Buffer.from(includeId ? `","id":"${idPrefix}` : ''),
    includeId,
  };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const NEWLINE = 0x0a;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BRACE = 0x7d;

/** 1 for bytes that stand in a JSON string as they are when the text is valid UTF-8. */
const plain = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
/** What follows the backslash of a two-byte escape; 0 where `\u00XX` is needed. */
const short = Uint8Array.from({ length: 256 }, (_, byte) => {
  const escapes = new Map([
    [QUOTE, '"'],
    [BACKSLASH, '\\'],
    [8, 'b'],
    [9, 't'],
    [10, 'n'],
    [12, 'f'],
    [13, 'r'],
  ]);
  return (escapes.get(byte) ?? '\0').charCodeAt(0);
});
const hex = Buffer.from('0123456789abcdef');

/**
 * Collects records as bytes until a batch is full. Works on bytes and decodes nothing: a string for each line would
 * cost more than the whole rest of the way.
 */
export class BatchBuilder {
  private bytes: Buffer;
  /** Byte 0 is kept for the bracket of an array. */
  private used = 1;
  private ends: number[] = [];
  private change: StateChange = {};

  constructor(
    private readonly maxEvents: number,
    private readonly maxBytes: number,
  ) {
    this.bytes = Buffer.allocUnsafe(Math.min(maxBytes, 64 * 1024) + 1);
  }

  get count(): number {
    return this.ends.length;
  }

  /** True when there is something to send or to save. */
  get dirty(): boolean {
    return this.ends.length > 0 || this.change.files !== undefined || this.change.position !== undefined;
  }

  get full(): boolean {
    return this.ends.length >= this.maxEvents || this.used - 1 >= this.maxBytes;
  }

  /** False when a record of about this many bytes should wait for the next batch. An empty batch takes any record. */
  fits(bytes: number): boolean {
    return this.ends.length === 0 || (this.ends.length < this.maxEvents && this.used - 1 + bytes <= this.maxBytes);
  }

  /** Adds the line `chunk[start, end)`, which must be valid UTF-8. Its id ends in `number`. */
  addLine(frame: RecordFrame, chunk: Uint8Array, start: number, end: number, number: number): void {
    const { head, tail } = frame;
    // Worst case: each byte becomes \u00XX.
    this.reserve(head.length + (end - start) * 6 + tail.length + 24);
    const out = this.bytes;
    let at = this.used;
    for (let i = 0; i < head.length; i++) out[at++] = head[i] as number;
    for (let i = start; i < end; i++) {
      const byte = chunk[i] as number;
      if (plain[byte] === 1) out[at++] = byte;
      else at = escape(out, at, byte);
    }
    for (let i = 0; i < tail.length; i++) out[at++] = tail[i] as number;
    if (frame.includeId) at = writeNumber(out, at, number);
    out[at++] = QUOTE;
    this.finish(at);
  }

  /** Adds a record of texts. */
  addText(path: string, line: string, id: string | undefined): void {
    const record = JSON.stringify(id === undefined ? { path, line } : { path, line, id });
    this.reserve(record.length * 3 + 1);
    this.finish(this.used + this.bytes.write(record, this.used) - 1);
  }

  /** What the state becomes once everything added so far is settled. */
  advance(change: StateChange): void {
    this.change = mergeChanges(this.change, change);
  }

  /** The batch so far; the builder starts a new one. */
  take(): Batch {
    const batch = { records: new EncodedRecords(this.bytes, 1, this.ends), after: this.change };
    this.bytes = Buffer.allocUnsafe(this.bytes.length);
    this.used = 1;
    this.ends = [];
    this.change = {};
    return batch;
  }

  private finish(at: number): void {
    this.bytes[at++] = BRACE;
    this.ends.push(at);
    this.bytes[at++] = COMMA;
    this.used = at;
  }

  private reserve(more: number): void {
    if (this.used + more <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.used + more));
    this.bytes.copy(larger, 0, 0, this.used);
    this.bytes = larger;
  }
}

function escape(out: Uint8Array, at: number, byte: number): number {
  const letter = short[byte] as number;
  out[at++] = BACKSLASH;
  if (letter !== 0) {
    out[at++] = letter;
    return at;
  }
  out[at++] = 0x75;
  out[at++] = 0x30;
  out[at++] = 0x30;
  out[at++] = hex[byte >> 4] as number;
  out[at++] = hex[byte & 15] as number;
  return at;
}

function writeNumber(out: Uint8Array, at: number, number: number): number {
  let digits = 1;
  for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  let rest = number;
  for (let i = at + digits - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    out[i] = 0x30 + (rest - next * 10);
    rest = next;
  }
  return at + digits;
}

/** Records in one buffer: each ends at `ends[i]` and is followed by one byte for the separator. */
class EncodedRecords implements Records {
  constructor(
    private readonly bytes: Buffer,
    private readonly start: number,
    private readonly ends: readonly number[],
  ) {}

  get count(): number {
    return this.ends.length;
  }

  body(layout: Layout): Buffer {
    const end = this.ends.at(-1);
    if (end === undefined) return Buffer.from(layout === 'array' ? '[]' : '');
    const separator = layout === 'array' ? COMMA : NEWLINE;
    if (this.bytes[this.ends[0] as number] !== separator || layout === 'lines') {
      for (const at of this.ends) this.bytes[at] = separator;
    }
    if (layout === 'lines') return this.bytes.subarray(this.start, end + 1);
    this.bytes[this.start - 1] = OPEN;
    this.bytes[end] = CLOSE;
    return this.bytes.subarray(this.start - 1, end + 1);
  }

  slice(from: number, to: number): Records {
    const start = from === 0 ? this.start : (this.ends[from - 1] ?? this.start - 1) + 1;
    // A copy: both halves write brackets where they meet.
    const end = this.ends[to - 1] ?? start;
    const bytes = Buffer.allocUnsafe(end - start + 2);
    this.bytes.copy(bytes, 1, start, end);
    return new EncodedRecords(
      bytes,
      1,
      this.ends.slice(from, to).map((at) => at - start + 1),
    );
  }

  record(index: number): Buffer {
    const start = index === 0 ? this.start : (this.ends[index - 1] ?? 0) + 1;
    return this.bytes.subarray(start, this.ends[index]);
  }
}
