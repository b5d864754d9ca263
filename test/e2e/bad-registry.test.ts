import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { FlickerConfigInput } from '../../contract';
import { startReceiver, type Receiver } from '../../dev/receiver';
import { lines, type Program, quick, quickRetry, s3Environment, Stage, text, until } from './support';

const location = 's3://state/flicker/prod/app-registry.json';

let stage: Stage;
let receiver: Receiver;
/** Lines that were accepted, in order. */
let accepted: string[];

beforeEach(async () => {
  stage = new Stage();
  accepted = [];
  receiver = await startReceiver((records) => void accepted.push(...records.map(({ line }) => line)));
  stage.write('app.log', text(1, 3));
});
afterEach(async () => {
  await stage.dispose();
  await receiver.stop();
});

const config = (more: Partial<FlickerConfigInput> = {}): FlickerConfigInput => ({
  log_files: [{ name: 'app', path: stage.path('app.log'), ...quick, batch_max_events: 5 }],
  destination: { type: 'http', endpoint: receiver.url },
  retry: quickRetry,
  ...more,
});
const track = () => ['--track', '--registry-file', stage.path('registry.json')];
const savedOften: Partial<FlickerConfigInput> = { registry: { save_interval_ms: 10, max_unsaved_events: 20 } };

const fullDisk = (at: Stage) => ({
  NODE_OPTIONS: `--require ${join(__dirname, '../fixtures/full-disk.cjs')}`,
  FULL_DISK_WHILE: at.path('full'),
});
const full = 'the disk is full; the last saved version is untouched';

const inS3 = ['--track', '--registry-file', location];

/** The start gives up after some seconds of trying: these programs do that while the other tests run. */
const sent: unknown[] = [];
const requests: string[] = [];
let waiting: Stage;
let away: Receiver;
let programs: Program[];

