import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { REGISTRY_OPERATOR } from '../../../../contract';
import { confirmed } from '../../../../runtime/flicker/commands/registry-desk';
import { flicker } from './support';

const API = '2026-01-31T12:00:00.000Z';
let folder: string;
let at: string;
let env: Record<string, string>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-registry-'));
  at = join(folder, 'app-registry.json');
  env = { FLICKER_REGISTRY_FILE: at };
  put({});
  // Nobody answers questions here, wherever the tests run.
  Object.defineProperty(process.stdin, 'isTTY', { value: false, configurable: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (source: string, offset: number, more: object = {}) => ({
  source,
  path: '/var/log/app.log',
  generation: 0,
  offset,
  size: 500,
  idHash: 'h',
  fingerprint: { bytes: 0, hash: '' },
  marker: { bytes: 1, hash: 'm' },
  seenAt: new Date().toISOString(),
  ...more,
});
const lease = { epoch: 4, owner: 'holder', host: 'h1', seq: 9, state: 'held', ttlMs: 180_000, renewMs: 60_000 };
const state = {
  sources: {
    okta: {
      kind: 'api',
      startedAt: API,
      batchNo: 7,
      position: { watermark: Date.parse(API), floor: Date.parse(API), walk: { of: 'x', newest: null } },
      destinations: { siem: { ahead: 'AAAAAAAAAAA' } },
    },
    app: { kind: 'files', startedAt: API, batchNo: 1, position: {} },
  },
  files: { 'node-1/1-2-0': file('app', 200) },
};

function put(more: object, path = at) {
  const document = { format: 2, clusterId: 'prod/app', configHash: '', lease, ...state, ...more };
  writeFileSync(path, JSON.stringify({ ...document, writerVersion: '1', savedAt: new Date().toISOString() }));
}
const stored = (path = at) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, unknown>>;
const registry = (...args: string[]) => flicker(['registry', ...args], env);

test('show tells who holds it and how far each source is; control characters do not reach the terminal', async () => {
  const beside = { 'node-2/1-2-0@/var/log/*.log': file('/var/log/*.log', 1) };
  put({ clusterId: 'prod/\u001b[31mred', files: { ...state.files, ...beside } });
  const { code, out } = await registry('show');
  expect(code).toBe(0);
  expect(out).toContain('held by holder on h1, epoch 4, seq 9');
  expect(out).toMatch(/okta\s+api\s+read up to 2026-01-31T12:00:00.000Z, between two pages/);
  expect(out).toMatch(/app\s+\/var\/log\/app.log\s+node-1\s+200 of 500/);
  expect(out).toMatch(/\*\.log\s+\/var\/log\/app.log\s+node-2\s+1 of 500/);
  expect(out).not.toContain('\u001b');
  const json: unknown = JSON.parse((await registry('show', '--json', '--source', 'okta')).out);
  expect(json).toMatchObject({ location: at, lease, sources: { okta: state.sources.okta }, files: {} });
});

test.each([
  [['show', '--source', 'none'], 'there is no source "none"', 1],
  [['set', 'none', 'a=1', '--yes'], 'there is no source "none"; there are: okta, app', 1],
  [['set', 'okta', 'watermark', '--yes'], '"watermark": expected key=value', 2],
  [['set', 'okta', 'watermark=soon', '--yes'], 'expected a time such as', 2],
  [['set', 'okta', 'watermark=-5', '--yes'], 'expected a time such as', 2],
  [['set', 'okta', 'watermark=1769860800', '--yes'], 'or milliseconds since 1970', 2],
  [['set', 'okta', 'watermark=9999999999999999', '--yes'], 'or milliseconds since 1970', 2],
  [['set', 'okta', 'constructor=1'], 'there is no terminal', 2],
  [['set', 'toString', 'a=1', '--yes'], 'there is no source "toString"', 1],
  [['set', 'okta', 'floor=soon', '--yes'], 'the position would not be one: floor', 1],
  [['set', 'app', 'offset=501', '--file', '/var/log/app.log', '--yes'], 'expected bytes from 0 to 500', 1],
  [['set', 'app', 'offset=1', '--file', '/nowhere', '--yes'], 'follows no file /nowhere', 1],
  [['set', 'app', 'path=/x', '--file', '/var/log/app.log', '--yes'], 'only offset can be set', 1],
  [['history'], 'local file, and those have no history', 1],
  [['rewind', '--to', '1h', '--yes'], 'local file, and those have no history', 1],
  [['rewind', '--to', 'yesterday'], 'expected a time such as', 2],
  [['rewind', '--to', '99999999999999999999s'], 'expected a time such as', 2],
  [['import', '/nowhere'], 'cannot read /nowhere', 2],
  [['show', '--registry-file', 's3://bucket'], 'expected s3://bucket/key or a path', 2],
  [['copy', 'a.json', 'b.json', '--yes'], 'there is no registry at', 1],
])('%j fails in words and changes nothing', async (args, message, code) => {
  const before = stored();
  const { err, ...result } = await registry(...args);
  expect(err).toContain(message);
  expect(result.code).toBe(code);
  expect(stored()).toEqual(before);
});

test('without a terminal nothing is written unless --yes says so; what would be is shown', async () => {
  const before = stored();
  const asked = await registry('set', 'app', 'offset=50', '--file', '/var/log/app.log');
  expect(asked).toMatchObject({ code: 2, err: expect.stringContaining('say --yes') });
  expect(asked.out).toMatch(/files\["node-1\/1-2-0"\].offset\s+200\s+50/);
  expect(asked.out).toContain('150 B may be shipped again');
  expect(asked.out).toContain('holder on h1 holds the registry: the edit fences it');
  expect(stored()).toEqual(before);
  expect(await registry('set', 'app', 'offset=50', '--file', '/var/log/app.log', '--yes')).toMatchObject({ code: 0 });
  expect(stored()['lease']).toMatchObject({ epoch: 5, seq: 10, owner: REGISTRY_OPERATOR, state: 'released' });
  // What was known of the bytes before the offset is not known any more.
  expect(stored()['files']).toMatchObject({ 'node-1/1-2-0': { offset: 50, size: 500, idHash: 'h' } });
  expect(stored()['files']?.['node-1/1-2-0']).not.toHaveProperty('marker');
});

test('an API source starts again at a time: pages, ids and what single destinations had do not count any more', async () => {
  const to = '2026-01-31T09:00:00Z';
  const { out } = await registry('set', 'okta', `watermark=${to}`, '--yes', '--json');
  expect(JSON.parse(out)).toMatchObject({ notes: [expect.stringContaining('events of 3 h')], before: { epoch: 4 } });
  expect(stored()['sources']?.['okta']).toEqual({
    ...state.sources.okta,
    position: { watermark: Date.parse(to), floor: Date.parse(to) },
    destinations: { siem: {} },
  });
  const forward = await registry('set', 'okta', 'watermark=2026-02-01T00:00:00Z', '--yes');
  expect(forward.out).toContain('will NOT be shipped');
});

test('export and import: a file for the owner alone; what was saved since is not undone by accident', async () => {
  const exported = join(folder, 'export.json');
  await registry('export', exported);
  expect(statSync(exported).mode & 0o777).toBe(0o600);
  expect((await registry('export', exported)).err).toContain('EEXIST');
  await registry('set', 'okta', 'watermark=2026-02-01T00:00:00Z', '--yes');
  const refused = await registry('import', exported, '--yes');
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('was saved since the export') });
  expect(await registry('import', exported, '--yes', '--overwrite')).toMatchObject({ code: 0 });
  expect(stored()).toMatchObject({ sources: state.sources, lease: { epoch: 6, state: 'released' } });
  put({ clusterId: 'prod/other' });
  expect((await registry('import', exported, '--yes')).err).toContain('belongs to "prod/other"');
  rmSync(at);
  expect(await registry('import', exported, '--yes')).toMatchObject({ code: 0 });
  expect(stored()).toMatchObject({ sources: state.sources, lease: { epoch: 5, owner: REGISTRY_OPERATOR } });
});

