import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSpillStore, spillKey } from '../../../../runtime/flicker/delivery/spill-store';
import { fakeS3 } from '../destinations/fake-s3';
import { never } from '../destinations/support';

const lines = Buffer.from('{"line":"one"}\n');
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'holdfast-spill-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const make = () => createSpillStore({ path: join(folder, 'spill') }, () => Promise.reject(new Error('no S3 here')));

test('a key tells source, destination, order and content', () => {
  expect(spillKey('/var/log/*.log', 'b', 12, lines)).toMatch(
    /^!2Fvar!2Flog!2F!2A\.log\/b\/000000000012-[0-9a-f]{16}\.jsonl$/,
  );
  expect(spillKey('a', 'b', 1, lines)).not.toBe(spillKey('a', 'b', 1, Buffer.from('else')));
});

test('what is kept can be read until it is removed', async () => {
  const key = spillKey('a', 'b', 1, lines);
  await make().put(key, lines, never);
  expect(await make().get(key, never)).toEqual(lines);
  await make().remove(key, never);
  await make().remove(key, never);
  expect(await make().get(key, never)).toBeUndefined();
});

test('a folder that is gone is no batch that was sent', async () => {
  await expect(make().get(spillKey('a', 'b', 1, lines), never)).rejects.toThrow('ENOENT');
});

test.each([true, false])('an object that was removed is not there, whether S3 says so or not (%s)', async (tells) => {
  const s3 = await fakeS3();
  s3.tellsMissing = tells;
  const store = createSpillStore({ bucket: 'state', prefix: 'spill/' }, () => Promise.resolve(s3.client));
  const key = spillKey('a', 'b', 1, lines);
  await store.put(key, lines, never);
  s3.faults.push({ status: 403, code: 'AccessDenied' });
  await expect(store.get(key, never)).rejects.toMatchObject({ name: 'AccessDenied' });
  expect(await store.get(key, never)).toEqual(lines);
  s3.objects.clear();
  expect(await store.get(key, never)).toBeUndefined();
  await s3.close();
});
