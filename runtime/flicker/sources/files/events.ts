import { isUtf8 } from 'node:buffer';
import { longLines } from '../../../../contract/flicker';
import { extraMembers, type BatchBuilder, type RecordFrame } from '../../batch';
import type { Grouping, Transform } from '../../filters';
import type { FileEntry } from '../../state';
import { Joiner, marked, type Unfinished } from '../joiner';
import { criHeader } from './cri';
import { characterBoundary, type Chunk, type LinesAdded } from './lines';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** The stream of lines that name none. */
const NO_STREAM = '';

export type Streams = NonNullable<FileEntry['streams']>;

/** How events are made of the lines of a file that is not read line by line. */
export interface Format {
  readonly cri: boolean;
  readonly grouping: Grouping | undefined;
  readonly transform: Transform | undefined;
  /** Told of a line that the format does not know. It is shipped as it is. */
  readonly unparsed: () => void;
}

/** A file, as far as its records are made of it. */
export interface EventFile {
  readonly frame: RecordFrame;
  /** What is known of the streams beyond the offset. */
  readonly streams: Streams;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Whether an event ends where the chunk does, though nothing in it says so. */
export type EndsHere = (event: Unfinished<number>) => boolean;

export interface EventsAdded extends LinesAdded {
  readonly streams: Streams;
}

/**
 * Adds the complete events of `chunk[from, end)` to the builder. `at` in the answer is where the first event begins that
 * was not added: the next call begins there, and so does a restart. So nothing is kept here between two calls; what was
 * added of other streams beyond that place is told by `streams`.
 */
export function addEvents(
  builder: BatchBuilder,
  { cri, grouping, transform, unparsed }: Format,
  file: EventFile,
  chunk: Chunk,
  from: number,
  final: boolean,
  endsHere: EndsHere,
): EventsAdded {
  const { bytes, base, end } = chunk;
  const complete = final ? end : Math.max(from, bytes.lastIndexOf(NEWLINE, end - 1) + 1);
  /** Where each stream was added up to, as far as that is beyond events that wait. */
  const added = new Map(Object.entries(file.streams).map(([stream, { offset }]) => [stream, offset]));
  const cutStreams = Object.keys(file.streams).filter((stream) => file.streams[stream]?.continued);
  const joiner = new Joiner<number>(grouping, cutStreams);
  const attributes = attributeMembers(file.attributes);
  const plain = transform === undefined && isUtf8(bytes.subarray(from, complete));
  let at = from;
  let read = 0;
  let filtered = 0;

  /** @returns whether the builder had room for all */
  const ship = (): boolean => {
    for (let event = joiner.ready[0]; event; event = joiner.ready[0]) {
      const kept = transform ? transform(event.text) : { line: event.text };
      if (!kept) filtered++;
      else {
        const line = marked(kept.line, event);
        const members = `${extraMembers({ time: kept.time ?? event.time })}${attributes(event.stream)}${extraMembers({ fields: kept.fields })}`;
        if (!builder.addTextLine(file.frame, line, event.start, event.pieces - 1, members)) return false;
      }
      read++;
      added.set(event.stream, event.end);
      joiner.ready.shift();
    }
    return true;
  };

  let room = true;
  while (room && at < end) {
    const newline = at < complete ? bytes.indexOf(NEWLINE, at) : -1;
    const found = newline !== -1 && newline < end;
    const stop = found ? newline : end;
    const tooLong = stop - at > longLines.bytes;
    if (!found && !final && !tooLong) break;
    const cut = tooLong ? characterBoundary(bytes, at + longLines.bytes) : stop;
    const next = !tooLong && found ? stop + 1 : cut;
    const header = cri && !tooLong ? criHeader(bytes, at, stop) : undefined;
    const partial = header?.partial ?? tooLong;
    const lineEnd = !partial && found && stop > at && bytes[stop - 1] === RETURN ? stop - 1 : cut;
    const stream = header?.stream ?? NO_STREAM;
    const start = base + at;
    if (start >= (added.get(stream) ?? 0)) {
      const textAt = Math.min(at + (header?.length ?? 0), lineEnd);
      // A whole line that waits for nothing stays on bytes.
      if (plain && !grouping && !partial && !joiner.expects(stream) && !(cri && !header)) {
        if (lineEnd > textAt) {
          const members = extraMembers({ time: header?.time }) + attributes(stream);
          room = builder.addLine(file.frame, bytes, textAt, lineEnd, start, members);
          if (!room) break;
          read++;
          if (joiner.waits) added.set(stream, base + next);
        }
      } else {
        if (cri && !header && lineEnd > at) unparsed();
        const text = bytes.subarray(textAt, lineEnd);
        joiner.push({ stream, bytes: text, partial, time: header?.time, start, end: base + next });
        room = ship();
      }
    }
    at = next;
  }
  if (room) {
    joiner.flush(endsHere);
    room = ship();
  }
  const pending = [...joiner.ready, ...joiner.waiting];
  const resume = Math.min(at, ...pending.map(({ start }) => start - base));
  const streams: Streams = {};
  for (const stream of new Set([...added.keys(), ...joiner.cut, ...pending.map((event) => event.stream)])) {
    const first = pending.find((event) => event.stream === stream);
    const continued = first ? first.continued : joiner.cut.has(stream);
    const offset = Math.max(added.get(stream) ?? 0, base + resume);
    if (continued) streams[stream] = { offset, continued };
    else if (offset > base + resume) streams[stream] = { offset };
  }
  return { at: resume, read, filtered, refused: !room, streams };
}

/** The attributes of each stream as JSON, made once. */
function attributeMembers(attributes: Readonly<Record<string, string>>): (stream: string) => string {
  const made = new Map<string, string>();
  return (stream) => {
    const known = made.get(stream);
    if (known !== undefined) return known;
    const all = stream === NO_STREAM ? attributes : { ...attributes, 'log.iostream': stream };
    const members = Object.keys(all).length === 0 ? '' : extraMembers({ attributes: all });
    made.set(stream, members);
    return members;
  };
}
