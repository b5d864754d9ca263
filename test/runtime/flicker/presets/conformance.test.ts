import { flickerEvents } from '../../../../contract';
import type { VendorOptions } from '../../../../dev/vendors/frame';
import { Bench, cases, type Case } from './vendors';

const MINUTE = 60_000;
const open: Bench[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function bench(one: Case, options?: Omit<VendorOptions, 'now'>, input?: object): Promise<Bench> {
  const opened = await Bench.open(one, options, input);
  open.push(opened);
  return opened;
}

const sorted = (ids: readonly string[]) => [...ids].sort();
const gaps = ({ source }: Bench) => source.log.filter(({ event }) => event === flickerEvents.gap);

describe.each(cases.map((one) => [one.name, one] as const))('%s', (_, one) => {
  it('ships every event once: over pages, of equal times, over restarts in the middle of a walk', async () => {
    const b = await bench(one);
    b.vendor.append(3, b.now - 24 * 60 * MINUTE);
    const old = b.ids().length;
    b.advance(MINUTE);
    await b.source.start();
    b.advance(MINUTE);
    b.vendor.append(12);
    b.advance(2000);
    b.vendor.append(14);
    b.advance(one.lagMs + 1000);
    // Page by page, with a restart after each.
    for (let fills = 0; fills < 8; fills++) {
      await b.source.fill();
      await b.source.restart();
    }
    await b.drain();
    b.vendor.append(11);
    await b.drain();
    expect(sorted(b.shipped)).toEqual(sorted(b.ids().slice(old)));
    expect(new Set(b.statuses)).toEqual(new Set([200]));
  });

  if (one.variant) return;

  it('ships again no more than what was not saved when it is killed', async () => {
    const b = await bench(one);
    await b.source.start();
    b.advance(MINUTE);
    b.vendor.append(35);
    b.advance(one.lagMs + 1000);
    await b.source.fill();
    const saved = b.shipped.length;
    while (b.shipped.length === saved) await b.source.fill(false);
    const lost = b.shipped.length - saved;
    await b.source.restart();
    await b.drain();
    expect(sorted([...new Set(b.shipped)])).toEqual(sorted(b.ids()));
    expect(b.shipped.length).toBe(35 + lost);
  });

  it('ships events that come late, within its bound', async () => {
    const b = await bench(one);
    await b.source.start();
    b.advance(one.lagMs + one.overlapMs + 120 * MINUTE);
    const newest = b.now;
    for (let n = 20; n >= 0; n--) b.vendor.append(1, newest - (n * (one.overlapMs + 60 * MINUTE)) / 20);
    await b.drain();
    // Bounds are counted from the newest event, or from the end of the last window.
    const edge = one.mode === 'window' ? b.now - one.lagMs + 2 * one.cycleMs : newest;
    b.vendor.append(4, Math.min(newest, edge - one.overlapMs + 2 * MINUTE));
    b.vendor.append(2, newest - 500);
    const wanted = [...b.ids()];
    const [tooLate] = b.vendor.append(1, newest - one.overlapMs - one.lagMs - 60 * MINUTE);
    await b.drain();
    for (const { id, time } of b.source.shipped)
      expect([id, Date.parse(time ?? '')]).toEqual([id, b.times()[b.ids().indexOf(id ?? '')]]);
    // A window that was read and is not read again never shows it. Others may, and with a cursor always do.
    const seen = b.source.shipped.some(({ line }) => line === JSON.stringify(tooLate));
    if (one.mode !== 'watermark') expect(seen).toBe(one.mode === 'cursor');
    expect(sorted(b.shipped)).toEqual(sorted(seen ? b.ids() : wanted));
  });

  it('waits for the rate limit, also after a restart, and goes on in the middle of the walk', async () => {
    const b = await bench(one);
    await b.source.start();
    b.advance(MINUTE);
    b.vendor.append(25);
    b.advance(one.lagMs + 1000);
    await b.source.fill();
    b.vendor.exhaust();
    await expect(b.source.poll()).rejects.toMatchObject({ retryAfterMs: expect.any(Number) });
    const asked = b.pages;
    await b.source.restart();
    await expect(b.source.poll()).rejects.toThrow('limits the rate of requests until');
    expect(b.pages).toBe(asked);
    b.advance(60 * MINUTE + 2000);
    await b.drain();
    expect(sorted(b.shipped)).toEqual(sorted(b.ids()));
    expect(b.statuses.filter((status) => status !== 200).length).toBeLessThanOrEqual(1);
  });

  it('survives a connection that is cut and a server that fails', async () => {
    const b = await bench(one);
    await b.source.start();
    b.advance(MINUTE);
    b.vendor.append(25);
    b.advance(one.lagMs + 1000);
    await b.source.fill();
    b.vendor.fail('cut', { status: 500, body: 'secret' }, { status: 502, body: '<html>' });
    for (let failures = 0; failures < 3; failures++) {
      const failure = await b.source.poll().catch((error: Error) => error);
      expect(failure).toBeInstanceOf(Error);
      expect(String(failure)).not.toContain('secret');
    }
    await b.drain();
    expect(sorted(b.shipped)).toEqual(sorted(b.ids()));
  });

  if (!one.noCursors) {
    it('begins again before the newest event when its cursor has expired, and says so', async () => {
      const b = await bench(one);
      await b.source.start();
      b.advance(MINUTE);
      b.vendor.append(25);
      b.advance(one.lagMs + 1000);
      await b.source.fill();
      await b.source.fill();
      const wanted = [...b.ids()];
      b.vendor.expireCursors();
      await b.source.restart();
      await expect(b.source.poll()).rejects.toThrow('refused the page at which the walk was to go on');
      expect(gaps(b)).toEqual([
        expect.objectContaining({ fields: expect.objectContaining({ source: 'api', from: expect.any(String) }) }),
      ]);
      await b.drain();
      expect(sorted(b.shipped)).toEqual(sorted(wanted));
    });
  }
});

describe.each(cases.filter(({ name }) => /auth0|google|service app/.test(name)).map((one) => [one.name, one] as const))(
  'access tokens of %s',
  (_, one) => {
    it('are renewed in the middle of a walk, before they end and when they are refused', async () => {
      const b = await bench(one);
      const tokens = () => b.vendor.requests.length - b.pages;
      await b.source.start();
      b.advance(MINUTE);
      b.vendor.append(45);
      b.advance(one.lagMs + 1000);
      await b.source.fill();
      await b.source.fill();
      expect(tokens()).toBe(1);
      b.vendor.expireTokens?.();
      await b.source.fill();
      expect(tokens()).toBe(2);
      expect(b.statuses.filter((status) => status === 401)).toHaveLength(1);
      b.advance(24 * 60 * MINUTE - 1000);
      await b.source.fill();
      expect(tokens()).toBe(3);
      await b.drain();
      expect(b.statuses.filter((status) => status === 401)).toHaveLength(1);
      expect(sorted(b.shipped)).toEqual(sorted(b.ids()));
    });
  },
);
