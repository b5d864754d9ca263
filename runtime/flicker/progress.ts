import { flickerEvents, PROGRESS_INTERVAL_MS, progressFields } from '../../contract';
import type { Clock } from '../core/clock';
import type { Logger } from '../core/log';
import type { SaverStats } from '../registry/saver';
import type { FlickerMetrics } from './metrics';

type Counts = Record<keyof typeof progressFields, number>;

/** Writes what was done since the line before, once a minute and when it is stopped. Alarms are made of these lines. */
export function reportProgress(
  { log, metrics, stats }: { log: Logger; metrics: FlickerMetrics; stats: () => SaverStats | undefined },
  clock: Clock,
): { stop(): Promise<void> } {
  const stopped = new AbortController();
  let before = totals(metrics, stats());
  const write = () => {
    const now = totals(metrics, stats());
    log.info(flickerEvents.progress, 'progress', difference(now, before));
    before = now;
  };
  const loop = async () => {
    for (;;) {
      await clock.sleep(PROGRESS_INTERVAL_MS, stopped.signal);
      write();
    }
  };
  const running = loop().catch((error: unknown) => {
    if (!stopped.signal.aborted) throw error;
  });
  return {
    stop: async () => {
      stopped.abort();
      await running;
      write();
    },
  };
}

/** Fields that tell how it stands; the others count and are told as the difference. */
const levels: readonly (keyof Counts)[] = ['unsaved', 'lagBytes', 'pausedSources'];

function totals(metrics: FlickerMetrics, stats: SaverStats | undefined): Counts {
  return {
    read: metrics.eventsRead.total(),
    delivered: metrics.eventsDelivered.total(),
    filtered: metrics.eventsFiltered.total(),
    resent: metrics.eventsResent.total(),
    deadLettered: metrics.eventsDeadLettered.total(),
    bytesDelivered: metrics.bytesDelivered.total(),
    bytesMissed: metrics.bytesMissed.total(),
    saves: stats?.saves ?? 0,
    saveFailures: stats?.failures ?? 0,
    unsaved: stats?.unsavedEvents ?? 0,
    lagBytes: metrics.sourceLagBytes.total(),
    pausedSources: metrics.sourcePaused.total(),
  };
}

function difference(now: Counts, before: Counts): Record<string, number> {
  return Object.fromEntries(
    Object.entries(progressFields).map(([key, field]) => {
      const name = key as keyof Counts;
      return [field, levels.includes(name) ? now[name] : now[name] - before[name]];
    }),
  );
}
