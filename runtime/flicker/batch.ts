import { viewOf, writeEscaped, writeNumber } from './escape';
import type { ContainerEntry, FileEntry, Position, StateChange } from './state';

/** How a request joins records: a JSON array, or one record a line. */
export type Layout = 'array' | 'lines';

/** Encoded records, one after the other. */
export interface Records {
  readonly count: number;
  /** The request body: `[record,record]` or `record\nrecord\n`. */
  body(layout: Layout): Buffer;
  /** Records `from` up to, not including, `to`. */
  slice(from: number, to: number): Records;
  /** The records at these indexes, in this order. A copy. */
  pick(indexes: readonly number[]): Records;
  /** One record, as it is in the body. */
  record(index: number): Buffer;
  /** Told by a destination that reads them no more: from the next `take` on others may lie in their memory. */
  release(): void;
}

/** What a source knows of an event beside its text. */
export interface RecordExtra {
  /** The event's own time: RFC 3339, up to nanoseconds. */
  readonly time?: string | undefined;
  /** By their OpenTelemetry names. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** The object that the line holds, as JSON in one line. */
  readonly fields?: string | undefined;
}

/** The members of a record that follow its id. */
export function extraMembers({ time, attributes, fields }: RecordExtra): string {
  return (
    (time === undefined ? '' : `,"time":${JSON.stringify(time)}`) +
    (attributes === undefined ? '' : `,"attributes":${JSON.stringify(attributes)}`) +
    (fields === undefined ? '' : `,"fields":${fields}`)
  );
}

/** Records of one source that travel together, and the state after them. */
export interface Batch {
  readonly records: Records;
  readonly after: StateChange;
  /** The state after it must be saved before anything later is sent. */
  readonly sealed: boolean;
}

/** Bytes to append, filled up to whole words of 4. */
interface Constant {
  readonly words: DataView;
  readonly length: number;
}

/** The parts of a record that are the same for every line of a file. Made by `recordFrame`. */
export interface RecordFrame {
  readonly head: Constant;
  /** Between line and number: `","id":"<idPrefix>`. Empty without ids. */
  readonly tail: Constant;
  readonly includeId: boolean;
  /** Bytes of a record beside its line and its number. */
  readonly overhead: number;
}

/** Frame of records `{"path": path, "line": …, "id": idPrefix + number}`. `idPrefix` needs no JSON escapes. */
export function recordFrame(path: string, idPrefix: string, includeId: boolean): RecordFrame {
  const head = constant(`{"path":${JSON.stringify(path)},"line":"`);
  const tail = constant(includeId ? `","id":"${idPrefix}` : '');
  return { head, tail, includeId, overhead: head.length + tail.length + 3 };
}

function constant(text: string): Constant {
  const bytes = Buffer.from(text);
  const words = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  words.set(bytes);
  return { words: viewOf(words), length: bytes.length };
}

const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const NEWLINE = 0x0a;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BRACE = 0x7d;

/** Bytes of the first buffer, and what is free behind a full batch: for the worst case of its last line. */
const ROOM = 64 * 1024;

/**
 * Collects records as bytes until a batch is full. Works on bytes and decodes nothing: a string for each line would
 * cost more than the whole rest of the way.
 */
export class BatchBuilder {
  private bytes: Buffer;
  private view: DataView;
  /** Byte 0 is kept for the bracket of an array. */
  private used = 1;
  private ends: number[] = [];
  private files: Record<string, FileEntry | null> | undefined;
  private docker: Record<string, ContainerEntry | null> | undefined;
  private position: Position | undefined;
  /** The chunk of the last line. */
  private chunk: Buffer | undefined;
  private chunkView: DataView | undefined;
  /** What was taken last. */
  private taken: EncodedRecords | undefined;
  /** Whether a line was turned away. */
  private refused = false;
  private sealed = false;

