import {
  appendFileSync as append,
  mkdirSync,
  renameSync as rename,
  statSync,
  symlinkSync,
  writeFileSync as write,
} from 'node:fs';
import { longLines } from '../../../../../contract/flicker';
import { idHashOf } from '../../../../../runtime/flicker/sources/files/fingerprint';
import { Harness } from './harness';

let at: Harness;
function setup(config: Record<string, unknown> = {}): Harness {
  at = new Harness({ start_at: 'beginning', ...config });
  return at;
}
afterEach(() => at.end());

describe('lines', () => {
  test('a partial last line waits for its end; CRLF and empty lines', async () => {
    setup();
    write(at.path('app.log'), 'one\r\n\n\r\ntwo\npart');
    await at.start();
    expect(await at.lines()).toEqual(['one', 'two']);
    append(at.path('app.log'), 'ial');
    expect(await at.lines()).toEqual([]);
    append(at.path('app.log'), '\r');
    expect(await at.lines()).toEqual([]);
    append(at.path('app.log'), '\n');
    expect(await at.lines()).toEqual(['partial']);
  });

  test('invalid UTF-8 becomes U+FFFD and stops nothing', async () => {
    setup();
    write(at.path('app.log'), Buffer.concat([Buffer.from('ä\n'), Buffer.from([0xff, 0xc3, 10]), Buffer.from('日\n')]));
    await at.start();
    expect(await at.lines()).toEqual(['ä', '\ufffd\ufffd', '日']);
  });

  test('characters at the border of chunks', async () => {
    setup();
    const lines = Array.from({ length: 9 }, (_, i) => 'x'.repeat(i) + '日本😀'.repeat(12_000));
    write(at.path('app.log'), lines.map((line) => `${line}\n`).join(''));
    await at.start();
    expect(await at.lines()).toEqual(lines);
  });

  test('long lines are split with marks, between characters, and resume in the middle', async () => {
    setup();
    at.batchEvents = 1;
    const long = `a${'€'.repeat(1_000_000)}`;
    write(at.path('app.log'), `first\n${long}\nlast\n`);
    await at.start();
    const early = structuredClone(at.state);
    const shipped = await at.poll();
    expect(shipped).toHaveLength(5);
    const parts = shipped.slice(1, 4).map(({ line }) => line);
    expect(parts.map((part) => part.startsWith(longLines.continued))).toEqual([false, true, true]);
    expect(parts.map((part) => part.endsWith(longLines.continues))).toEqual([true, true, false]);
    const text = parts.map((part) => part.replace(longLines.continued, '').replace(longLines.continues, ''));
    expect(text.join('')).toBe(long);
    expect(Buffer.byteLength(text[0] ?? '')).toBeLessThanOrEqual(longLines.bytes);
    expect(new Set(shipped.map(({ id }) => id)).size).toBe(5);

    const [key, entry] = Object.entries(at.state.files)[0] ?? [];
    if (!key || !entry) throw new Error('no entry');
    const offset = Number(shipped[2]?.id.split('-')[1]);
    await at.start({ ...early, files: { [key]: { ...entry, offset, marker: undefined } } });
    expect(await at.poll()).toEqual(shipped.slice(2));
  });

  test('a line of just the longest length is whole', async () => {
    setup();
    const line = 'x'.repeat(longLines.bytes);
    write(at.path('app.log'), line);
    await at.start();
    expect(await at.lines()).toEqual([]);
    append(at.path('app.log'), '\ny\n');
    expect(await at.lines()).toEqual([line, 'y']);
  });

  test('filters and masks', async () => {
    setup({ exclude_on: ['drop'], masking: { enabled: true, rules: { ssn: { enabled: true } } } });
    write(at.path('app.log'), Buffer.concat([Buffer.from('a 123-45-6789 é\ndrop me\nb\n'), Buffer.from([0xff, 10])]));
    await at.start();
    expect(await at.lines()).toEqual(['a [SSN] é', 'b', '\ufffd']);
    expect(at.metrics.eventsRead.total()).toBe(4);
    expect(at.metrics.eventsFiltered.total()).toBe(1);
    expect(at.running.lag()).toBe(0);
  });
});