test('a file of format 1 that cannot be used is named', async () => {
  writeFileSync(at, JSON.stringify({ version: 1, files: { a: { position: -1, inode: 1 } } }));
  const { code, err } = await registry('show');
  expect([code, err]).toEqual([
    1,
    expect.stringMatching(/^flicker: the registry .* cannot be used: files\.a\.position: /),
  ]);
});

test('a damaged registry is put right by an import', async () => {
  const exported = join(folder, 'export.json');
  await registry('export', exported);
  writeFileSync(at, 'garbage');
  expect((await registry('show')).err).toContain('it is not JSON (7 bytes)');
  expect((await registry('set', 'okta', 'a=1', '--yes')).err).toContain('it is not JSON (7 bytes)');
  expect((await registry('import', exported, '--yes')).err).toContain('that is no registry');
  expect(readFileSync(at, 'utf8')).toBe('garbage');
  expect(await registry('import', exported, '--yes', '--overwrite')).toMatchObject({ code: 0 });
  expect(stored()).toMatchObject({ sources: state.sources, lease: { epoch: 5, state: 'released' } });
});

test('an import elsewhere is refused where it would lose what was spilled; a copy carries it', async () => {
  const spill = [{ source: 'okta', destination: 'siem', key: 'okta/siem/1.jsonl', events: 1, bytes: 3 }];
  put({ spill });
  const exported = join(folder, 'export.json');
  await registry('export', exported);
  const other = join(folder, 'moved-registry.json');
  const refused = await registry('import', exported, '--yes', '--registry-file', other);
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('okta/siem/1.jsonl') });
  expect(existsSync(other)).toBe(false);
  mkdirSync(join(folder, 'app/spill/okta/siem'), { recursive: true });
  expect((await registry('fsck')).out).toMatch(/spill\["okta\/siem\/1.jsonl"\]\s+the batch is not there/);
  writeFileSync(join(folder, 'app/spill/okta/siem/1.jsonl'), 'a\nb');
  const copied = await registry('copy', at, other, '--yes', '--json');
  expect(JSON.parse(copied.out)).toMatchObject({ steps: ['fenced', 'copied', 'verified', 'handed-over'] });
  expect(readFileSync(join(folder, 'moved/spill/okta/siem/1.jsonl'), 'utf8')).toBe('a\nb');
  expect(stored(other)).toMatchObject({ sources: state.sources, lease: { state: 'released' } });
  expect((await registry('set', 'okta', 'a=1', '--yes')).err).toContain(`was moved to ${other}`);
  expect((await registry('verify')).code).toBe(1);
});

