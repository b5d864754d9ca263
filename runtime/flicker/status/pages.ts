import type { Clock } from '../../core/clock';
import type { Page } from '../../core/server';
import { statusPage } from './page';
import { Rates } from './rates';
import { statusOf, type StatusInputs } from './status';

const SAMPLE_EVERY_MS = 5000;

/** The status page and its JSON. */
export interface StatusPages {
  readonly pages: Readonly<Record<string, () => Page>>;
  stop(): void;
}

/** @param inputs how the instance stands now */
export function statusPages(inputs: () => StatusInputs, clock: Clock): StatusPages {
  const rates = new Rates();
  const stopped = new AbortController();
  const sample = () => {
    const { members, metrics } = inputs();
    const totals = members.map(({ name }) => [name, metrics.eventsDelivered.of({ source: name })] as const);
    rates.add(clock.monotonic(), new Map(totals));
  };
  const keepSampling = async () => {
    for (;;) {
      sample();
      await clock.sleep(SAMPLE_EVERY_MS, stopped.signal);
    }
  };
  keepSampling().catch((error: unknown) => {
    if (!stopped.signal.aborted) throw error;
  });
  return {
    pages: {
      '/': () => statusPage,
      '/status.json': () => ({
        type: 'application/json; charset=utf-8',
        text: JSON.stringify(
          statusOf(inputs(), clock.now(), (source, total) => rates.perSecond(source, clock.monotonic(), total)),
        ),
      }),
    },
    stop: () => stopped.abort(),
  };
}
