import { longLines } from '../../../contract/flicker';
import type { Grouping } from '../filters';

/** A line of a stream, or a part of one. Places are compared by the source. */
export interface Piece<Place> {
  readonly stream: string;
  /** Its text in UTF-8, without the end of the line. A part may end within a character. */
  readonly bytes: Buffer;
  /** The line goes on in the next piece of its stream. */
  readonly partial: boolean;
  readonly time?: string | undefined;
  readonly start: Place;
  /** Behind it. */
  readonly end: Place;
}

/** Pieces that are one event. */
export interface Joined<Place> {
  readonly stream: string;
  readonly text: string;
  /** That of the first piece. */
  readonly time: string | undefined;
  readonly start: Place;
  readonly end: Place;
  readonly pieces: number;
  /** It begins within a line. */
  readonly continued: boolean;
  /** It ends within a line. */
  readonly continues: boolean;
}

/** An event that is not complete. */
export type Unfinished<Place> = Omit<Joined<Place>, 'text'>;

type Open<Place> = { -readonly [Key in keyof Unfinished<Place>]: Unfinished<Place>[Key] } & {
  readonly parts: Buffer[];
  size: number;
  lines: number;
};

/** A line of which parts are missing waits this long for the next. */
const PART_TIMEOUT_MS = 5000;
const NEWLINE = Buffer.from('\n');

/** How long an event that is not complete waits for more. */
export const patience = (grouping: Grouping | undefined): number => grouping?.timeoutMs ?? PART_TIMEOUT_MS;

/** A line with marks where it was cut. */
export function marked(
  line: string,
  { continued, continues }: Pick<Joined<unknown>, 'continued' | 'continues'>,
): string {
  return `${continued ? longLines.continued : ''}${line}${continues ? longLines.continues : ''}`;
}

/**
 * Makes events of the pieces of several streams: joins parts to lines, and lines to what a grouping says is one event. An
 * event is complete when a later piece, a time-out or the end says so.
 */
export class Joiner<Place> {
  /** Complete events that the source has not taken yet. */
  readonly ready: Joined<Place>[] = [];
  /** At most one event of a stream, in the order of their first pieces. */
  private readonly open = new Map<string, Open<Place>>();
  private readonly continued: Set<string>;

  /** @param cut streams whose next piece goes on with a line that was cut */
  constructor(
    private readonly grouping: Grouping | undefined,
    cut: Iterable<string>,
  ) {
    this.continued = new Set(cut);
  }

  /** Streams whose next piece goes on with a line that was cut. */
  get cut(): ReadonlySet<string> {
    return this.continued;
  }

  /** Whether there are events that are not complete. */
  get waits(): boolean {
    return this.open.size > 0;
  }

  /** The events that are not complete. */
  get waiting(): Iterable<Unfinished<Place>> {
    return this.open.values();
  }

  /** Whether a piece of this stream would be joined to something before it. */
  expects(stream: string): boolean {
    return this.open.has(stream) || this.continued.has(stream);
  }

  push(piece: Piece<Place>): void {
    const before = this.open.get(piece.stream);
    if (before && this.belongs(before, piece)) append(before, piece);
    else {
      if (before) this.end(before);
      this.begin(piece);
    }
    const open = this.open.get(piece.stream);
    // Without a grouping a line is complete with its last part.
    if (open && !this.grouping && !open.continues) this.end(open);
  }

  /** Ends the open events that `which` names. */
  flush(which: (event: Unfinished<Place>) => boolean): void {
    for (const open of [...this.open.values()]) if (which(open)) this.end(open);
  }

  private belongs(open: Open<Place>, { bytes }: Piece<Place>): boolean {
    if (open.continues) return open.size + bytes.length <= longLines.bytes;
    const { grouping } = this;
    return (
      grouping !== undefined &&
      open.lines < grouping.maxLines &&
      open.size + 1 + bytes.length <= grouping.maxBytes &&
      !grouping.begins(bytes.toString())
    );
  }

  private begin({ stream, bytes, partial, time, start, end }: Piece<Place>): void {
    const continued = this.continued.delete(stream);
    // An empty line is no event.
    if (bytes.length === 0 && !partial) return;
    const [pieces, lines, size, continues] = [1, 1, bytes.length, partial];
    const open = { stream, time, start, end, pieces, lines, parts: [bytes], size, continued, continues };
    this.open.set(stream, open);
  }

  private end(open: Open<Place>): void {
    const { parts, stream, time, start, end, pieces, continued, continues } = open;
    this.open.delete(stream);
    if (continues) this.continued.add(stream);
    const text = (parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)).toString();
    this.ready.push({ stream, text, time, start, end, pieces, continued, continues });
  }
}

function append<Place>(open: Open<Place>, piece: Piece<Place>): void {
  if (!open.continues) {
    open.parts.push(NEWLINE);
    open.size++;
    open.lines++;
  }
  open.parts.push(piece.bytes);
  open.size += piece.bytes.length;
  open.pieces++;
  open.end = piece.end;
  open.continues = piece.partial;
}
