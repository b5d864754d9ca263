import { flickerEvents } from '../../../contract/flicker';
import type { Batch, Records } from '../batch';
import { deliver, recover, recovered, type DeliveryContext } from '../delivery';
import { applyChange, type SpillEntry, type StateChange } from '../state';
import type { WorkerContext, WorkerStatus } from '../worker-context';
import { Backlog } from './backlog';
import { Flight, type Progress } from './flight';
import { decodeIds, encodeIds, idsOf, without } from './ids';
import { changeOutlet, Outlet, outletEntry, Refused } from './outlet';

/** Another writer has written the number that this source was about to write. */
export class Superseded extends Error {
  constructor(readonly after: StateChange) {
    super('another writer has written this object');
  }
}

/** The time of a destination is up: the batch is spilled. */
class GivenUp extends Error {}

/** One batch on its way to one destination. */
interface Run {
  readonly outlet: Outlet;
  /** Events of it that the destination did not have before. */
  fresh: number;
  /** What is neither accepted, nor kept as dead letters, nor spilled, in order. */
  left: () => readonly Records[];
  /** Not yet written into the state. */
  readonly refused: Refused;
  spilled: SpillEntry | undefined;
  wasSpilled: boolean;
}

/**
 * The way of a source's batches to its destinations. A batch is settled when every destination has it, or it is kept as
 * dead letters, or it is spilled for that destination; then the position moves, and not before. What some destinations
 * have and others do not is noted in the state, so that a restart repeats nothing to those that are ahead.
 */
export class FanOut {
  private readonly outlets: readonly Outlet[];
  private readonly backlogs = new Map<Outlet, Backlog>();
  /** The position of the source is that of its one destination. */
  private readonly alone: boolean;
  private stopDraining = new AbortController();
  private draining: Promise<unknown> = Promise.resolve();

  /** @throws Error when batches are to be spilled and there is no place for them */
  constructor(
    private readonly context: WorkerContext,
    private readonly status: WorkerStatus,
  ) {
    this.outlets = context.outlets.map((settings) => new Outlet(settings));
    status.destinations = this.outlets.map((outlet) => outlet.status);
    const waiting = (context.state.spill ?? []).filter(({ source }) => source === context.name);
    for (const outlet of this.outlets) {
      // What was spilled when the config allowed it is sent, too.
      const listed = waiting.some(({ destination }) => destination === outlet.name);
      if (outlet.spillAfterMs === undefined && !listed) continue;
      if (!context.spill) throw new Error(`there is no place for spilled batches of ${context.name}`);
      const attempts = (to: Outlet, signal: AbortSignal) => this.attempts(to, signal);
      this.backlogs.set(outlet, new Backlog(context, outlet, context.spill, attempts));
    }
    this.alone = this.outlets.length === 1 && this.backlogs.size === 0;
    const gone = waiting.find(({ destination }) => !this.outlets.some(({ name }) => name === destination));
    if (gone) {
      context.log.error(
        flickerEvents.spilled,
        `spilled batches of ${context.name} wait for ${gone.destination}, which the config does not name any more`,
        { source: context.name, destination: gone.destination },
      );
    }
  }

  /** Takes up what the destinations have beyond what is saved. `newEntry` makes the state's entry of the source. */
  async open(newEntry: () => void, signal: AbortSignal): Promise<void> {
    const { state, name, commits } = this.context;
    const entry = state.sources[name];
    for (const outlet of this.outlets) {
      const saved = outletEntry(state, name, outlet.name);
      outlet.next = saved?.batchNo ?? entry?.batchNo ?? 1;
      outlet.known = decodeIds(saved?.ahead);
      outlet.status.ahead = outlet.known.size;
      if (!outlet.numbered) continue;
      const context = this.attempts(outlet, signal);
      if (this.alone || !entry) {
        const changes = await recover(name, outlet.next, context);
        outlet.next += changes.length;
        if (!this.alone || changes.length === 0) continue;
        if (!entry) newEntry();
        for (const change of changes) this.move(change);
        await commits.commit(signal);
      } else await this.readBack(outlet, context);
    }
  }

  /** Applies what another writer's object says. */
  move(after: StateChange): void {
    const { state, name, commits } = this.context;
    applyChange(state, name, after);
    this.number();
    commits.acknowledged(0);
  }

  /** What was superseded by another writer's object, which the save before has shown to be no new owner's. */
  async superseded({ after }: Superseded, signal: AbortSignal): Promise<void> {
    const [only] = this.outlets;
    if (!this.alone || !only) return this.open(() => {}, signal);
    only.next++;
    this.move(after);
  }

