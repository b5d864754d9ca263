import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SimS3 } from '../../../../dev/sim/s3';
import { flicker, serveS3 } from './support';

const KEY = 'flicker/prod/app-registry.json';
const NODE = 'flicker/prod/app/nodes/n1-registry.json';
const batch = { source: 'app', destination: 'http', key: 'app!40n1/http/1.jsonl', events: 2, bytes: 3 };
const document = (epoch: number, more: object = {}) => ({
  format: 2,
  clusterId: 'prod/app',
  configHash: '',
  lease: { epoch, owner: 'holder', host: 'h1', seq: 9, state: 'released', ttlMs: 1, renewMs: 1 },
  sources: { app: { kind: 'files', startedAt: '2026-01-31T12:00:00Z', batchNo: 1, position: {} } },
  files: {},
  writerVersion: '1',
  savedAt: '2026-01-31T12:00:00Z',
  ...more,
});

let s3: SimS3;
let served: Awaited<ReturnType<typeof serveS3>>;
let environment: NodeJS.ProcessEnv;
beforeEach(async () => {
  s3 = new SimS3();
  served = await serveS3(s3);
  // Credentials are looked for by the SDK.
  environment = process.env;
  process.env = { ...environment, ...served.env };
});
afterEach(async () => {
  process.env = environment;
  await served.stop();
});

const put = (key: string, value: object | string) =>
  s3.put(key, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
const stored = (key: string) => JSON.parse(Buffer.from(s3.get(key) ?? '').toString()) as ReturnType<typeof document>;
const registry = (key: string, ...args: string[]) =>
  flicker(['registry', ...args], { ...served.env, FLICKER_REGISTRY_FILE: `s3://state/${key}` });

test('what the registry of a node lists is found beside that of the cluster, and carried to where its instance looks', async () => {
  put(NODE, document(3, { spill: [batch] }));
  expect(await registry(NODE, 'fsck')).toMatchObject({
    code: 1,
    out: expect.stringContaining('the batch is not there'),
  });
  put(`flicker/prod/app/spill/${batch.key}`, 'a\nb');
  expect(await registry(NODE, 'fsck')).toMatchObject({ code: 0, out: 'nothing is wrong\n' });
  expect((await registry(NODE, 'show')).out).toMatch(/app +http +1 +2\n/);

  const to = 's3://state/flicker/new/app/nodes/n1-registry.json';
  const copied = await registry(NODE, 'copy', `s3://state/${NODE}`, to, '--yes');
  expect(copied).toMatchObject({ code: 0, err: '' });
  expect(Buffer.from(s3.get(`flicker/new/app/spill/${batch.key}`) ?? '').toString()).toBe('a\nb');
  // What conditional writes are tried on is that of the cluster, too.
  expect((await registry('flicker/new/app/nodes/n1-registry.json', 'verify')).code).toBe(0);
  expect(s3.keys()).toContain('flicker/new/app/nodes/probe.json');
});

test('what a registry in a folder of that name lists is beside itself', async () => {
  const key = 'flicker/nodes/app-registry.json';
  put(key, document(3, { spill: [batch] }));
  put(`flicker/nodes/app/spill/${batch.key}`, 'a\nb');
  expect(await registry(key, 'fsck')).toMatchObject({ code: 0 });
  await registry(key, 'copy', `s3://state/${key}`, 's3://state/other/nodes/app-registry.json', '--yes');
  expect(s3.get(`other/nodes/app/spill/${batch.key}`)).toBeDefined();
});

test('verify tells that the registry may be read and not written; nothing is written', async () => {
  put(KEY, document(3));
  const before = s3.get(KEY);
  const good = await registry(KEY, 'verify');
  expect(good.out).toMatch(/write +ok +allowed; nothing was written/);
  s3.denied = (method, key) => method === 'PUT' && key === KEY;
  const { code, out } = await registry(KEY, 'verify');
  expect(code).toBe(1);
  expect(out).toMatch(/write +failed +denied: S3 answered 403 AccessDenied; it needs s3:PutObject on the key/);
  expect(s3.get(KEY)).toBe(before);
});

test.each([
  ['damaged', () => void put(KEY, 'garbage')],
  ['deleted', () => s3.delete(KEY)],
])('one that was %s gets an epoch that was never used', async (_name, harm) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-registry-'));
  const file = join(folder, 'old.json');
  writeFileSync(file, JSON.stringify(document(3)));
  for (const epoch of [3, 4, 5, 6]) put(KEY, document(epoch));
  harm();
  expect(await registry(KEY, 'import', file, '--overwrite', '--yes')).toMatchObject({ code: 0 });
  expect(stored(KEY).lease).toMatchObject({ epoch: 7, owner: 'operator', state: 'released' });
  rmSync(folder, { recursive: true });
});
