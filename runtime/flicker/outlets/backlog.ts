import { flickerEvents } from '../../../contract/flicker';
import { errorText } from '../../core/errors';
import { readRecords, type Records } from '../batch';
import { spillKey, type SpillStore } from '../delivery/spill-store';
import { deliver, untilDone, type Attempt, type DeliveryContext } from '../delivery';
import type { SpillEntry } from '../state';
import type { WorkerContext } from '../worker-context';
import { decodeIds, encodeIds, idsOf, without } from './ids';
import { changeOutlet, outletEntry, Refused, type Outlet } from './outlet';

/** Batches that are spilled for one destination before its source waits after all: the registry lists them. */
export const MAX_SPILLED = 5000;
/** With no more than these left, a batch waits for its turn rather than being spilled itself. */
const NEARLY_DONE = 2;
/** How often an empty list is looked at: it also grows by what vanished nodes have spilled. */
const LOOK_MS = 60_000;

/** The batches of one source that one destination did not take in time, and their way there. */
export class Backlog {
  /** The last attempt failed. */
  private failing = false;
  private finishing = false;
  /** What has ended the sending: who waits for what is listed would wait for ever. */
  private broken: { readonly error: unknown } | undefined;
  private listeners: (() => void)[] = [];

  constructor(
    private readonly context: WorkerContext,
    private readonly outlet: Outlet,
    private readonly store: SpillStore,
    private readonly attempts: (outlet: Outlet, signal: AbortSignal) => DeliveryContext,
  ) {}

  private entries(): SpillEntry[] {
    const { state, name } = this.context;
    return (state.spill ?? []).filter(({ source, destination }) => source === name && destination === this.outlet.name);
  }

  /** True when there is nothing that must be sent before; false when a batch should be spilled. */
  async ready(withinMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.context;
    const until = clock.monotonic() + withinMs;
    for (let left = this.entries().length; left > 0; left = this.entries().length) {
      const remaining = until - clock.monotonic();
      if (this.failing || left > NEARLY_DONE || remaining <= 0) return false;
      await this.changed(remaining, signal);
    }
    return true;
  }

  get empty(): boolean {
    return this.entries().length === 0;
  }

  /** No more batches can be listed. */
  get full(): boolean {
    return this.entries().length >= MAX_SPILLED;
  }

  /** Resolves when everything that was spilled is sent. @throws the signal's reason, or what has ended the sending */
  async emptied(signal: AbortSignal): Promise<void> {
    while (!this.empty) await this.changed(undefined, signal);
  }

  /** Resolves when one more batch can be listed. @throws the signal's reason, or what has ended the sending */
  async room(signal: AbortSignal): Promise<void> {
    while (this.full) await this.changed(undefined, signal);
  }

  /** Keeps records beside the registry. The entry is to be listed in the same save that moves the position. */
  async keep(records: readonly Records[], signal: AbortSignal, attempts: DeliveryContext): Promise<SpillEntry> {
    const { name, series, state } = this.context;
    const lines = Buffer.concat(records.map((part) => part.body('lines')));
    const number = (outletEntry(state, name, this.outlet.name)?.spilled ?? 0) + 1;
    const key = spillKey(series, this.outlet.name, number, lines);
    const context = { ...attempts, source: name, destination: 'the spill' };
    await untilDone(context, async () => {
      try {
        return { done: await this.store.put(key, lines, signal) };
      } catch (error) {
        signal.throwIfAborted();
        return { failed: `a batch cannot be spilled: ${errorText(error)}`, blocked: false };
      }
    });
    const events = records.reduce((sum, { count }) => sum + count, 0);
    return { source: name, destination: this.outlet.name, key, events, bytes: lines.length };
  }

  /** Lists a batch that is kept. */
  list(entry: SpillEntry): void {
    const { state, name, log } = this.context;
    (state.spill ??= []).push(entry);
    changeOutlet(state, name, this.outlet.name, {
      spilled: (outletEntry(state, name, this.outlet.name)?.spilled ?? 0) + 1,
    });
    const fields = { source: name, destination: this.outlet.destination.label, events: entry.events };
    log.warn(flickerEvents.spilled, `${entry.events} events of ${name} wait beside the registry`, fields);
    this.notify();
  }

