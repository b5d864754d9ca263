import type { Destination } from '../destination';
import type { DestinationEntry, FlickerState } from '../state';

/** A destination of one source. */
export interface OutletSettings {
  /** Its name within the source. */
  readonly name: string;
  readonly destination: Destination;
  /** How long it may take for a batch before the batch is spilled; undefined: the source waits. */
  readonly spillAfterMs: number | undefined;
}

/** What an outlet shows of itself. */
export interface OutletStatus {
  readonly name: string;
  /** Which destination it is, for people. */
  readonly label: string;
  /** False: what it does not take in time is spilled. */
  readonly waitedFor: boolean;
  /** Why the last attempt failed; empty after a good one. */
  problem: string;
  /** It failed so often, or in such a way, that it is tried at long intervals. */
  paused: boolean;
  /** Attempts that failed, since the start. */
  retries: number;
  /** Events that it accepted, since the start. */
  delivered: number;
  /** When it last accepted something: wall clock, milliseconds. */
  lastDelivery: number | undefined;
  /** Events that it has and the position of the source does not cover: others have not taken them yet. */
  ahead: number;
}

/** One destination of one source while the source runs. */
export class Outlet {
  readonly name: string;
  readonly destination: Destination;
  readonly spillAfterMs: number | undefined;
  readonly status: OutletStatus;
  /** Ids, hashed, of events that it had before the start or that are spilled for it: not to be taken from the source again. */
  known = new Set<string>();
  /** Those in the objects that a numbered one has beyond what is saved: not to be taken from what is spilled, either. */
  readonly written = new Set<string>();
  /** Number of its next object, when it is numbered. */
  next = 1;

  constructor(settings: OutletSettings) {
    this.name = settings.name;
    this.destination = settings.destination;
    this.spillAfterMs = settings.spillAfterMs;
    this.status = {
      name: settings.name,
      label: settings.destination.label,
      waitedFor: settings.spillAfterMs === undefined,
      problem: '',
      paused: false,
      retries: 0,
      delivered: 0,
      lastDelivery: undefined,
      ahead: 0,
    };
  }

  get numbered(): boolean {
    return this.destination.recover !== undefined;
  }
}

/** What the state holds of a destination of a source. */
export function outletEntry(state: FlickerState, source: string, name: string): DestinationEntry | undefined {
  return state.sources[source]?.destinations?.[name];
}

/** Changes that; what becomes undefined is removed. */
export function changeOutlet(
  state: FlickerState,
  source: string,
  name: string,
  change: Partial<DestinationEntry>,
): void {
  const entry = state.sources[source];
  if (!entry) return;
  const merged = { ...entry.destinations?.[name], ...change };
  const kept = Object.entries(merged).filter(([, value]) => value !== undefined);
  const others = Object.entries(entry.destinations ?? {}).filter(([other]) => other !== name);
  const all = kept.length > 0 ? [...others, [name, Object.fromEntries(kept)] as const] : others;
  if (all.length > 0) entry.destinations = Object.fromEntries(all);
  else delete entry.destinations;
}

/** Events that a destination refused for good, to be counted when the state tells that it has them. */
export class Refused {
  private events = 0;
  private last = '';

  add(events: number, place: string): void {
    this.events += events;
    this.last = place;
  }

  /** Counts them in the state, once. */
  write(state: FlickerState, source: string, name: string): void {
    if (this.events === 0) return;
    const before = outletEntry(state, source, name)?.deadLetters?.events ?? 0;
    changeOutlet(state, source, name, { deadLetters: { events: before + this.events, last: this.last } });
    this.events = 0;
  }
}