const answering = (status: number, code: string) =>
  waiting.serve((request, response) => {
    requests.push(`${request.method} ${request.url?.split('?')[0]}`);
    response.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code></Error>`);
  });

beforeAll(async () => {
  waiting = new Stage();
  away = await startReceiver((records) => void sent.push(...records));
  waiting.write('app.log', text(1, 3));
  waiting.write('full', '');
  const source = { name: 'app', path: waiting.path('app.log'), ...quick };
  const config = { log_files: [source], destination: { type: 'http' as const, endpoint: away.url } };
  const endpoints = ['http://127.0.0.1:9', await answering(403, 'AccessDenied'), await answering(404, 'NoSuchBucket')];
  programs = [
    ...endpoints.map((endpoint) => waiting.start(config, inS3, s3Environment(endpoint))),
    waiting.start(config, ['--track', '--registry-file', waiting.path('registry.json')], fullDisk(waiting)),
  ];
});
afterAll(async () => {
  await waiting.dispose();
  await away.stop();
});

test('a registry that does not answer: live, not ready, and a stop is not held up', async () => {
  let asked = () => {};
  const hung = new Promise<void>((resolve) => (asked = resolve));
  const program = stage.start(config(), inS3, s3Environment(await stage.serve(() => asked())));
  await hung;
  expect([await program.probe('/livez'), await program.probe('/readyz')]).toEqual(['200 live', '503 starting']);
  expect(await program.stop()).toBe(0);
});

describe('a registry that cannot be used is left as it is', () => {
  const held = {
    format: 2,
    clusterId: 'prod/other',
    configHash: '',
    lease: { epoch: 4, owner: 'owner-0', host: 'host-0', seq: 70, state: 'released', ttlMs: 1, renewMs: 1 },
    sources: {},
    files: {},
    writerVersion: '0.0.1',
    savedAt: '2026-01-01T00:00:00.000Z',
  };
  const badState = { ...held, sources: { app: { kind: 'files', startedAt: '', batchNo: 'seven', secret: 'payload' } } };
  const badV1 = { version: 1, files: { '/a': { position: -1, inode: 1 } }, api_sources: {} };
  test.each([
    ['is cut off', '{"format":2,"lea', [], 'cannot be used: it is not JSON (16 bytes). It was left as it is; restore'],
    ['is empty', '', [], 'cannot be used: it is empty'],
    [
      'is of a newer format',
      JSON.stringify({ ...held, format: 3 }),
      [],
      'has format 3; this version knows up to 2. It was left as it is; start the newer version again.',
    ],
    [
      'is of another cluster',
      JSON.stringify(held),
      ['--cluster-id', 'prod/app'],
      'belongs to "prod/other", not to "prod/app". It was left as it is; use a key of its own, or the cluster id "prod/other".',
    ],
    [
      'has a state that nobody can read',
      JSON.stringify(badState),
      [],
      'cannot be used: sources.app.batchNo: Invalid input: expected number, received string. It was left as it is',
    ],
    [
      'is of version 1 and broken',
      JSON.stringify(badV1),
      [],
      'is a file of version 1 that could not be upgraded: files./a.position: ',
    ],
  ])('when it %s', async (_name, stored, args, message) => {
    stage.write('registry.json', stored);
    const { code, program } = await stage.run(config(), [...track(), ...args]);
    expect(program.process.lines.at(-1)).toContain(`the registry ${stage.path('registry.json')} ${message}`);
    expect(program.text).not.toContain('payload');
    expect(code).toBe(1);
    expect([stage.read('registry.json'), accepted]).toEqual([stored, []]);
  });

  test('by --dry-run, which names it too', async () => {
    stage.write('registry.json', JSON.stringify(badState));
    const { code, program } = await stage.run(config(), [...track(), '--dry-run', '--once']);
    expect(program.process.lines.at(-1)).toBe(
      `flicker: cannot use the registry ${stage.path('registry.json')}: ` +
        'sources.app.batchNo: Invalid input: expected number, received string',
    );
    expect([code, stage.read('registry.json')]).toEqual([1, JSON.stringify(badState)]);
  });
});

describe('a disk that is full', () => {
  test('is told while the program ships on, up to the cap; all is saved when there is room', async () => {
    const program = stage.start(config(savedOften), track(), fullDisk(stage));
    await until(
      'the first lines are saved',
      () => accepted.length === 3 && /"offset":21\b/.test(stage.read('registry.json')),
    );
    stage.write('full', '');
    stage.append('app.log', text(4, 103));
    expect((await program.event('registry.save_retried')).message).toBe(`save is tried again: ${full}`);
    await until('the cap', () => accepted.length === 23);
    const before = stage.read('registry.json');
    expect(before).toMatch(/"offset":21\b/);
    expect([await program.probe('/livez'), await program.probe('/readyz')]).toEqual(['200 live', '200 ready']);
    rmSync(stage.path('full'));
    await until('the others', () => accepted.length >= 103);
    expect(await program.stop()).toBe(0);
    expect(accepted).toEqual(lines(1, 103));
    expect(stage.read('registry.json')).toContain(`"offset":${text(1, 103).length}`);
  });

  test('at the stop fails it; the next start sends again what was not saved, and nothing is lost', async () => {
    const program = stage.start(config({ ...savedOften, shutdown_timeout_ms: 3000 }), track(), fullDisk(stage));
    await until(
      'the first lines are saved',
      () => accepted.length === 3 && /"offset":21\b/.test(stage.read('registry.json')),
    );
    stage.write('full', '');
    stage.append('app.log', text(4, 103));
    await until('the cap', () => accepted.length === 23);
    expect(await program.stop()).toBe(1);
    expect(program.events().find(({ event }) => event === 'registry.save_failed')?.message).toBe(
      `cannot save to ${stage.path('registry.json')}: ${full}`,
    );
    const again = await stage.run(config(savedOften), [...track(), '--once']);
    expect([again.code, [...new Set(accepted)]]).toEqual([0, lines(1, 103)]);
    expect(accepted.length - 103).toBeLessThanOrEqual(20);
  });
});

test.each([
  [
    'not reached',
    0,
    `cannot reach the registry ${location}: connect ECONNREFUSED 127.0.0.1:9. Nothing was changed; check bucket or path, ` +
      'region, endpoint and network.',
  ],
  [
    'denied',
    1,
    `access to the registry ${location} is denied: S3 answered 403 AccessDenied. It needs s3:GetObject and s3:PutObject ` +
      'on the key, s3:ListBucket and s3:ListBucketVersions with the key as prefix (a local path: read and write on the ' +
      'folder).',
  ],
  [
    'in no bucket',
    2,
    `cannot reach the registry ${location}: S3 answered 404 NoSuchBucket. Nothing was changed; check bucket or path, ` +
      'region, endpoint and network.',
  ],
  ['on a full disk', 3, `${full}. Nothing was changed; check bucket or path, region, endpoint and network.`],
])('a registry that is %s: tried for some seconds, not ready, then exit 1 and why', async (_name, index, message) => {
  const program = programs[index] as Program;
  expect(await program.process.ended).toBe(1);
  const said = program.process.lines.filter((line) => line.startsWith('flicker: '));
  expect(said).toEqual([expect.stringContaining(message)]);
  expect(program.text).not.toContain('secret-key');
  expect(program.events().map(({ event }) => event)).toEqual(['http.listening']);
  expect(sent).toEqual([]);
  expect(requests.filter((request) => !request.startsWith('GET'))).toEqual([]);
});
