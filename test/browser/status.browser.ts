import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { flickerPort, type FlickerStatus } from '../../contract';
import { serveHealth, type HealthServer } from '../../runtime/core/server';
import { statusPage } from '../../runtime/flicker/status/page';
import { startBrowser, type Browser } from './browser';

/** The picture of the docs. */
const PICTURE = join(__dirname, '../../docs/images/status.png');
const MARKUP = `<img src=x onerror="document.title='caught'">`;

let browser: Browser;
let server: HealthServer | undefined;
let status: FlickerStatus;
let asked = 0;
let page: Page;
/** Whatever the page asks for, and what the browser complains of. */
let requests: string[];
let complaints: string[];

beforeAll(async () => (browser = await startBrowser()));
afterAll(() => browser?.stop());
beforeEach(async () => {
  status = healthy(new Date());
  asked = 0;
  server = await serveHealth(
    flickerPort,
    { host: '127.0.0.1', port: 0 },
    {
      live: () => status.live,
      ready: () => status.ready,
      metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
      pages: {
        '/': () => statusPage,
        '/status.json': () => {
          asked++;
          return { type: 'application/json', text: JSON.stringify({ ...status, now: new Date().toISOString() }) };
        },
      },
    },
  );
  page = await browser.context.newPage();
  requests = [];
  complaints = [];
  page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
});
afterEach(async () => {
  await page.close();
  await server?.close();
});

const open = () => page.goto(`http://127.0.0.1:${server?.port}/`);
const texts = (selector: string) => page.locator(selector).allInnerTexts();

test('shows the sources, the lease and the last save, and loads nothing but itself', async () => {
  await open();
  await page.locator('#sources tr').first().waitFor();
  expect(await texts('header .pill')).toEqual(['Active', 'Ready']);
  const [okta, github, app] = await texts('#sources tr');
  expect(okta).toMatch(/okta[\s\S]*read up to[\s\S]*Running[\s\S]*4\.2[\s\S]*128,411/);
  expect(github).toMatch(/github[\s\S]*→ http https:\/\/siem\.example\.com, paused[\s\S]*answered 503[\s\S]*Paused/);
  expect(app).toMatch(/app[\s\S]*12 log files[\s\S]*3\.4 MiB/);
  expect((await texts('#registries'))[0]).toMatch(/s3:\/\/logs-state[\s\S]*ip-10-0-3-17[\s\S]*42[\s\S]*\d s ago/);
  expect(new Set(requests)).toEqual(new Set(['/', '/status.json']));
  expect(complaints).toEqual([]);
});

test('refreshes itself, and says so when nobody answers any more', async () => {
  await open();
  await page.getByText('128,411').waitFor();
  const first = status.sources[0];
  if (first) status = { ...status, sources: [{ ...first, delivered: 999_777, state: 'stopped', problem: 'gone' }] };
  await page.getByText('999,777').first().waitFor();
  expect(await texts('#sources .pill')).toEqual(['Stopped']);
  expect(asked).toBeGreaterThan(1);
  await server?.close();
  server = undefined;
  await page.getByText(/no answer for \d+ s/).waitFor();
  // What was known stays.
  expect(await page.getByText('999,777').first().isVisible()).toBe(true);
});

test('names of sources and answers of destinations are text, never markup', async () => {
  const [first] = status.sources;
  const [registry] = status.registries;
  if (!first || !registry) throw new Error('nothing to show');
  const destination = {
    name: MARKUP,
    label: MARKUP,
    waitedFor: true,
    paused: true,
    problem: MARKUP,
    delivered: 0,
    retries: 1,
  };
  status = {
    ...status,
    version: MARKUP,
    node: MARKUP,
    ready: { ok: false, detail: MARKUP },
    registries: [
      { ...registry, location: MARKUP, clusterId: MARKUP, holder: { owner: MARKUP, host: MARKUP, epoch: 1 } },
    ],
    sources: [{ ...first, name: MARKUP, problem: MARKUP, readUpTo: MARKUP, destinations: [destination] }],
  };
  await open();
  await page.locator('#sources tr').first().waitFor();
  expect(await page.locator('img').count()).toBe(0);
  expect(await page.title()).toBe('flicker: active');
  expect(await page.locator('#sources .name').innerText()).toBe(MARKUP);
  expect(await page.locator('#notice').innerText()).toBe(MARKUP);
});

test.each([
  ['a phone', { width: 360, height: 740 }],
  ['a small tablet', { width: 768, height: 1024 }],
  ['a desk', { width: 1280, height: 800 }],
])('fits on %s', async (_name, size) => {
  await page.setViewportSize(size);
  await open();
  await page.locator('#sources tr').first().waitFor();
  const [content, window] = await page.evaluate<[number, number]>('[document.documentElement.scrollWidth, innerWidth]');
  expect(content).toBeLessThanOrEqual(window);
});