describe('where to start', () => {
  test('at the end of the last complete line; later files from their beginning', async () => {
    setup({ path: '*.log', start_at: 'end' });
    write(at.path('a.log'), `old\n${'x'.repeat(100_000)}\nhalf`);
    write(at.path('b.log'), 'no line yet');
    await at.start();
    append(at.path('a.log'), ' done\n');
    append(at.path('b.log'), ' done\n');
    write(at.path('c.log'), 'new\n');
    expect((await at.lines()).sort()).toEqual(['half done', 'new', 'no line yet done']);
  });

  test('a kill before anything was read changes nothing', async () => {
    setup({ start_at: 'end' });
    write(at.path('app.log'), 'old\n');
    await at.start();
    append(at.path('app.log'), 'new\n');
    await at.start();
    expect(await at.lines()).toEqual(['new']);
  });

  test('a version 1 position counts for its inode, also when that was renamed', async () => {
    setup({ start_at: 'end' });
    write(at.path('app.log'), 'one\ntwo\n');
    const legacy = (inode: number) => ({
      ...at.state,
      legacy: { files: { [at.path('app.log')]: { position: 4, inode } }, api_sources: {} },
    });
    const { ino } = statSync(at.path('app.log'));
    await at.start(legacy(ino));
    expect(await at.lines()).toEqual(['two']);

    rename(at.path('app.log'), at.path('app.log.1'));
    write(at.path('app.log'), 'three\n');
    at.state = { sources: {}, files: {} };
    await at.start(legacy(ino));
    expect((await at.lines()).sort()).toEqual(['three', 'two']);
    at.state = { sources: {}, files: {} };
    await at.start(legacy(12345));
    expect(await at.lines()).toEqual(['three']);
  });

  test('an id does not depend on how much of the first line was there at first', async () => {
    setup();
    write(at.path('app.log'), 'par');
    await at.start();
    const early = structuredClone(at.state);
    expect(await at.poll()).toEqual([]);
    append(at.path('app.log'), 'tial\n');
    const first = await at.poll();
    await at.start({ ...early, files: {} });
    expect(await at.poll()).toEqual(first);
  });

  test('ids are the same when lines are read again, and differ between files of equal content', async () => {
    setup({ path: '*.log' });
    write(at.path('a.log'), 'same\nsame\n');
    write(at.path('b.log'), 'same\nsame\n');
    await at.start();
    const early = structuredClone(at.state);
    const first = await at.poll();
    expect(new Set(first.map(({ id }) => id)).size).toBe(4);
    append(at.path('a.log'), 'more\n');
    await at.start({ ...early, files: {} });
    expect(await at.poll()).toEqual(expect.arrayContaining(first));
  });
});

