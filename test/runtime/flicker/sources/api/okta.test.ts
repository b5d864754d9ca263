import type { VendorRequest } from '../../../../../dev/vendors/frame';
import { startOkta, type Okta, type OktaOptions } from '../../../../../dev/vendors/okta';
import { open, run } from './fixtures';
import type { apiConfig } from './harness';

const empty = ({ answer }: VendorRequest) => Array.isArray(answer) && answer.length === 0;

describe("Okta's System Log", () => {
  async function okta(options: OktaOptions): Promise<{ api: Okta; config: Parameters<typeof apiConfig>[0] }> {
    const api = await startOkta(options);
    open.push(api);
    const config = {
      endpoint: api.url,
      results_field: '',
      timestamp_field: 'published',
      id_field: 'uuid',
      time_filter_param: 'since',
      headers: { Authorization: 'SSWS token' },
      pagination: { pagination_type: 'link' },
    } as const;
    return { api, config };
  }

  it('arrives in full, by links and over kills, however late events are', async () => {
    const { api, config } = await okta({ emptyPages: 0.3, token: 'token' });
    const source = run(config, { events: 60, bytes: 1024 ** 2 }, Date.now() - 60_000);
    await source.start();
    source.time = Date.now() + 1000;
    for (let round = 0; round < 12; round++) {
      api.append(round * 23);
      await source.fill(round % 3 > 0);
      await source.fill(round % 4 > 0);
      if (round % 5 === 4) await source.restart();
      // Long after it happened: the link tells that it is new.
      if (round > 6)
        api.append([
          { ...(api.events[0] as Okta['events'][number]), uuid: `late-${round}`, published: '2020-01-01T00:00:00Z' },
        ]);
    }
    const wanted = new Set(api.events.map(({ uuid }) => uuid));
    for (let polls = 0; polls < 100 && !api.requests.slice(-3).every(empty); polls++) await source.poll();
    expect(new Set(source.shipped.map(({ id }) => id))).toEqual(wanted);
    expect(api.requests.every(({ status }) => status === 200)).toBe(true);
    expect(
      api.requests
        .filter(({ query }) => query['since'] !== undefined)
        .every(({ query }) => query['after'] === undefined),
    ).toBe(true);
    expect(api.requests.at(-1)?.query).toEqual({ after: expect.any(String) });
    const before = JSON.stringify(source.committed);
    await source.poll();
    expect(JSON.stringify(source.committed)).toBe(before);
    expect(before.length).toBeLessThan(4096);
  });

  it('is asked no more often than it allows', async () => {
    const { api, config } = await okta({ limitPerWindow: 2, windowMs: 3_600_000, emptyPages: 0 });
    api.append(250);
    const source = run({ ...config, start_from: 'beginning' }, undefined, Date.now());
    await expect(source.poll()).rejects.toMatchObject({ retryAfterMs: expect.any(Number) });
    await source.restart();
    await expect(source.poll()).rejects.toThrow('the API limits the rate of requests until');
    expect(api.requests.map(({ status }) => status)).toEqual([200, 200]);
    expect(source.shipped.length).toBe(200);
  });

  it('refuses what the documentation refuses', async () => {
    const { api } = await okta({ token: 'token', limitPerWindow: 6, windowMs: 3_600_000 });
    const ask = async (query: string, token = 'token') =>
      fetch(`${api.url}${query}`, { headers: { Authorization: `SSWS ${token}` } });
    expect((await ask('?since=2026-01-01T00:00:00Z&after=0_x')).status).toBe(400);
    expect((await ask('?after=0_x')).status).toBe(400);
    expect((await ask('?limit=1001')).status).toBe(400);
    expect((await ask('', 'other')).status).toBe(401);
    const links = (await ask('')).headers.get('link');
    expect(links).toMatch(/rel="self", <.*after=.*>; rel="next"/);
    await ask('');
    const limited = await ask('');
    expect(limited.status).toBe(429);
    expect(limited.headers.get('x-rate-limit-remaining')).toBe('0');
    expect(Number(limited.headers.get('x-rate-limit-reset'))).toBeGreaterThan(Date.now() / 1000);
  });
});