  /** Delivers a batch to every destination and moves the position. @throws Superseded, and what ends a delivery */
  async deliver(batch: Batch, abort: AbortSignal): Promise<void> {
    const { records, after } = batch;
    const runs = this.outlets.map((outlet): Run => {
      return {
        outlet,
        fresh: records.count,
        left: () => [records],
        refused: new Refused(),
        spilled: undefined,
        wasSpilled: false,
      };
    });
    const ids = lazily(() => idsOf(records));
    const flight = new Flight(this.context.commits, records.count, runs.length, () => this.note(runs, ids));
    await flight.take(abort);
    const stop = new AbortController();
    const onAbort = () => stop.abort(abort.reason);
    abort.addEventListener('abort', onAbort, { once: true });
    if (abort.aborted) onAbort();
    try {
      // The first that fails ends the others; nobody is left behind.
      const fail = (error: unknown) => {
        stop.abort(error);
        throw error;
      };
      const results = await Promise.allSettled(
        runs.map((run) => this.send(run, batch, flight, stop.signal).catch(fail)),
      );
      if (results.some(({ status }) => status === 'rejected')) throw stop.signal.reason;
      this.settle(runs, after, ids);
      flight.settle();
      // The one destination of a source tells itself when it has read the last of them.
      if (!this.alone) records.release();
    } catch (error) {
      flight.abandon();
      throw error;
    } finally {
      abort.removeEventListener('abort', onAbort);
    }
  }

  /** Everything that there is now was read and settled: nothing more will come that a destination has already. */
  caughtUp(): void {
    const { state, name, commits } = this.context;
    const ahead = this.outlets.filter(({ known }) => known.size > 0);
    if (ahead.length === 0) return;
    for (const outlet of ahead) {
      outlet.known.clear();
      outlet.status.ahead = 0;
      changeOutlet(state, name, outlet.name, { ahead: undefined });
    }
    this.number();
    commits.acknowledged(0);
  }

  /** Starts to send what is spilled. `failed` is told what nobody expected. */
  startDraining(stop: AbortSignal, abort: AbortSignal, failed: (error: unknown) => void): void {
    this.stopDraining = new AbortController();
    const end = this.stopDraining;
    const onStop = () => end.abort(stop.reason);
    stop.addEventListener('abort', onStop, { once: true, signal: end.signal });
    if (stop.aborted) onStop();
    this.draining = Promise.all(
      [...this.backlogs.values()].map((backlog) =>
        backlog.drain(end.signal, abort).catch((error: unknown) => {
          if (!end.signal.aborted) failed(error);
        }),
      ),
    );
  }

  /** Ends that; with `finish` not before everything is sent. */
  async endDraining(finish: boolean): Promise<void> {
    const end = () => this.stopDraining.abort(new Error('the source has ended'));
    if (finish) for (const backlog of this.backlogs.values()) backlog.finish();
    else end();
    await this.draining;
    end();
  }

  private async send(run: Run, batch: Batch, flight: Flight, signal: AbortSignal): Promise<void> {
    const { outlet } = run;
    const records = this.alone && outlet.known.size === 0 ? batch.records : this.fresh(outlet, batch.records);
    run.left = () => [records];
    run.fresh = records.count;
    if (records.count > 0) {
      const backlog = this.backlogs.get(outlet);
      if (backlog && outlet.spillAfterMs !== undefined) {
        await this.sendOrSpill(run, records, backlog, outlet.spillAfterMs, batch, flight, signal);
      } else {
        if (backlog && !backlog.empty) await flight.pause(() => backlog.emptied(signal), signal);
        await this.sendNow(run, records, batch, flight, signal);
      }
    }
    run.left = () => [];
    flight.finished();
  }

  private async sendOrSpill(
    run: Run,
    records: Records,
    backlog: Backlog,
    withinMs: number,
    batch: Batch,
    flight: Flight,
    signal: AbortSignal,
  ): Promise<void> {
    const until = this.context.clock.monotonic() + withinMs;
    let sent = false;
    if (await backlog.ready(withinMs, signal)) {
      try {
        await this.sendNow(run, records, batch, flight, signal, until);
        sent = true;
      } catch (error) {
        if (!(error instanceof GivenUp)) throw error;
      }
    }
    if (sent) return;
    if (backlog.full) await flight.pause(() => backlog.room(signal), signal);
    const attempts = this.attempts(run.outlet, signal, (sleep) => flight.pause(sleep, signal));
    run.spilled = await backlog.keep(run.left(), signal, attempts);
    run.wasSpilled = true;
  }

  private async sendNow(
    run: Run,
    records: Records,
    batch: Batch,
    flight: Flight,
    signal: AbortSignal,
    until = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    const { clock, name } = this.context;
    const { outlet } = run;
    const outcome = await deliver(
      { source: name, records, number: outlet.next, after: batch.after },
      {
        ...this.attempts(outlet, signal, (sleep) => flight.pause(sleep, signal), until),
        onStart: (left) => (run.left = left),
        onDeadLetters: (events, place) => run.refused.add(events, place),
      },
    );
    if (outcome.kind === 'superseded') throw new Superseded(outcome.after);
    if (outlet.numbered) outlet.next++;
    outlet.status.problem = '';
    outlet.status.delivered += outcome.delivered;
    outlet.status.lastDelivery = clock.now();
  }