  constructor(
    private readonly maxEvents: number,
    private readonly maxBytes: number,
  ) {
    this.bytes = Buffer.allocUnsafe(Math.min(maxBytes, ROOM));
    this.view = viewOf(this.bytes);
  }

  get count(): number {
    return this.ends.length;
  }

  /** True when there is something to send or to save. */
  get dirty(): boolean {
    return this.ends.length > 0 || this.files !== undefined || this.docker !== undefined || this.position !== undefined;
  }

  /** True when the batch must be taken before more is added. */
  get full(): boolean {
    return this.refused || this.sealed || this.ends.length >= this.maxEvents || this.used - 1 >= this.maxBytes;
  }

  /** False when a record of about this many bytes should wait for the next batch. An empty batch takes any record. */
  private fits(bytes: number): boolean {
    return this.ends.length === 0 || (this.ends.length < this.maxEvents && this.used - 1 + bytes <= this.maxBytes);
  }

  /**
   * Adds the line `chunk[start, end)`, which must be valid UTF-8. Its id ends in `number`; `members` is what
   * `extraMembers` made of the rest.
   * @returns false when it has no room, and nothing was added; an empty batch takes any line
   */
  addLine(frame: RecordFrame, chunk: Buffer, start: number, end: number, number: number, members = ''): boolean {
    const length = end - start;
    if (!this.fits(frame.overhead + length + members.length)) return this.refuse();
    if (chunk !== this.chunk || !this.chunkView) {
      this.chunk = chunk;
      this.chunkView = viewOf(chunk);
    }
    // Worst case: each byte becomes \u00XX.
    this.reserve(frame.overhead + length * 6 + members.length * 3 + 32);
    const from = append(this.view, this.used, frame.head);
    const to = writeEscaped(this.view, from, this.chunkView, start, end);
    return this.close(frame, to, number, 0, members);
  }

  /** As `addLine`, for a line that is text. `joined`: lines joined to it, which its id tells as well. */
  addTextLine(frame: RecordFrame, line: string, number: number, joined = 0, members = ''): boolean {
    if (!this.fits(frame.overhead + line.length + members.length)) return this.refuse();
    const json = JSON.stringify(line);
    this.reserve(frame.overhead + json.length * 3 + members.length * 3 + 32);
    // Both quotes of the text are the frame's.
    const from = append(this.view, this.used, frame.head) - 1;
    return this.close(frame, from + this.bytes.write(json, from) - 1, number, joined, members);
  }

  /** As `addLine`, for a record of texts. Without an id a record is path and line, and nothing else. */
  addText(path: string, line: string, id: string | undefined, extra?: RecordExtra): boolean {
    const members = id === undefined ? { path, line } : { path, line, id };
    const more = extra && id !== undefined ? extraMembers(extra) : '';
    const record = `${JSON.stringify(members).slice(0, -1)}${more}}`;
    if (!this.fits(Buffer.byteLength(record) + 1)) return this.refuse();
    this.reserve(record.length * 3 + 1);
    this.finish(this.used + this.bytes.write(record, this.used) - 1);
    return true;
  }

  /** What the state becomes once everything added so far is settled. */
  advance(change: StateChange): void {
    if (change.files) Object.assign((this.files ??= {}), change.files);
    if (change.docker) Object.assign((this.docker ??= {}), change.docker);
    if (change.position) this.position = change.position;
  }

  /**
   * Ends the batch here: the state after it is saved before anything later is sent. For what later events are named by: a
   * restart must find it.
   */
  seal(): void {
    this.sealed = true;
  }

