import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeadLetter } from '../../../../runtime/flicker/destination';
import { createDeadLetters } from '../../../../runtime/flicker/delivery';
import { fakeS3 } from '../destinations/fake-s3';
import { never, records } from '../destinations/support';
import { VirtualClock } from './support';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-dead-'));
});
afterEach(() => rm(folder, { recursive: true }));

const noS3 = () => Promise.reject(new Error('no S3 here'));
const letter = (lines: string[], prefix = 'id-'): DeadLetter => ({
  source: '/var/log/*.log',
  destination: 'http http://receiver',
  destinationName: 'archive',
  records: records(lines, prefix),
  reason: 'answered 400',
  attempts: 2,
});
const expected = (lines: string[]) =>
  lines.map((line, i) => ({
    event: { path: '/var/log/app.log', line, id: `id-${i}` },
    error: 'answered 400',
    destination: 'http http://receiver',
    destinationName: 'archive',
    attempts: 2,
    source: '/var/log/*.log',
    time: '2026-01-01T00:00:00.000Z',
  }));
const parse = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));

describe('in a folder', () => {
  const local = () => createDeadLetters({ path: join(folder, 'dlq') }, { clock: new VirtualClock(), s3: noS3 });
  const files = async () => {
    const sources = await readdir(join(folder, 'dlq'));
    expect(sources).toEqual(['!2Fvar!2Flog!2F!2A.log']);
    const inside = join(folder, 'dlq', sources[0] ?? '');
    return (await readdir(inside)).map((name) => join(inside, name));
  };

  test('are one file a request, one event a line', async () => {
    await local().write(letter(['é "1"', 'two']), never);
    const [file, ...others] = await files();
    expect(others).toEqual([]);
    expect(file).toMatch(/\/[0-9a-f]{40}\.jsonl$/);
    expect(parse(await readFile(file ?? '', 'utf8'))).toEqual(expected(['é "1"', 'two']));
  });

  test('are kept once when they are written again, others beside them', async () => {
    await local().write(letter(['one']), never);
    await local().write(letter(['one']), never);
    await local().write(letter(['two']), never);
    expect(await files()).toHaveLength(2);
  });

  test('are kept once for each destination that refused them', async () => {
    await local().write(letter(['one']), never);
    await local().write({ ...letter(['one']), destinationName: 'copy' }, never);
    expect(await files()).toHaveLength(2);
  });

  test('without ids are kept each time: equal events may be two', async () => {
    await local().write(letter(['one'], ''), never);
    await local().write(letter(['one'], ''), never);
    expect(await files()).toHaveLength(2);
  });

  test('that cannot be written are an error', async () => {
    await writeFile(join(folder, 'dlq'), 'a file in its place');
    await expect(local().write(letter(['one']), never)).rejects.toMatchObject({
      code: expect.stringMatching(/ENOTDIR|EEXIST/),
    });
  });
});

test('in a bucket are one object a request, and errors of S3 are passed on', async () => {
  const s3 = await fakeS3();
  try {
    const context = { clock: new VirtualClock(), s3: () => Promise.resolve(s3.client) };
    const dead = createDeadLetters({ bucket: 'archive', prefix: 'flicker/prod/okta/dlq/' }, context);
    await dead.write(letter(['one']), never);
    await dead.write(letter(['one']), never);
    expect([...s3.objects.keys()]).toEqual([
      expect.stringMatching(/^archive\/flicker\/prod\/okta\/dlq\/!2Fvar!2Flog!2F!2A\.log\/[0-9a-f]{40}\.jsonl$/),
    ]);
    expect(parse(String([...s3.objects.values()][0]?.body))).toEqual(expected(['one']));
    s3.faults.push({ status: 403, code: 'AccessDenied' });
    await expect(dead.write(letter(['two']), never)).rejects.toMatchObject({ name: 'AccessDenied' });
  } finally {
    await s3.close();
  }
});