  /** Sends what is listed, in order, until it is told to stop, or to finish and there is nothing more. */
  async drain(stop: AbortSignal, abort: AbortSignal): Promise<void> {
    this.broken = undefined;
    try {
      while (!stop.aborted) {
        const [entry] = this.entries();
        if (entry) await this.send(entry, stop, abort);
        else if (this.finishing) return;
        else await this.changed(LOOK_MS, stop);
      }
    } catch (error) {
      if (!stop.aborted) this.broken = { error };
      this.notify();
      throw error;
    }
  }

  /** Nothing more will be spilled. */
  finish(): void {
    this.finishing = true;
    this.notify();
  }

  private async send(entry: SpillEntry, stop: AbortSignal, abort: AbortSignal): Promise<void> {
    const { context, outlet, store } = this;
    const { name, state, commits, log, clock } = context;
    const shared = this.attempts(outlet, abort);
    let note = () => {};
    const attempts: DeliveryContext = {
      ...shared,
      onFailed: (reason) => {
        shared.onFailed?.(reason);
        note();
        this.failing = true;
        this.notify();
      },
      // A stop ends it between two attempts, never within one.
      wait: (ms) => clock.sleep(ms, stop),
    };
    const step = <T>(what: string, run: () => Promise<T>): Promise<T> =>
      untilDone({ ...attempts, source: name, destination: 'the spill' }, async (): Promise<Attempt<T>> => {
        try {
          return { done: await run() };
        } catch (error) {
          abort.throwIfAborted();
          return { failed: `a spilled batch cannot be ${what}: ${errorText(error)}`, blocked: false };
        }
      });

    const lines = await step('read', () => store.get(entry.key, abort));
    if (lines) {
      const kept = readRecords(lines);
      const has = new Set([...outlet.written, ...decodeIds(entry.sent)]);
      const records = has.size > 0 ? without(kept, has) : kept;
      const shipment = { source: name, records, number: outlet.next, after: {} };
      const refused = new Refused();
      const onStart = (left: () => readonly Records[]) => {
        // What was taken in part is not sent again after a stop.
        note = () => this.noteSent(entry, kept, left(), refused);
      };
      const onDeadLetters = (events: number, place: string) => refused.add(events, place);
      const outcome = await deliver(shipment, { ...attempts, onStart, onDeadLetters });
      note = () => {};
      if (outcome.kind === 'superseded') throw new Error(`another writer has written an object of ${name}`);
      if (outlet.numbered && records.count > 0) outlet.next++;
      refused.write(state, name, outlet.name);
      // A batch that is gone after a kill tells nothing of them.
      if (outcome.deadLettered > 0) await commits.commit(abort);
      await step('removed', () => store.remove(entry.key, abort));
    } else {
      // It was sent and removed before a kill.
      log.info(flickerEvents.spillDrained, `a spilled batch of ${name} is gone: it was sent before`, {
        source: name,
        destination: outlet.destination.label,
      });
    }
    // Never without the list: the registry keeps what a state does not name.
    state.spill = (state.spill ?? []).filter((other) => other !== entry);
    if (outlet.numbered) changeOutlet(state, name, outlet.name, { batchNo: outlet.next });
    commits.acknowledged(0);
    this.failing = false;
    if (lines && this.entries().length === 0) {
      log.info(flickerEvents.spillDrained, `all spilled batches of ${name} are sent`, {
        source: name,
        destination: outlet.destination.label,
      });
    }
    this.notify();
  }

  private noteSent(entry: SpillEntry, kept: Records, left: readonly Records[], refused: Refused): void {
    if (left.reduce((sum, { count }) => sum + count, 0) === kept.count) return;
    const waiting = new Set(left.flatMap(idsOf));
    const sent = encodeIds(idsOf(kept).flatMap((id) => (id === undefined || waiting.has(id) ? [] : [id])));
    if (sent === (entry.sent ?? '')) return;
    entry.sent = sent;
    refused.write(this.context.state, this.context.name, this.outlet.name);
    this.context.commits.acknowledged(0);
  }

  private notify(): void {
    const { listeners } = this;
    this.listeners = [];
    for (const listener of listeners) listener();
  }

  /** Resolves at the next change, or after `ms`. @throws the signal's reason */
  private async changed(ms: number | undefined, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.broken) throw this.broken.error;
    const over = new AbortController();
    await new Promise<void>((resolve, reject) => {
      const abort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true, signal: over.signal });
      this.listeners.push(resolve);
      if (ms !== undefined) void this.context.clock.sleep(ms, over.signal).then(resolve, () => {});
    }).finally(() => over.abort());
  }
}
