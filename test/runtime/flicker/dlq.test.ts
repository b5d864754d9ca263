import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { systemClock } from '../../../runtime/core/clock';
import { BatchBuilder } from '../../../runtime/flicker/batch';
import { run } from '../../../runtime/flicker/cli';
import { createDeadLetters } from '../../../runtime/flicker/delivery';
import { parseLetter } from '../../../runtime/flicker/dlq/letter';
import { listen, never, records } from './destinations/support';

let folder: string;
let server: Server;
let port: number;
const received: { line: string; id: string; url?: string | undefined }[] = [];
let status: (body: string) => number = () => 200;

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const answer = status(body);
      const { url } = request;
      if (answer === 200) received.push(...(JSON.parse(body) as typeof received).map((one) => ({ ...one, url })));
      response.writeHead(answer).end();
    });
  });
  port = await listen(server);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-dlq-'));
  received.length = 0;
  status = (body) => (body.includes('poison') ? 400 : 200);
  await letter('app', ['a', 'b'], 'one-');
  await letter('app', ['poison'], 'two-');
  await letter('other', ['c'], 'three-');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const place = () => join(folder, 'registry/dlq');

function letter(source: string, lines: readonly string[], prefix: string, destinationName = 'http'): Promise<string> {
  const s3 = () => Promise.reject(new Error('no S3 here'));
  const letters = createDeadLetters({ path: place() }, { clock: systemClock, s3 });
  const what = { source, destination: 'http somewhere', reason: 'the receiver answered 400', attempts: 1 };
  return letters.write({ ...what, destinationName, records: records(lines, prefix) }, never);
}

