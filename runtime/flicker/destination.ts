import type { Layout, Records } from './batch';
import type { StateChange } from './state';

/** What one attempt to deliver came to. `reason` is for people: a status or an error, never a payload. */
export type Answer =
  | { readonly kind: 'accepted' }
  /**
   * Settled one by one: `refused` never acceptable as they are, `retry` may succeed later and are sent again alone, all
   * others accepted. Indexes are those of the shipment; none is in both.
   */
  | {
      readonly kind: 'partial';
      readonly refused: readonly Refusal[];
      readonly retry: readonly number[];
      /** Why those of `retry` are sent again; empty when there are none. */
      readonly reason: string;
      readonly retryAfterMs?: number;
      /** The destination may have taken some of `retry`. @default false */
      readonly uncertain?: boolean;
    }
  /** Too large: send it in halves. */
  | { readonly kind: 'too-large'; readonly reason: string }
  /** Never acceptable as it is: to the dead letters. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** May succeed later. `uncertain`: the destination may have taken it, so that trying again may repeat it. */
  | { readonly kind: 'retry'; readonly reason: string; readonly retryAfterMs?: number; readonly uncertain: boolean }
  /** Somebody must change something (credentials, address): pause and try at long intervals. */
  | { readonly kind: 'blocked'; readonly reason: string }
  /** Another writer has written this number: `after` is the state after what it wrote. */
  | { readonly kind: 'superseded'; readonly after: StateChange };

/** One event of a shipment that a destination refused. Few different reasons: each makes a file of dead letters. */
export interface Refusal {
  readonly index: number;
  readonly reason: string;
}

/** Records to deliver in one attempt. */
export interface Shipment {
  readonly source: string;
  readonly records: Records;
  /** What `records` are a part of, when the rest was settled or is sent apart. @default records */
  readonly whole?: Records;
  /** For numbered destinations: the number of this object and the state after it. */
  readonly number: number;
  readonly after: StateChange;
}

/** Objects that cannot be read now. `blocked`: somebody must change something. The message is for people. */
export class RecoverError extends Error {
  override readonly name = 'RecoverError';

  constructor(
    message: string,
    readonly blocked: boolean,
  ) {
    super(message);
  }
}

/** Where events go. One object serves one source, one shipment at a time. */
export interface Destination {
  /** Which one it is, for people: type and place, without path, query or credentials of a URL. */
  readonly label: string;
  readonly layout: Layout;
  /** One attempt. Does not throw for what a destination can answer; an abort rejects with the signal's reason. */
  send(shipment: Shipment, signal: AbortSignal): Promise<Answer>;
  /**
   * Numbered destinations: the state changes of objects `from`, `from + 1` … that were written after the last save.
   * Others have none.
   * @throws RecoverError when they cannot be read now
   */
  recover?(source: string, from: number, signal: AbortSignal): Promise<StateChange[]>;
  /**
   * Numbered destinations: the records of object `number`, undefined when it is not there. For a source whose position
   * is not that of one destination alone.
   * @throws RecoverError when it cannot be read now
   */
  read?(source: string, number: number, signal: AbortSignal): Promise<Records | undefined>;
  close(): Promise<void>;
}

/** Events that a destination refused, as they are kept. */
export interface DeadLetter {
  readonly source: string;
  /** The label of the destination. */
  readonly destination: string;
  /** Its name within the source: two may have one label, and refuse the same events. */
  readonly destinationName: string;
  readonly records: Records;
  readonly reason: string;
  readonly attempts: number;
}

/** Where refused events are kept. */
export interface DeadLetters {
  /** Resolves when they are durable, with their key or path. @throws when they could not be written */
  write(letter: DeadLetter, signal: AbortSignal): Promise<string>;
}