  /**
   * The batch so far; the builder starts a new one. Nobody may need the batch before any more, if it was released: its
   * memory is used again, because new memory for each costs more than filling it.
   */
  take(): Batch {
    const { files, docker, position } = this;
    const after = { ...(files && { files }), ...(docker && { docker }), ...(position && { position }) };
    const records = new EncodedRecords(this.bytes, 1, this.ends);
    const batch = { records, after, sealed: this.sealed };
    const again = this.taken?.memory;
    const largest = this.maxBytes + ROOM;
    // What one very large record has needed is not kept.
    const kept = again !== undefined && again.length <= 2 * largest;
    this.use(kept ? again : Buffer.allocUnsafe(Math.min(this.bytes.length, largest)));
    this.taken = records;
    this.used = 1;
    this.ends = [];
    this.files = undefined;
    this.docker = undefined;
    this.position = undefined;
    this.refused = false;
    this.sealed = false;
    return batch;
  }

  /** Ends a record of a frame, unless it turned out not to fit. */
  private close(frame: RecordFrame, lineEnd: number, number: number, joined: number, members: string): boolean {
    let at = append(this.view, lineEnd, frame.tail);
    if (frame.includeId) at = writeNumber(this.bytes, at, number);
    if (frame.includeId && joined > 0) {
      this.bytes[at++] = PLUS;
      at = writeNumber(this.bytes, at, joined);
    }
    this.bytes[at++] = QUOTE;
    if (frame.includeId && members !== '') at += this.bytes.write(members, at);
    // Escapes may have made it longer than it looked.
    // Counted: brace, separator and the bracket of an array.
    if (!this.fits(at + 3 - this.used)) return this.refuse();
    this.finish(at);
    return true;
  }

  private refuse(): false {
    this.refused = true;
    return false;
  }

  private finish(at: number): void {
    this.bytes[at++] = BRACE;
    this.ends.push(at);
    this.bytes[at++] = COMMA;
    this.used = at;
  }

  private reserve(more: number): void {
    const needed = this.used + more;
    if (needed <= this.bytes.length) return;
    // Twice as large each time, but not beyond what a full batch takes.
    const larger = Buffer.allocUnsafe(Math.max(Math.min(this.bytes.length * 2, this.maxBytes), needed) + ROOM);
    this.bytes.copy(larger, 0, 0, this.used);
    this.use(larger);
  }

  private use(bytes: Buffer): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }
}

/** Appends what is too short for a call that copies; up to 3 bytes behind it are lost. @returns where it ended */
function append(out: DataView, at: number, { words, length }: Constant): number {
  for (let i = 0; i < length; i += 4) out.setInt32(at + i, words.getInt32(i, true), true);
  return at + length;
}

/** Records that were written one a line, as `body('lines')` gives them. */
export function readRecords(lines: Buffer): Records {
  const bytes = Buffer.allocUnsafe(lines.length + 2);
  lines.copy(bytes, 1);
  const ends: number[] = [];
  for (let at = lines.indexOf(NEWLINE); at >= 0; at = lines.indexOf(NEWLINE, at + 1)) ends.push(at + 1);
  return new EncodedRecords(bytes, 1, ends);
}

/** Records in one buffer: each ends at `ends[i]` and is followed by one byte for the separator. */
class EncodedRecords implements Records {
  private released = false;

  constructor(
    private readonly bytes: Buffer,
    private readonly start: number,
    private readonly ends: readonly number[],
  ) {}

  /** The memory, when it may be used for others. */
  get memory(): Buffer | undefined {
    return this.released ? this.bytes : undefined;
  }

  release(): void {
    this.released = true;
  }

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

  pick(indexes: readonly number[]): Records {
    const picked = indexes.map((index) => this.record(index));
    const bytes = Buffer.allocUnsafe(picked.reduce((sum, { length }) => sum + length + 1, 1));
    const ends: number[] = [];
    let at = 1;
    for (const record of picked) {
      at += record.copy(bytes, at);
      ends.push(at);
      bytes[at++] = COMMA;
    }
    return new EncodedRecords(bytes, 1, ends);
  }

  record(index: number): Buffer {
    const start = index === 0 ? this.start : (this.ends[index - 1] ?? 0) + 1;
    return this.bytes.subarray(start, this.ends[index]);
  }
}
