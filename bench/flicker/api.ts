import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startOkta, type OktaEvent } from '../../dev/vendors/okta';
import { cpuSeconds, launch, memory, received, settled, type Sink } from './process';
import { flickerCommand } from './subjects';

export interface ApiShipping {
  readonly eventsPerSecond: number;
  readonly eventsPerCpuSecond: number;
  readonly peak: number;
}

const PAGE = 1000;

/** Follows the `next` links of an audit API over `events` events, pages of 1000, until the sink has all of them. */
export async function shipApi(events: number, sink: Sink, folder: string): Promise<ApiShipping> {
  mkdirSync(folder, { recursive: true });
  const okta = await startOkta({ limitPerWindow: 1_000_000, emptyPages: 0 });
  const running = await launch(
    flickerCommand({
      config: {
        destination: { type: 'http', endpoint: sink.url },
        api_sources: [
          {
            name: 'okta',
            endpoint: okta.url,
            headers: { Authorization: 'SSWS bench' },
            results_field: '',
            timestamp_field: 'published',
            id_field: 'uuid',
            start_from: 'beginning',
            pagination: { pagination_type: 'link', limit_param: 'limit', page_size: PAGE },
            polling_frequency_ms: 200,
          },
        ],
      },
      registryFile: join(folder, 'registry.json'),
    }),
  );
  try {
    await settled(running);
    await sink.reset();
    const cpu = cpuSeconds(running.pid);
    okta.append(Array.from({ length: events }, (_, n) => oktaEvent(n)));
    const started = performance.now();
    await received(sink, events, running);
    const seconds = (performance.now() - started) / 1000;
    return {
      eventsPerSecond: events / seconds,
      eventsPerCpuSecond: events / (cpuSeconds(running.pid) - cpu),
      peak: memory(running.pid).peak,
    };
  } finally {
    await running.stop();
    await okta.stop();
  }
}

function oktaEvent(n: number): OktaEvent {
  return {
    uuid: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    published: new Date(Date.now() + n).toISOString(),
    eventType: 'user.session.start',
    displayMessage: '~event User login to Okta',
    severity: 'INFO',
    actor: { id: `user${n % 100}`, type: 'User', alternateId: `user${n % 100}@example.com` },
    outcome: { result: 'SUCCESS' },
  };
}
