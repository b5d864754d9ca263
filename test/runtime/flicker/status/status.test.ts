import { createHash } from 'node:crypto';
import { flickerPort, flickerStatusSchema } from '../../../../contract/flicker';
import { serveHealth, type HealthServer } from '../../../../runtime/core/server';
import { systemClock } from '../../../../runtime/core/clock';
import { createFlickerMetrics } from '../../../../runtime/flicker/metrics';
import { readState } from '../../../../runtime/flicker/state';
import { statusPage } from '../../../../runtime/flicker/status/page';
import { statusPages, type StatusPages } from '../../../../runtime/flicker/status/pages';
import { Rates } from '../../../../runtime/flicker/status/rates';
import { statusText } from '../../../../runtime/flicker/status/report';
import {
  statusOf,
  type StatusInputs,
  type StatusMember,
  type StatusPost,
} from '../../../../runtime/flicker/status/status';
import { flicker } from '../commands/support';

const NOW = Date.UTC(2026, 0, 31, 12);
const stats = { inFlightEvents: 1, unsavedEvents: 5, lastSavedAt: NOW - 3000, saves: 9, failures: 1, conflicts: 2 };
const good = { waitedFor: true, paused: false, problem: '', retries: 0, delivered: 7, lastDelivery: NOW, ahead: 0 };
const member = (
  name: string,
  kind: StatusMember['kind'],
  more: Partial<StatusMember['status']> = {},
): StatusMember => ({
  name,
  kind,
  status: { problem: '', stopped: '', destinations: [{ ...good, name: 'http', label: 'http https://a' }], ...more },
});
const state = readState({
  sources: {
    okta: { kind: 'api', startedAt: '', batchNo: 1, position: { watermark: NOW - 60_000, floor: null } },
    app: { kind: 'files', startedAt: '', batchNo: 1 },
  },
  spill: [{ source: 'okta', destination: 'http', key: 'k', events: 1, bytes: 40 }],
});

function inputs(members: readonly StatusMember[], post: Partial<StatusPost> = {}): StatusInputs {
  const { metrics } = createFlickerMetrics();
  metrics.eventsDelivered.inc({ source: 'okta' }, 1200);
  metrics.eventsDeadLettered.inc({ source: 'okta' }, 2);
  metrics.sourceLagBytes.set({ source: 'app' }, 2048);
  metrics.sourceLastSuccess.set({ source: 'app' }, NOW / 1000 - 1);
  const holder = { owner: 'me', host: 'h', epoch: 4 };
  const own = { location: 's3://b/k', role: 'holder', holder, clusterId: 'prod/a', stats, state, members } as const;
  const health = { ok: true, detail: 'fine' };
  const rest = { version: '1', node: 'n', startedAt: NOW - 3_600_000, live: health, ready: health, maxUnsaved: 100 };
  return { ...rest, members, metrics, posts: [{ ...own, ...post }] };
}

test('the status has the numbers of each source and of the registry', () => {
  const status = statusOf(
    inputs([member('okta', 'api'), member('app', 'files')]),
    NOW,
    (_, delivered) => delivered / 60,
  );
  expect(flickerStatusSchema.parse(status)).toEqual(status);
  expect(status).toMatchObject({
    registries: [{ role: 'holder', holder: { epoch: 4 }, unsaved: 5, saves: 9, spilledBatches: 1, spilledBytes: 40 }],
    sources: [
      { name: 'okta', state: 'running', readUpTo: '2026-01-31T11:59:00.000Z', eventsPerSecond: 20, deadLettered: 2 },
      { name: 'app', state: 'running', lagBytes: 2048, lastReadAt: '2026-01-31T11:59:59.000Z', followed: 0 },
    ],
  });
  // An API has no lag in bytes.
  expect(status.sources[0]).not.toHaveProperty('lagBytes');
});

test.each([
  ['running', {}, ''],
  ['failing', { problem: 'HTTP 500' }, 'HTTP 500'],
  ['stopped', { problem: 'HTTP 500', stopped: 'no place for dead letters' }, 'no place for dead letters'],
  ['paused', { destinations: [{ ...good, name: 'a', label: 'a', paused: true, problem: '503' }] }, '503'],
  // What does not take part in the position is spilled: the source goes on.
  [
    'running',
    { destinations: [{ ...good, name: 'a', label: 'a', waitedFor: false, paused: true, problem: '503' }] },
    '503',
  ],
] as const)('a source that is %s', (expected, more, problem) => {
  const [source] = statusOf(inputs([member('okta', 'api', more)]), NOW, () => 0).sources;
  expect(source).toMatchObject({ state: expected, problem });
});

