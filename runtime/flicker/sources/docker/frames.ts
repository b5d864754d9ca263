import { longLines } from '../../../../contract/flicker';
import { SourceError } from '../../source';

/** What a container wrote at one time: a line, or a part of one. */
export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  /** As the daemon wrote it. */
  readonly time: string;
  /** Without the end of the line. */
  readonly bytes: Buffer;
  /** The line goes on in the next entry of its stream. */
  readonly partial: boolean;
}

/** Takes the bytes of an answer as they come. @throws SourceError when they are not what a daemon sends */
export type Decoder = (chunk: Buffer) => LogEntry[];

const HEADER = 8;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
/** No entry of a log driver is as large as that. */
const MOST_BYTES = 64 * 1024 ** 2;
/** Log drivers split lines into parts of this many bytes, or more. */
const PART_BYTES = 16 * 1024;
/** The longest time. */
const TIME_BYTES = 35;

/** Entries in frames of 8 bytes, stream and length, and that many bytes. */
export function multiplexed(): Decoder {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const entries: LogEntry[] = [];
    let at = 0;
    while (bytes.length - at >= HEADER) {
      const stream = bytes[at];
      const length = bytes.readUInt32BE(at + 4);
      if ((stream !== 1 && stream !== 2) || length > MOST_BYTES) {
        throw new SourceError('the Docker daemon cannot read its log any further, or does not send a log');
      }
      if (bytes.length - at - HEADER < length) break;
      const end = at + HEADER + length;
      entries.push(entryOf(stream === 1 ? 'stdout' : 'stderr', bytes.subarray(at + HEADER, end)));
      at = end;
    }
    rest = bytes.subarray(at);
    return entries;
  };
}

/** Entries of a terminal: lines, one after the other, all of one stream. */
export function terminal(): Decoder {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const entries: LogEntry[] = [];
    let at = 0;
    for (let newline = bytes.indexOf(NEWLINE); newline !== -1; newline = bytes.indexOf(NEWLINE, at)) {
      entries.push(...partsOf(bytes.subarray(at, newline + 1)));
      at = newline + 1;
    }
    rest = bytes.subarray(at);
    // What goes on without end is handed on in whole parts.
    if (rest.length > longLines.bytes) {
      const parts = partsOf(rest);
      const last = parts.pop();
      if (parts.length > 0 && last) {
        entries.push(...parts);
        rest = rest.subarray(rest.length - last.bytes.length - last.time.length - 1);
      }
    }
    return entries;
  };
}

/** The parts of one line of a terminal: each has the time of the line before it. */
function partsOf(line: Buffer): LogEntry[] {
  const head = line.subarray(0, timeEnd(line) + 1);
  const entries: LogEntry[] = [];
  for (let at = 0; at < line.length;) {
    const next = line.indexOf(head, at + head.length + PART_BYTES);
    const end = next === -1 ? line.length : next;
    entries.push(entryOf('stdout', line.subarray(at, end)));
    at = end;
  }
  return entries;
}

function entryOf(stream: LogEntry['stream'], bytes: Buffer): LogEntry {
  const space = timeEnd(bytes);
  const partial = bytes.at(-1) !== NEWLINE;
  const end = partial ? bytes.length : bytes.length - (bytes.at(-2) === RETURN ? 2 : 1);
  return {
    stream,
    time: bytes.toString('latin1', 0, space),
    bytes: bytes.subarray(space + 1, Math.max(end, space + 1)),
    partial,
  };
}

function timeEnd(bytes: Buffer): number {
  const space = bytes.subarray(0, TIME_BYTES + 1).indexOf(SPACE);
  if (space === -1) throw new SourceError('the Docker daemon sends a log without times');
  return space;
}
