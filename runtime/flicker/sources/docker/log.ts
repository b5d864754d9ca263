import type { BatchBuilder } from '../../batch';
import type { Grouping, Transform } from '../../filters';
import { SourceError, type SourceContext } from '../../source';
import type { ContainerEntry } from '../../state';
import { Joiner, marked, patience, type Joined } from '../joiner';
import type { Container, Engine } from './engine';
import { multiplexed, terminal, type Decoder, type LogEntry } from './frames';
import { createPlaces, isShipped, later, type Place, type StreamPoints } from './place';
import { nanoseconds, normalTime, sinceOf } from './time';

/** The streams of a container have a time each: entries may be logged this much out of order, in seconds. */
const SLACK_S = 1;

export interface Reading {
  readonly container: Container;
  readonly entry: ContainerEntry;
  readonly tty: boolean;
  readonly shaping: { readonly transform: Transform | undefined; readonly grouping: Grouping | undefined };
  readonly context: Pick<SourceContext, 'clock' | 'includeId'>;
}

/** The log of one container from its position to what is there now. */
export class ContainerLog {
  private readonly joiner: Joiner<Place>;
  private readonly decode: Decoder;
  private readonly placeOf = createPlaces();
  private readonly streams: StreamPoints;
  /** Streams of which something new came: what follows is new as well, whatever its time. */
  private readonly passed = new Set<string>();
  private newest: string;
  /** What came and was not joined yet. */
  private entries: LogEntry[] = [];
  private onRead: () => void = () => {};
  private count = { read: 0, filtered: 0 };
  private told: string;

  private constructor(
    private readonly reading: Reading,
    private readonly chunks: AsyncIterator<Buffer>,
    /** When it was asked for: what was written later may be missing. */
    private readonly askedAt: number,
  ) {
    const { entry, tty, shaping } = reading;
    const cut = Object.keys(entry.streams).filter((stream) => entry.streams[stream]?.continued);
    this.joiner = new Joiner(shaping.grouping, cut);
    this.decode = tty ? terminal() : multiplexed();
    this.streams = { ...entry.streams };
    this.newest = entry.ts;
    this.told = JSON.stringify([entry.ts, entry.streams]);
  }

  /** @returns undefined when the container is gone */
  static async open(engine: Engine, reading: Reading, signal: AbortSignal): Promise<ContainerLog | undefined> {
    const askedAt = reading.context.clock.now();
    const chunks = await engine.logs(reading.container.id, sinceOf(reading.entry.ts, SLACK_S), signal);
    return chunks && new ContainerLog(reading, chunks, askedAt);
  }

  get container(): Container {
    return this.reading.container;
  }

  /** To be told when all was read. */
  whenRead(told: () => void): void {
    this.onRead = told;
  }

  /** Adds what there is. @throws SourceError when the daemon ends too soon */
  async read(builder: BatchBuilder): Promise<'refused' | 'end'> {
    for (;;) {
      if (!this.ship(builder)) return 'refused';
      for (let entry = this.entries.shift(); entry; entry = this.entries.shift()) {
        this.push(entry);
        if (!this.ship(builder)) return 'refused';
      }
      const { done, value } = await this.chunks.next();
      if (done) break;
      this.entries = this.decode(value);
    }
    const old = this.askedAt - patience(this.reading.shaping.grouping);
    this.joiner.flush(({ end }) => Date.parse(end.ts) <= old);
    if (!this.ship(builder)) return 'refused';
    if (!this.joiner.waits) this.onRead();
    return 'end';
  }

  /** What was added since this was asked last, and the position after it. */
  take(): {
    readonly read: number;
    readonly filtered: number;
    readonly changed: boolean;
    readonly entry: ContainerEntry;
  } {
    const { count, reading } = this;
    this.count = { read: 0, filtered: 0 };
    const pending = [...this.joiner.ready, ...this.joiner.waiting];
    const ts = pending.reduce((oldest, { start }) => (start.ts < oldest ? start.ts : oldest), this.newest);
    const streams: StreamPoints = {};
    for (const [stream, { ts, sameTsCount }] of Object.entries(this.streams)) {
      const first = pending.find((event) => event.stream === stream);
      const continued = first ? first.continued : this.joiner.cut.has(stream);
      streams[stream] = { ts, sameTsCount, ...(continued && { continued }) };
    }
    const text = JSON.stringify([ts, streams]);
    const changed = text !== this.told;
    this.told = text;
    const seenAt = new Date(reading.context.clock.now()).toISOString();
    return { ...count, changed, entry: { ...reading.entry, name: this.name, ts, streams, seenAt } };
  }

  /** Whether an event was not complete at the end. */
  get waits(): boolean {
    return this.joiner.waits;
  }

  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  private get name(): string {
    return this.container.names[0] ?? this.container.id;
  }

  private push({ stream, time: written, bytes, partial }: LogEntry): void {
    const time = normalTime(written);
    if (time === undefined) throw new SourceError('the Docker daemon sends times that are not RFC 3339');
    const place = this.placeOf(stream, time);
    if (!this.passed.has(stream) && isShipped(this.streams[stream], place)) return;
    this.passed.add(stream);
    this.joiner.push({ stream, bytes, partial, time, start: place, end: place });
    // An empty line is no event: it is passed over.
    if (this.joiner.ready.length === 0 && !this.joiner.expects(stream)) this.pass(stream, place);
  }

  /** @returns whether the builder had room for all */
  private ship(builder: BatchBuilder): boolean {
    const { transform } = this.reading.shaping;
    const { ready } = this.joiner;
    for (let event = ready[0]; event; event = ready[0]) {
      const kept = transform ? transform(event.text) : { line: event.text };
      if (!kept) this.count.filtered++;
      else {
        const line = marked(kept.line, event);
        const attributes = {
          'container.name': this.name,
          'container.id': this.container.id,
          'log.iostream': event.stream,
        };
        const extra = { time: kept.time ?? event.time, attributes, fields: kept.fields };
        const id = this.reading.context.includeId ? this.idOf(event) : undefined;
        if (!builder.addText(`docker://${this.name}`, line, id, extra)) return false;
      }
      this.count.read++;
      this.pass(event.stream, event.end);
      ready.shift();
    }
    return true;
  }

  private pass(stream: string, place: Place): void {
    this.streams[stream] = later(this.streams[stream], place);
    if (place.ts > this.newest) this.newest = place.ts;
  }

  private idOf({ stream, start: { ts, index }, pieces }: Joined<Place>): string {
    const number = `${stream === 'stderr' ? 'e' : ''}${index}${pieces > 1 ? `+${pieces - 1}` : ''}`;
    return `${this.container.id.slice(0, 20)}-${nanoseconds(ts)}-${number}`;
  }
}
