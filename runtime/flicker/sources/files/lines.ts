import { isUtf8 } from 'node:buffer';
import { longLines } from '../../../../contract/flicker';
import { extraMembers, type BatchBuilder, type RecordFrame } from '../../batch';
import type { Transform } from '../../filters';
import { marked } from '../joiner';

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Bytes of a file: `bytes[at, end)`, where `bytes[0]` is the byte `base` of the file. */
export interface Chunk {
  readonly bytes: Buffer;
  readonly base: number;
  readonly end: number;
}

export interface LinesAdded {
  /** Where the first byte stands that was not used. */
  readonly at: number;
  readonly read: number;
  readonly filtered: number;
  /** The builder has no room for the next line. */
  readonly refused: boolean;
}

/**
 * Adds the complete lines of `chunk[from, end)` to the builder, and the parts of lines that are too long. An empty line
 * is no event. `final`: what stands after the last newline is a line as well.
 */
export function addLines(
  builder: BatchBuilder,
  frame: RecordFrame,
  transform: Transform | undefined,
  chunk: Chunk,
  from: number,
  final: boolean,
): LinesAdded {
  const { bytes, base, end } = chunk;
  const complete = final ? end : bytes.lastIndexOf(NEWLINE, end - 1) + 1;
  const plain = transform === undefined && isUtf8(bytes.subarray(from, Math.max(from, complete)));
  let at = from;
  let read = 0;
  let filtered = 0;
  const result = (refused: boolean): LinesAdded => ({ at, read, filtered, refused });

  while (at < end) {
    const newline = at < complete ? bytes.indexOf(NEWLINE, at) : -1;
    const found = newline !== -1 && newline < end;
    const stop = found ? newline : end;
    let next = found ? stop + 1 : stop;
    let lineEnd = found && stop > at && bytes[stop - 1] === RETURN ? stop - 1 : stop;
    const tooLong = stop - at > longLines.bytes;
    if (tooLong) lineEnd = next = characterBoundary(bytes, at + longLines.bytes);
    else if (!found && !final) break;
    if (lineEnd > at) {
      const continued = at > 0 && base + at > 0 && bytes[at - 1] !== NEWLINE;
      if (plain && !tooLong && !continued) {
        if (!builder.addLine(frame, bytes, at, lineEnd, base + at)) return result(true);
      } else {
        const text = bytes.toString('utf8', at, lineEnd);
        const kept = transform ? transform(text) : { line: text };
        if (!kept) filtered++;
        else {
          const line = marked(kept.line, { continued, continues: tooLong });
          if (!builder.addTextLine(frame, line, base + at, 0, extraMembers(kept))) return result(true);
        }
      }
      read++;
    }
    at = next;
  }
  return result(false);
}

/** The last beginning of a character up to `at`; `at` itself where the bytes are no UTF-8. */
export function characterBoundary(bytes: Buffer, at: number): number {
  for (let i = at; i > at - 4; i--) if (((bytes[i] ?? 0) & 0xc0) !== 0x80) return i;
  return at;
}
