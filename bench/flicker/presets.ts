import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { standIns, type ApiSource } from '../../dev/vendors/stand-ins';
import { show, spread, table } from './figures';
import { cpuSeconds, launch, memory, received, RECORD_MARK, settled, startHelper, type Sink } from './process';
import { flickerCommand } from './subjects';

const EVENTS = 20_000;

/** A vendor's stand-in in a process of its own. */
export interface VendorProcess {
  readonly pid: number;
  readonly source: ApiSource;
  /** Keeps it from answering; what is asked meanwhile is answered once it goes on. */
  pause(): void;
  resume(): void;
  stop(): void;
}

/** Starts a stand-in that has so many events of about so many bytes. */
export async function startVendor(preset: string, events: number, bytes = 0): Promise<VendorProcess> {
  const child = startHelper('vendor.ts', [preset, String(events), String(bytes)]);
  const [source] = (await once(child, 'message')) as [ApiSource];
  return {
    pid: child.pid ?? 0,
    source,
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    stop: () => {
      child.kill('SIGCONT');
      child.disconnect();
    },
  };
}

interface PresetShipping {
  readonly perSecond: number;
  readonly perCpuSecond: number;
  readonly peak: number;
  /** How busy each was, from 0 to 1. */
  readonly busy: number;
  readonly vendorBusy: number;
}

/** Reads everything that a vendor has. The first answer is held back until the start-up is over. */
async function shipPreset(preset: string, events: number, sink: Sink, folder: string): Promise<PresetShipping> {
  mkdirSync(folder, { recursive: true });
  const vendor = await startVendor(preset, events);
  vendor.pause();
  const destination = { type: 'http' as const, endpoint: sink.url };
  const running = await launch(
    flickerCommand({
      config: { destination, api_sources: [vendor.source] },
      registryFile: join(folder, 'registry.json'),
    }),
  );
  try {
    await settled(running);
    await sink.reset(RECORD_MARK);
    const before = { cpu: cpuSeconds(running.pid), vendor: cpuSeconds(vendor.pid), at: performance.now() };
    vendor.resume();
    await received(sink, events, running);
    const seconds = (performance.now() - before.at) / 1000;
    const cpu = cpuSeconds(running.pid) - before.cpu;
    return {
      perSecond: events / seconds,
      perCpuSecond: events / cpu,
      peak: memory(running.pid).peak,
      busy: cpu / seconds,
      vendorBusy: (cpuSeconds(vendor.pid) - before.vendor) / seconds,
    };
  } catch (error) {
    throw new Error(`${preset}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await running.stop();
    vendor.stop();
  }
}

/** Every preset that has a stand-in, from its first page to the last. */
export async function presets(sink: Sink, folder: string, { runs }: { readonly runs: number }): Promise<void> {
  const results = new Map<string, PresetShipping[]>(Object.keys(standIns).map((name) => [name, []]));
  for (let run = 0; run < runs; run++) {
    for (const [name, shippings] of results) {
      shippings.push(await shipPreset(name, EVENTS, sink, join(folder, `${name}-${run}`)));
    }
  }
  console.log(`\n## Presets to HTTP: ${EVENTS} events, median of ${runs} runs (min–max)\n`);
  const rows = [...results].map(([name, shippings]) => {
    const over = (value: (shipping: PresetShipping) => number) => spread(shippings.map(value));
    const percent = (value: (shipping: PresetShipping) => number) => `${show(over((one) => value(one) * 100))} %`;
    return [
      name,
      show(over(({ perSecond }) => perSecond)),
      show(over(({ perCpuSecond }) => perCpuSecond)),
      show(over(({ peak }) => peak)),
      percent(({ busy }) => busy),
      percent(({ vendorBusy }) => vendorBusy),
    ];
  });
  const header = ['', 'events/s', 'events per CPU second', 'peak RSS MiB', 'flicker busy', 'stand-in busy'];
  console.log(table(header, rows));
}