async function dlq(...args: readonly string[]) {
  const file = join(folder, 'config.yaml');
  writeFileSync(
    file,
    `log_files: [{ name: app, path: /a }, { name: other, path: /b, destinations: [
      { type: http, name: first, endpoint: "http://127.0.0.1:${port}/first" },
      { type: http, name: second, endpoint: "http://127.0.0.1:${port}/second" }] }]
destination: { type: http, endpoint: "http://127.0.0.1:${port}/" }
retry: { max_retries: 1, initial_delay_ms: 1 }\n`,
  );
  let [out, err] = ['', ''];
  const stdout = jest.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
  const stderr = jest.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += String(text)), true));
  try {
    const env = { FLICKER_REGISTRY_FILE: join(folder, 'registry.json') };
    const code = await run(['node', 'flicker', 'dlq', ...args, '-c', file], env);
    return { code, out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

const listed = async (): Promise<{ name: string; source: string; events: number }[]> =>
  (await dlq('list', '--json')).out
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

test('letters are listed with what is in them', async () => {
  const { code, out } = await dlq('list', '--source', 'app');
  expect(code).toBe(0);
  expect(out.split('\n')[0]).toMatch(/^WRITTEN +SOURCE +DESTINATION +EVENTS +REASON +NAME$/);
  expect(out.match(/the receiver answered 400 +app\/[0-9a-f]{40}\.jsonl/g)).toHaveLength(2);
  expect((await listed()).map(({ source, events }) => [source, events]).sort()).toEqual([
    ['app', 1],
    ['app', 2],
    ['other', 1],
  ]);
  expect((await dlq('list', '--limit', '1', '--json')).out.trim().split('\n')).toHaveLength(1);
});

test('one is shown with its events', async () => {
  const name = (await listed()).find(({ events }) => events === 2)?.name ?? '';
  const { out } = await dlq('show', name);
  expect(out).toContain('reason       the receiver answered 400');
  expect((await dlq('show', name, '--json')).out).toBe(
    '{"path":"/var/log/app.log","line":"a","id":"one-0"}\n{"path":"/var/log/app.log","line":"b","id":"one-1"}\n',
  );
  const missing = await dlq('show', 'app/x.jsonl');
  expect([missing.code, missing.err]).toEqual([1, expect.stringContaining('there is no "app/x.jsonl" in')]);
});

test('they are replayed with the same ids and moved; what is refused again stays', async () => {
  const { code, out } = await dlq('replay', '--source', 'app', '--yes');
  expect(received.map(({ line, id }) => [line, id])).toEqual([
    ['a', 'one-0'],
    ['b', 'one-1'],
  ]);
  expect(code).toBe(1);
  expect(out).toContain('1 refused again');
  expect((await listed()).map(({ source, events }) => [source, events]).sort()).toEqual([
    ['app', 1],
    ['other', 1],
  ]);
  const [moved = ''] = readdirSync(join(place(), 'replayed/app'));
  expect(parseLetter(readFileSync(join(place(), 'replayed/app', moved))).events.count).toBe(2);

  status = () => 200;
  const rest = (await listed()).find(({ source }) => source === 'app')?.name ?? '';
  expect((await dlq('replay', rest, '--yes', '--delete')).code).toBe(0);
  expect(readdirSync(join(place(), 'replayed/app'))).toHaveLength(1);
  expect((await listed()).map(({ source }) => source)).toEqual(['other']);
});

test('a destination that is down leaves them where they are', async () => {
  status = () => 503;
  const { code, err } = await dlq('replay', '--source', 'app', '--yes');
  expect([code, err]).toEqual([1, expect.stringContaining('cannot take the events of app now')]);
  expect(await listed()).toHaveLength(3);
});

test.each([
  [['replay'], 2, 'say which'],
  [['replay', '--source', 'app'], 2, 'there is no terminal to ask on: say --yes'],
  [['replay', 'app/x.jsonl', '--all'], 2, 'names do not go with --all'],
  [['replay', '--source', 'other', '--yes'], 1, 'say one by --destination: first, second'],
  [['list', '--limit', 'x'], 2, '--limit: expected a whole number'],
])('%p is refused', async (args, code, text) => {
  const result = await dlq(...args);
  expect([result.code, result.err]).toEqual([code, expect.stringContaining(text)]);
  expect(received).toEqual([]);
});

test('of several destinations the one that is named gets them', async () => {
  expect((await dlq('replay', '--source', 'other', '--destination', 'second', '--yes')).code).toBe(0);
  expect(received.map(({ line }) => line)).toEqual(['c']);
});

test('of several destinations the one that refused them gets them, unless another is named', async () => {
  const path = await letter('other', ['d'], 'four-', 'second');
  expect((await dlq('list', '--source', 'other')).out).toContain('  second (http somewhere)  ');
  expect((await dlq('replay', relative(place(), path), '--yes')).code).toBe(0);
  expect(received.map(({ line, url }) => [line, url])).toEqual([['d', '/second']]);
  const again = await letter('other', ['e'], 'five-', 'second');
  expect((await dlq('replay', relative(place(), again), '--destination', 'first', '--yes')).code).toBe(0);
  expect(received.at(-1)).toMatchObject({ line: 'e', url: '/first' });
});

test('a file that is none is told of and left; the others are listed and sent', async () => {
  writeFileSync(join(place(), 'app', `${'0'.repeat(40)}.jsonl`), '{"event":');
  const { code, out, err } = await dlq('list');
  expect([code, out.trim().split('\n').length]).toEqual([0, 4]);
  expect(err).toMatch(/left out: app\/0{40}\.jsonl in .* is no file of dead letters/);
  status = () => 200;
  expect((await dlq('replay', '--source', 'app', '--yes')).code).toBe(0);
  expect(received.map(({ line }) => line).sort()).toEqual(['a', 'b', 'poison']);
  expect(readdirSync(join(place(), 'app'))).toEqual([`${'0'.repeat(40)}.jsonl`]);
});

test('without letters nothing is there to list', async () => {
  rmSync(place(), { recursive: true });
  expect((await dlq('list')).out).toContain('no dead letters in');
  mkdirSync(place(), { recursive: true });
  expect((await dlq('replay', '--all', '--yes')).code).toBe(0);
});

test('an event is read back to the byte, though its numbers are longer than JavaScript keeps', async () => {
  const builder = new BatchBuilder(10, 10_000);
  builder.addText('/a', '","error":"x', 'id-1', { fields: '{"n":12345678901234567890,"error":"}"}' });
  const { records: some } = builder.take();
  const path = await createDeadLetters(
    { path: place() },
    { clock: systemClock, s3: () => Promise.reject(new Error()) },
  ).write({ source: 's', destination: 'd', destinationName: 'n', reason: 'r', attempts: 2, records: some }, never);
  const read = parseLetter(readFileSync(path));
  expect(read).toMatchObject({ source: 's', destination: 'd', destinationName: 'n', reason: 'r' });
  expect(String(read.events.record(0))).toBe(String(some.record(0)));
});
