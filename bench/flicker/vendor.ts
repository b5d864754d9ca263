/**
 * A vendor's stand-in with a log of events, in a process of its own: `vendor.ts <preset> <events> <bytes>`. Tells its parent
 * what a source of flicker needs to read it. `bytes`: about how long an event is; as short as the stand-in's own if that is longer.
 */
import { standIns } from '../../dev/vendors/stand-ins';

/** No stand-in may refuse for its rate limit: what a vendor allows is in the docs, and no figure of a bench. */
const UNLIMITED = { limitPerWindow: 1_000_000 };

/** Events happened from two hours ago to one hour ago: no preset waits any longer before it asks for them. */
const [FROM_MS, TO_MS] = [7_200_000, 3_600_000];

async function main([preset = '', count = '', length = '']: string[]): Promise<void> {
  const start = standIns[preset];
  if (!start) throw new Error(`usage: vendor.ts ${Object.keys(standIns).join('|')} <events> <bytes>`);
  const { vendor, source } = await start(UNLIMITED);
  const [events, bytes] = [Number(count), Number(length)];
  const first = Date.now() - FROM_MS;
  for (let n = 0; n < events; n++) {
    const [event] = vendor.append(1, first + Math.floor((n * (FROM_MS - TO_MS)) / events));
    const missing = bytes - JSON.stringify(event).length - '"filler":"",'.length;
    if (event && missing > 0) Object.assign(event, { filler: 'x'.repeat(missing) });
  }
  const start_from = new Date(first - 1000).toISOString();
  // The last few events are not kept waiting for more.
  process.send?.({ ...source, start_from, max_pages: 1_000_000, flush_interval_ms: 100 });
  process.on('disconnect', () => process.exit());
}

void main(process.argv.slice(2));