describe('identity', () => {
  test('the same inode and bytes under another device number is the same file', async () => {
    setup();
    write(at.path('app.log'), 'one\n');
    await at.start();
    const [event] = await at.poll();
    const { dev, ino } = statSync(at.path('app.log'));
    const entry = at.state.files[`node/a/${dev}-${ino}-0`];
    if (!entry) throw new Error(`no entry: ${Object.keys(at.state.files).join()}`);
    append(at.path('app.log'), 'two\n');
    await at.start({ ...at.state, files: { [`node/a/4242-${ino}-0`]: entry } });
    const [next] = await at.poll();
    expect(next).toEqual({ ...event, line: 'two', id: `${entry.idHash}-4` });
    expect(Object.keys(at.state.files)).toEqual([`node/a/${dev}-${ino}-0`]);
    expect(at.missed()).toEqual([]);
  });

  test('an inode that was used again after its entry was forgotten gives other ids', () => {
    setup();
    const ids = [1n, 2n].map((born) => idHashOf('node', '1-2', 0, born, Buffer.from('header\n')));
    expect(new Set(ids).size).toBe(2);
  });

  test('an inode that was used again is another file', async () => {
    setup();
    write(at.path('app.log'), 'one\n');
    await at.start();
    await at.poll();
    const { dev, ino } = statSync(at.path('app.log'));
    const saved = at.state;
    await at.stop();
    write(at.path('app.log'), 'won\ntwo\n');
    await at.start(saved);
    expect(await at.lines()).toEqual(['won', 'two']);
    expect(Object.keys(at.state.files)).toEqual([`node/a/${dev}-${ino}-1`]);
  });

  test('entries of other nodes and sources are left alone, those of vanished nodes for a week', async () => {
    setup();
    write(at.path('app.log'), 'one\n');
    const { dev, ino } = statSync(at.path('app.log'));
    const entry = (source: string, seenAt: number) => ({
      source,
      path: at.path('app.log'),
      generation: 0,
      offset: 4,
      idHash: 'h',
      fingerprint: { bytes: 0, hash: '' },
      seenAt: new Date(seenAt).toISOString(),
    });
    const sources = { logs: { kind: 'files' as const, startedAt: '', batchNo: 1, position: {} } };
    const key = `${dev}-${ino}-0`;
    const files = {
      [`b/${key}`]: entry('logs', at.time),
      [`c/${key}`]: entry('logs', at.time - 8 * 86_400_000),
      // It does not change, on a node that is still there.
      'b/1-1-0': entry('logs', at.time - 8 * 86_400_000),
      [`node/a/${key}`]: entry('other', at.time),
    };
    await at.start({ sources, files });
    expect(await at.lines()).toEqual(['one']);
    const keys = ['b/1-1-0', `b/${key}`, `node/a/${key}`, `node/a/${key}@logs`];
    expect(Object.keys(at.state.files).sort()).toEqual(keys.sort());
    expect(at.state.files[`node/a/${key}`]).toEqual(files[`node/a/${key}`]);
    await at.start();
    expect(await at.lines()).toEqual([]);
    append(at.path('app.log'), 'two\n');
    expect(await at.lines()).toEqual(['two']);
  });

  test('one file under several names is one file; folders and dot files are none', async () => {
    setup({ path: '*' });
    write(at.path('a.log'), 'one\n');
    symlinkSync(at.path('a.log'), at.path('link.log'));
    write(at.path('.hidden'), 'no\n');
    mkdirSync(at.path('folder'));
    await at.start();
    expect(await at.lines()).toEqual(['one']);
  });

  test('a name with characters of a glob', async () => {
    setup({ path: 'app[1].log' });
    write(at.path('app[1].log'), 'one\n');
    await at.start();
    expect(await at.lines()).toEqual(['one']);
  });
});

describe('many files', () => {
  test('a busy file does not starve the others', async () => {
    setup({ path: '*.log' });
    at.batchEvents = 5000;
    write(at.path('a.log'), `${'hot '.repeat(50)}\n`.repeat(50_000));
    for (let i = 0; i < 5; i++) write(at.path(`b${i}.log`), `cold ${i}\n`);
    await at.start();
    await at.poll();
    const cold = at.shipped.flatMap(({ line }, i) => (line.startsWith('cold') ? [i] : []));
    expect(cold).toHaveLength(5);
    expect(Math.max(...cold)).toBeLessThan(10_000);
    expect(at.shipped).toHaveLength(50_005);
  });

  test('hundreds of files, each rotated', async () => {
    setup({ path: '*.log' });
    const names = Array.from({ length: 300 }, (_, i) => `${i}.log`);
    for (const name of names) write(at.path(name), `${name} one\n`);
    await at.start();
    expect(await at.lines()).toHaveLength(300);
    for (const name of names) {
      append(at.path(name), `${name} two\n`);
      rename(at.path(name), at.path(`${name}.1`));
      write(at.path(name), `${name} three\n`);
    }
    const lines = await at.lines();
    expect(new Set(lines)).toEqual(new Set(names.flatMap((name) => [`${name} two`, `${name} three`])));
    expect(lines).toHaveLength(600);
    expect(at.missed()).toEqual([]);
  });
});
