import { flickerEvents } from '../../contract/flicker';
import { Stopping } from '../core/lifecycle';
import { BatchBuilder, type Batch } from './batch';
import { FanOut, Superseded } from './outlets/fan-out';
import { SourceError, type Source } from './source';
import { applyChange } from './state';
import type { WorkerContext, WorkerSignals, WorkerStatus } from './worker-context';

/** Longest time that one turn of the loop may take before the source counts as stuck. */
const TURN_MS = 300_000;
/** Shortest wait after a poll that failed. */
const LEAST_RETRY_MS = 1000;

/**
 * Reads one source and delivers its events until it is told to stop. While one batch is under way the next is read;
 * when the destination is down nothing more is read.
 */
export async function runWorker(context: WorkerContext, signals: WorkerSignals, status: WorkerStatus): Promise<void> {
  status.movesBy = Number.POSITIVE_INFINITY;
  const fanOut = new FanOut(context, status);
  await fanOut.open(() => newEntry(context), signals.abort);
  for (;;) {
    const source = context.createSource();
    try {
      await start(context, source, signals.drain, status);
      await readAndSend(context, source, fanOut, signals, status);
      return;
    } catch (error) {
      if (!(error instanceof Superseded)) {
        if (signals.drain.aborted && error === signals.drain.reason) return;
        throw error;
      }
      // A new owner of the registry has fenced this instance when this save finds it; else the object is our own.
      await context.commits.commit(signals.abort);
      await fanOut.superseded(error, signals.abort);
    } finally {
      status.movesBy = Number.POSITIVE_INFINITY;
      await source.close();
    }
  }
}

async function start(context: WorkerContext, source: Source, signal: AbortSignal, status: WorkerStatus): Promise<void> {
  status.movesBy = context.clock.monotonic() + TURN_MS;
  const change = await source.start(context.state, signal);
  status.movesBy = Number.POSITIVE_INFINITY;
  const first = !context.state.sources[context.name];
  if (first) newEntry(context);
  applyChange(context.state, context.name, change);
  if (first || Object.keys(change).length > 0) {
    context.commits.acknowledged(0);
    await context.commits.commit(signal);
  }
  context.log.info(
    flickerEvents.sourceStarted,
    first ? 'source started for the first time' : 'source resumed its position',
    {
      source: context.name,
    },
  );
}

function newEntry({ state, name, kind, clock }: WorkerContext): void {
  state.sources[name] = { kind, startedAt: new Date(clock.now()).toISOString(), batchNo: 1, position: {} };
}

async function readAndSend(
  context: WorkerContext,
  source: Source,
  fanOut: FanOut,
  { drain, abort }: WorkerSignals,
  status: WorkerStatus,
): Promise<void> {
  const { settings, clock, once } = context;
  const builder = new BatchBuilder(settings.batch_max_events, settings.batch_max_bytes);
  let sending: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;
  let filledSince = clock.monotonic();
  let pollAt = 0;
  const sent = async () => {
    status.movesBy = Number.POSITIVE_INFINITY;
    await sending;
    if (failure) throw failure.error;
  };
  const send = async () => {
    await sent();
    const batch = builder.take();
    const shipped = ship(context, fanOut, batch, abort)
      .catch((error: unknown) => {
        failure = { error };
      })
      .finally(() => {
        if (sending === shipped) sending = undefined;
      });
    sending = shipped;
  };

  fanOut.startDraining(drain, abort, (error) => {
    failure ??= { error };
  });
  let finish = false;
  try {
    while (!drain.aborted) {
      status.movesBy = clock.monotonic() + TURN_MS;
      if (failure) throw failure.error;
      // A process that was paused for long finds out here that it holds no lease any more.
      context.commits.check();
      if (!builder.dirty) filledSince = clock.monotonic();
      // A turn that is there only to send must not poll an API before its time.
      const early = pollAt - clock.monotonic();
      const read = early > 0 ? idleFor(early) : await fill(context, source, builder, drain, status);
      if (read.kind === 'idle') pollAt = clock.monotonic() + read.waitMs;
      const waited = clock.monotonic() - filledSince;
      const due =
        builder.dirty &&
        (builder.full ||
          builder.count >= settings.buffer_size ||
          waited >= settings.flush_interval_ms ||
          once ||
          (read.kind === 'idle' && read.refused));
      // While a batch is under way and more can be read, a larger next batch beats a sooner one.
      if (due && (builder.full || !sending || read.kind === 'idle')) await send();
      if (read.kind === 'more') continue;
      if (read.caughtUp && !builder.dirty && !sending) fanOut.caughtUp();
      if (once) break;
      const wait = builder.dirty
        ? Math.min(read.waitMs, Math.max(0, settings.flush_interval_ms - waited))
        : read.waitMs;
      status.movesBy = clock.monotonic() + wait + TURN_MS;
      await clock.sleep(Math.max(wait, 1), drain).catch(rethrowUnless(drain));
    }
    if (builder.dirty) await send();
    await sent();
    finish = once;
  } finally {
    status.movesBy = Number.POSITIVE_INFINITY;
    await sending;
    await fanOut.endDraining(finish);
  }
  if (failure) throw failure.error;
}

type Read =
  | { readonly kind: 'more' }
  /**
   * `caughtUp`: everything that is there was read. `refused`: it could not be read; how long to wait belongs in the next
   * save, so that a successor waits as well.
   */
  | { readonly kind: 'idle'; readonly waitMs: number; readonly caughtUp: boolean; readonly refused: boolean };

const idleFor = (waitMs: number, { caughtUp = false, refused = false } = {}): Read => ({
  kind: 'idle',
  waitMs,
  caughtUp,
  refused,
});

async function fill(
  context: WorkerContext,
  source: Source,
  builder: BatchBuilder,
  drain: AbortSignal,
  status: WorkerStatus,
): Promise<Read> {
  const { settings, metrics, clock, log, name } = context;
  const labels = { source: name };
  try {
    const read = await source.fill(builder, drain);
    metrics.sourceLagBytes.set(labels, source.lag() ?? 0);
    if (status.problem) log.info(flickerEvents.sourceResumed, 'source can be read again', labels);
    status.problem = '';
    if (read === 'more') return { kind: 'more' };
    metrics.sourceLastSuccess.set(labels, clock.now() / 1000);
    return idleFor(settings.polling_frequency_ms, { caughtUp: true });
  } catch (error) {
    if (drain.aborted) return idleFor(0);
    if (!(error instanceof SourceError)) throw error;
    status.failed = true;
    metrics.sourceErrors.inc(labels);
    if (status.problem !== error.message) log.warn(flickerEvents.sourceFailed, error.message, labels);
    status.problem = error.message;
    // "Retry-After: 0", again and again, must not become a storm of requests.
    const least = Math.min(settings.polling_frequency_ms, LEAST_RETRY_MS);
    return idleFor(Math.max(error.retryAfterMs ?? settings.polling_frequency_ms, least), { refused: true });
  }
}

async function ship(context: WorkerContext, fanOut: FanOut, batch: Batch, abort: AbortSignal): Promise<void> {
  const { state, name, commits } = context;
  if (batch.records.count > 0) await fanOut.deliver(batch, abort);
  else {
    applyChange(state, name, batch.after);
    commits.acknowledged(0);
  }
  if (batch.sealed) await commits.commit(abort);
}

function rethrowUnless(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted || !(signal.reason instanceof Stopping)) throw error;
  };
}