  /** How a destination is tried again and again. `pause` surrounds each wait. */
  private attempts(
    outlet: Outlet,
    signal: AbortSignal,
    pause: (sleep: () => Promise<void>) => Promise<void> = (sleep) => sleep(),
    until = Number.POSITIVE_INFINITY,
  ): DeliveryContext {
    const { clock, commits, deadLetters, retry, log, metrics, name, once } = this.context;
    const { status, destination } = outlet;
    return {
      destination,
      destinationName: outlet.name,
      deadLetters,
      retry,
      log,
      metrics,
      signal,
      clock,
      spills: outlet.spillAfterMs !== undefined,
      onPaused: (reason) => {
        // What is spilled in a while has not failed.
        if (until !== Number.POSITIVE_INFINITY) return;
        this.status.failed = true;
        if (once) throw new Error(`could not be delivered: ${reason}`);
      },
      onFailed: (reason) => {
        status.problem = reason;
        status.retries++;
      },
      showPaused: (paused) => {
        status.paused = paused;
        const waits = this.outlets.some((one) => one.status.paused && one.status.waitedFor);
        metrics.sourcePaused.set({ source: name }, waits ? 1 : 0);
      },
      wait: (ms) =>
        pause(async () => {
          const remaining = until - clock.monotonic();
          if (remaining > 0) await clock.sleep(Math.min(ms, remaining), signal);
          // Without a lease it must not be tried again.
          commits.check();
          if (remaining <= ms) throw new GivenUp();
        }),
    };
  }

  /** What a destination has not had before. Destinations that are not alone get a copy each: they write in it. */
  private fresh(outlet: Outlet, records: Records): Records {
    return outlet.known.size === 0 ? records.slice(0, records.count) : without(records, outlet.known);
  }

  /** Writes into the state who has what of a batch under way. */
  private note(runs: readonly Run[], ids: () => readonly (string | undefined)[]): Progress {
    const { state, name } = this.context;
    const progressed = runs.filter(({ left, fresh }) => count(left()) < fresh);
    if (progressed.length === 0) return 'nothing';
    if (ids().includes(undefined)) return 'unknown';
    for (const run of progressed) {
      const { outlet } = run;
      this.write(run);
      const left = new Set(run.left().flatMap(idsOf));
      const has = ids().flatMap((id) => (id === undefined || left.has(id) ? [] : [id]));
      const ahead = new Set([...outlet.known, ...has]);
      outlet.status.ahead = ahead.size;
      // The objects of a numbered destination tell themselves what it has.
      if (!outlet.numbered || run.wasSpilled) changeOutlet(state, name, outlet.name, { ahead: encodeIds(ahead) });
    }
    return 'noted';
  }

  /** The position moves in the same turn of the event loop as the count of unsaved events: a save sees both or none. */
  private settle(runs: readonly Run[], after: StateChange, ids: () => readonly (string | undefined)[]): void {
    const { state, name } = this.context;
    applyChange(state, name, after);
    for (const run of runs) {
      const { outlet } = run;
      this.write(run);
      if (outlet.known.size > 0) for (const id of ids()) if (id !== undefined) outlet.known.delete(id);
      outlet.status.ahead = outlet.known.size;
      const ahead = outlet.known.size > 0 ? encodeIds(outlet.known) : undefined;
      if (outletEntry(state, name, outlet.name)?.ahead !== ahead) changeOutlet(state, name, outlet.name, { ahead });
    }
    this.number();
  }

  /** What became of a batch at one destination, written once. */
  private write(run: Run): void {
    const { state, name } = this.context;
    const { outlet, refused, spilled } = run;
    refused.write(state, name, outlet.name);
    if (spilled) this.backlogs.get(outlet)?.list(spilled);
    run.spilled = undefined;
  }

  /** The next numbers of numbered destinations. */
  private number(): void {
    const { state, name } = this.context;
    const entry = state.sources[name];
    for (const outlet of this.outlets) {
      if (!outlet.numbered || !entry) continue;
      if (this.alone) {
        entry.batchNo = outlet.next;
        if (outletEntry(state, name, outlet.name)?.batchNo)
          changeOutlet(state, name, outlet.name, { batchNo: undefined });
      } else changeOutlet(state, name, outlet.name, { batchNo: outlet.next });
    }
  }

  /** What a numbered destination has beyond what is saved: the ids in its objects. */
  private async readBack(outlet: Outlet, context: DeliveryContext): Promise<void> {
    const { name } = this.context;
    const { destination, signal } = context;
    for (;;) {
      const records = await recovered(name, context, async () => destination.read?.(name, outlet.next, signal));
      if (!records) break;
      for (const id of idsOf(records)) {
        if (id === undefined) continue;
        outlet.known.add(id);
        outlet.written.add(id);
      }
      outlet.next++;
    }
    outlet.status.ahead = outlet.known.size;
  }
}

const count = (records: readonly Records[]): number => records.reduce((sum, part) => sum + part.count, 0);

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