test('dark and light follow the system', async () => {
  const ground = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
  await page.emulateMedia({ colorScheme: 'light' });
  await open();
  const light = await ground();
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await ground()).not.toBe(light);
});

test('a standby says that it stands by, and without a registry that positions are not kept', async () => {
  const [registry] = status.registries;
  if (!registry) throw new Error('no registry');
  status = {
    ...status,
    registries: [
      { ...registry, role: 'standby' },
      { ...registry, location: 's3://b/nodes/n-registry.json' },
    ],
  };
  await open();
  await page.getByText('Standby', { exact: true }).waitFor();
  expect(await page.locator('.facts').count()).toBe(2);
  status = { ...status, registries: [] };
  await page.getByText('Positions are not kept', { exact: true }).waitFor();
  expect(await page.locator('.facts').count()).toBe(0);
});

// Writes the picture of the docs: HOLDFAST_SCREENSHOT=1 npm run test:browser
(process.env['HOLDFAST_SCREENSHOT'] ? test : test.skip)('the picture of the docs', async () => {
  await page.setViewportSize({ width: 1200, height: 940 });
  await open();
  // A curve that has seen something.
  for (const factor of [0.7, 0.9, 0.8, 1.1, 1.3, 1.2, 1, 1.05, 1.4, 1.25, 1.1]) {
    const base = healthy(new Date());
    status = { ...base, sources: base.sources.map((s) => ({ ...s, eventsPerSecond: s.eventsPerSecond * factor })) };
    await page.waitForResponse((response) => response.url().endsWith('status.json'));
  }
  mkdirSync(dirname(PICTURE), { recursive: true });
  await page.screenshot({ path: PICTURE });
});

function healthy(now: Date): FlickerStatus {
  const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000).toISOString();
  const counts = { filtered: 0, resent: 0, retries: 0, deadLettered: 0, bytesMissed: 0 };
  const good = { waitedFor: true, paused: false, problem: '', retries: 0 };
  return {
    version: '0.1.0',
    node: 'ip-10-0-3-17',
    startedAt: ago(93_600),
    now: now.toISOString(),
    live: { ok: true, detail: 'live' },
    ready: { ok: true, detail: 'ready' },
    maxUnsaved: 100_000,
    registries: [
      {
        location: 's3://logs-state/flicker/prod/audit-registry.json',
        clusterId: 'prod/audit',
        role: 'holder',
        holder: { owner: '6f1c2f0e-6a57-4d0b-9a0e-2f6b6c1f7a11', host: 'ip-10-0-3-17.ec2.internal', epoch: 42 },
        lastSavedAt: ago(3),
        saves: 18_204,
        saveFailures: 2,
        conflicts: 0,
        unsaved: 214,
        spilledBatches: 0,
        spilledBytes: 0,
      },
    ],
    sources: [
      {
        ...counts,
        name: 'okta',
        kind: 'api',
        state: 'running',
        problem: '',
        readUpTo: ago(21),
        lastReadAt: ago(4),
        eventsPerSecond: 4.2,
        read: 128_411,
        delivered: 128_411,
        destinations: [
          { ...good, name: 'http', label: 'http https://siem.example.com', delivered: 128_411, lastDeliveryAt: ago(5) },
          { ...good, name: 's3', label: 's3 s3://audit-archive', delivered: 128_411, lastDeliveryAt: ago(5) },
        ],
      },
      {
        ...counts,
        name: 'github',
        kind: 'api',
        state: 'paused',
        problem: 'siem.example.com answered 503 Service Unavailable',
        readUpTo: ago(412),
        lastReadAt: ago(402),
        eventsPerSecond: 0,
        read: 40_012,
        delivered: 39_812,
        filtered: 1_204,
        retries: 9,
        destinations: [
          {
            ...good,
            name: 'http',
            label: 'http https://siem.example.com',
            paused: true,
            problem: 'siem.example.com answered 503 Service Unavailable',
            delivered: 39_812,
            retries: 9,
          },
        ],
      },
      {
        ...counts,
        name: 'app',
        kind: 'files',
        state: 'running',
        problem: '',
        followed: 12,
        lagBytes: 3_565_158,
        lastReadAt: ago(1),
        eventsPerSecond: 1_872.5,
        read: 91_204_556,
        delivered: 91_198_204,
        destinations: [
          {
            ...good,
            name: 'loki',
            label: 'loki http://loki.logging:3100',
            delivered: 91_198_204,
            lastDeliveryAt: ago(1),
          },
        ],
      },
      {
        ...counts,
        name: 'web',
        kind: 'docker',
        state: 'running',
        problem: '',
        followed: 4,
        readUpTo: ago(2),
        lastReadAt: ago(1),
        eventsPerSecond: 311.8,
        read: 8_112_907,
        delivered: 8_112_880,
        destinations: [
          {
            ...good,
            name: 'opensearch',
            label: 'elasticsearch https://search.internal:9200',
            delivered: 8_112_880,
            lastDeliveryAt: ago(1),
          },
        ],
      },
    ],
  };
}