test('fsck names what is of no use and removes it; what needs a person stays', async () => {
  const old = new Date(Date.now() - 8 * 86_400_000).toISOString();
  put({
    sources: { ...state.sources, broken: { kind: 'api', startedAt: API, batchNo: 1, position: { watermark: 'x' } } },
    files: {
      'node-1/1-2-0': file('app', 200),
      'node-1/1-3-0@/var/log/*.log': file('app', 1),
      'node-1/1-4-0': file('nobody', 1),
      'gone/1-5-0': file('app', 1, { seenAt: old }),
      nonsense: file('app', 1),
      'node-1/1-6-0': file('okta', 1),
    },
  });
  const found = await registry('fsck');
  expect(found.code).toBe(1);
  const wanted = ['"nobody" is not there', 'gone was seen last', 'not <node>/<id>', 'of kind api', 'watermark=TIME'];
  for (const what of wanted) expect(found.out).toContain(what);
  expect(await registry('fsck', '--fix', '--yes')).toMatchObject({ code: 1 });
  expect(Object.keys(stored()['files'] ?? {})).toEqual(['node-1/1-2-0', 'node-1/1-3-0@/var/log/*.log']);
  await registry('set', 'broken', 'watermark=2026-01-01T00:00:00Z', '--yes');
  expect(await registry('fsck')).toMatchObject({ code: 0, out: 'nothing is wrong\n' });
});

test('a node whose files are quiet for weeks is not taken for one that is gone', async () => {
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  const files = {
    'node-1/1-2-0': file('app', 200, { seenAt: ago(8) }),
    'node-1/1-3-0': file('app', 1, { seenAt: ago(40) }),
    'shared/1-4-0': file('app', 1, { seenAt: ago(30) }),
  };
  put({ files });
  expect(await registry('fsck')).toMatchObject({ code: 0, out: 'nothing is wrong\n' });
  put({ files: { ...files, 'node-2/1-2-0': file('app', 1) } });
  const found = await registry('fsck', '--json');
  expect(JSON.parse(found.out)).toMatchObject([{ where: 'files["node-1/1-2-0"]' }, { where: 'files["node-1/1-3-0"]' }]);
});

test('verify tells a holder that is late, and positions that cannot be read', async () => {
  expect(await registry('verify')).toMatchObject({
    code: 0,
    out: expect.stringMatching(/lease\s+ok\s+held by holder/),
  });
  writeFileSync(at, JSON.stringify({ ...stored(), savedAt: '2026-01-01T00:00:00Z', files: { x: 1 } }));
  const { code, out } = await registry('verify');
  expect(code).toBe(1);
  expect(out).toMatch(/last save\s+warning.*is the holder dead/);
  expect(out).toMatch(/positions\s+failed\s+files.x/);
});

test.each([
  ['y\n', undefined],
  ['Yes\n', undefined],
  ['n\n', 'nothing was written'],
  ['\n', 'nothing was written'],
])('the answer %j', async (answer, refusal) => {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const asked = confirmed('Write?', input, new PassThrough());
  input.write(answer);
  if (refusal === undefined) await expect(asked).resolves.toBeUndefined();
  else await expect(asked).rejects.toThrow(refusal);
});
