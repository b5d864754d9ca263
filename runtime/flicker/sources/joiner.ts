import { longLines } from '../../../contract/flicker';
import type { Grouping } from '../filters';

/** A line of a stream, or a part of one. Places are compared by the source. */
export interface Piece<Place> {
  readonly stream: string;
  readonly text: string;
  readonly bytes: number;
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

type Open<Place> = { -readonly [Key in keyof Joined<Place>]: Joined<Place>[Key] } & { bytes: number; lines: number };

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
  get waiting(): Iterable<Joined<Place>> {
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
  flush(which: (event: Joined<Place>) => boolean): void {
    for (const open of [...this.open.values()]) if (which(open)) this.end(open);
  }

  private belongs(open: Open<Place>, piece: Piece<Place>): boolean {
    if (open.continues) return open.bytes + piece.bytes <= longLines.bytes;
    const { grouping } = this;
    return (
      grouping !== undefined &&
      open.lines < grouping.maxLines &&
      open.bytes + 1 + piece.bytes <= grouping.maxBytes &&
      !grouping.begins(piece.text)
    );
  }

  private begin({ stream, text, bytes, partial, time, start, end }: Piece<Place>): void {
    const continued = this.continued.delete(stream);
    // An empty line is no event.
    if (text === '' && !partial) return;
    this.open.set(stream, {
      ...{ stream, text, bytes, time, start, end, pieces: 1, lines: 1 },
      ...{ continued, continues: partial },
    });
  }

  private end(open: Open<Place>): void {
    this.open.delete(open.stream);
    if (open.continues) this.continued.add(open.stream);
    this.ready.push(open);
  }
}

function append<Place>(open: Open<Place>, piece: Piece<Place>): void {
  if (!open.continues) {
    open.text += '\n';
    open.bytes++;
    open.lines++;
  }
  open.text += piece.text;
  open.bytes += piece.bytes;
  open.pieces++;
  open.end = piece.end;
  open.continues = piece.partial;
}