test('sources of a standby are idle; without a registry they run', () => {
  const okta = member('okta', 'api', { problem: 'old' });
  const standby = statusOf(inputs([okta], { role: 'standby', state: undefined }), NOW, () => 0);
  expect(standby.sources[0]).toMatchObject({ state: 'idle', problem: '' });
  const untracked = statusOf({ ...inputs([okta]), posts: [] }, NOW, () => 0);
  expect(untracked).toMatchObject({ registries: [], sources: [{ state: 'failing' }] });
});

test('rates are those of the last minute', () => {
  const rates = new Rates();
  expect(rates.perSecond('a', 0, 10)).toBe(0);
  for (let second = 0; second <= 120; second += 5) rates.add(second * 1000, new Map([['a', second * 2]]));
  expect(rates.perSecond('a', 120_000, 240)).toBe(2);
  expect(rates.perSecond('a', 180_000, 240)).toBe(1);
  expect(rates.perSecond('new', 120_000, 60)).toBe(1);
});

test('in a terminal: one line a source, and what is wrong below; nothing foreign steers the terminal', () => {
  const okta = member('ok\u001b[2Jta', 'api', { problem: 'HTTP 500\u0007' });
  const text = statusText(statusOf(inputs([okta, member('app', 'files')]), NOW, () => 1.25));
  expect(text).toContain('flicker 1, active: holds the registry, live, ready');
  expect(text).toContain('lease     me on h, epoch 4');
  expect(text).toContain('saved 3 s ago; 9 saves, 1 failed, 2 conflicts; 5 of at most 100 events not saved');
  expect(text).toMatch(/app +running +1\.3 +0 +2\.0 KiB/);
  expect(text).toContain('HTTP 500\\x07');
  expect(text).not.toMatch(/[\u001b\u0007]/);
});

test('the page may run its own script and style, and ask its own server, and nothing else', () => {
  const policy = statusPage.headers?.['content-security-policy'] ?? '';
  for (const [tag, directive] of [['script', 'script-src'] as const, ['style', 'style-src'] as const]) {
    const inside = [...statusPage.text.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))];
    expect(inside).toHaveLength(1);
    const hash = createHash('sha256')
      .update(inside[0]?.[1] ?? '')
      .digest('base64');
    expect(policy).toContain(`${directive} 'sha256-${hash}'`);
  }
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  expect(statusPage.text).not.toMatch(/https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
  expect(statusPage.text).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write|eval\(/);
});

describe('flicker status', () => {
  let server: HealthServer;
  let pages: StatusPages;
  let ready = { ok: true, detail: 'ready' };
  beforeAll(async () => {
    const given = inputs([member('okta', 'api')]);
    pages = statusPages(() => ({ ...given, ready }), systemClock);
    const metrics = () => Promise.resolve({ contentType: '', text: '' });
    const health = { live: () => given.live, ready: () => ready, metrics, pages: pages.pages };
    server = await serveHealth(flickerPort, { host: '127.0.0.1', port: 0 }, health);
  });
  afterAll(async () => {
    pages.stop();
    await server.close();
  });

  test('asks the flicker of this machine, or of a URL', async () => {
    const port = String(server.port);
    const plain = await flicker(['status', '--port', port]);
    expect(plain).toMatchObject({ code: 0, out: expect.stringMatching(/okta +running/), err: '' });
    expect((await flicker(['status'], { FLICKER_PORT: port })).code).toBe(0);
    const json = await flicker(['status', '--url', `http://127.0.0.1:${port}/`, '--json']);
    expect(flickerStatusSchema.parse(JSON.parse(json.out))).toMatchObject({ sources: [{ name: 'okta' }] });
  });

  test('tells in its exit code that it is not ready', async () => {
    ready = { ok: false, detail: 'starting' };
    const { code, out } = await flicker(['status', '--port', String(server.port)]);
    ready = { ok: true, detail: 'ready' };
    expect([code, out]).toEqual([1, expect.stringContaining('starting')]);
  });

  test.each([
    [['--port', '9'], 1, 'cannot ask http://127.0.0.1:9/status.json'],
    [['--port', 'x'], 2, 'expected a number from 1 to 65535'],
    [['--url', 'file:///etc/passwd'], 2, 'expected http://host:port/'],
  ])('%j fails in words', async (args, code, message) => {
    expect(await flicker(['status', ...args])).toMatchObject({ code, err: expect.stringContaining(message) });
  });
});
