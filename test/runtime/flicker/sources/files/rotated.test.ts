import {
  appendFileSync as append,
  copyFileSync as copy,
  mkdirSync,
  renameSync as rename,
  symlinkSync as symlink,
  truncateSync as truncate,
  unlinkSync as unlink,
  utimesSync,
  writeFileSync as write,
} from 'node:fs';
import { big, linesOf, Harness } from './harness';

let at: Harness;
function setup(config: Record<string, unknown> = {}): Harness {
  at = new Harness({ start_at: 'beginning', ...config });
  return at;
}
afterEach(() => at.end());

describe('rotation', () => {
  test('a renamed file is read to its end, and keeps its name in events', async () => {
    setup();
    write(at.path('app.log'), 'one\n');
    await at.start();
    expect(await at.lines()).toEqual(['one']);
    append(at.path('app.log'), 'two\n');
    rename(at.path('app.log'), at.path('app.log.1'));
    write(at.path('app.log'), 'three\n');
    expect((await at.poll()).map(({ path, line }) => [path, line])).toEqual([
      [at.path('app.log'), 'two'],
      [at.path('app.log'), 'three'],
    ]);
    append(at.path('app.log.1'), 'late\n');
    expect(await at.lines()).toEqual(['late']);
  });

  test('after a restart it is found by its inode, also outside of the glob', async () => {
    setup();
    write(at.path('app.log'), 'one\n');
    await at.start();
    await at.poll();
    await at.stop();
    append(at.path('app.log'), 'two\n');
    rename(at.path('app.log'), at.path('old.1'));
    write(at.path('app.log'), 'three\n');
    await at.start();
    expect((await at.lines()).sort()).toEqual(['three', 'two']);
    expect(at.missed()).toEqual([]);
  });

  test('of a file that a link elsewhere names it is found beside the file, which goes by its own name', async () => {
    setup({ path: 'links/*.log' });
    mkdirSync(at.path('links'));
    write(at.path('0.log'), 'one\n');
    symlink(at.path('0.log'), at.path('links/web.log'));
    await at.start();
    expect(await at.poll()).toMatchObject([{ path: at.path('0.log'), line: 'one' }]);
    await at.stop();
    append(at.path('0.log'), 'two\n');
    rename(at.path('0.log'), at.path('0.log.20240101-000000'));
    write(at.path('0.log'), 'three\n');
    rename(at.path('0.log'), at.path('0.log.20240101-000500'));
    write(at.path('0.log'), 'four\n');
    await at.start();
    expect((await at.lines()).sort()).toEqual(['four', 'three', 'two']);
    expect(at.missed()).toEqual([]);
  });

  test('by a link that names another file from now on: the one before is read to its end', async () => {
    setup({ path: 'current.log' });
    mkdirSync(at.path('logs'));
    write(at.path('logs/monday'), 'one\n');
    symlink(at.path('logs/monday'), at.path('current.log'));
    await at.start();
    expect(await at.lines()).toEqual(['one']);
    await at.stop();
    append(at.path('logs/monday'), 'two\n');
    write(at.path('logs/tuesday'), 'three\n');
    unlink(at.path('current.log'));
    symlink(at.path('logs/tuesday'), at.path('current.log'));
    await at.start();
    expect((await at.lines()).sort()).toEqual(['three', 'two']);
    expect(at.missed()).toEqual([]);
  });

  test('what was written after a cut is read, whatever name the file has then', async () => {
    setup();
    write(at.path('app.log'), big('first'));
    await at.start();
    await at.poll();
    await at.stop();
    copy(at.path('app.log'), at.path('app.log.1'));
    truncate(at.path('app.log'));
    append(at.path('app.log'), 'second\n');
    rename(at.path('app.log'), at.path('kept'));
    write(at.path('app.log'), 'third\n');
    await at.start();
    const shipped = await at.poll();
    expect(shipped.map(({ line }) => line).sort()).toEqual(['second', 'third']);
    expect(shipped.every(({ path }) => path === at.path('app.log'))).toBe(true);
    expect(at.missed()).toEqual([]);
  });

  test('files that were there and rotated away while nobody looked are read as well', async () => {
    setup();
    write(at.path('app.log'), 'one\n');
    at.time = Date.now();
    await at.start();
    await at.poll();
    await at.stop();
    append(at.path('app.log'), 'two\n');
    rename(at.path('app.log'), at.path('app.log.3'));
    write(at.path('app.log.2'), 'three\n');
    write(at.path('app.log.1'), 'four\n');
    write(at.path('app.log.0'), 'of before\n');
    utimesSync(at.path('app.log.0'), 1, 1);
    write(at.path('app.log.pos'), 'no log\n');
    write(at.path('app.log'), 'five\n');
    await at.start();
    expect((await at.lines()).sort()).toEqual(['five', 'four', 'three', 'two']);
    await at.start();
    expect(await at.lines()).toEqual([]);
  });

  test.each(['app.log', 'app.log*'])('copytruncate drains the copy and ships nothing twice (%s)', async (path) => {
    setup({ path });
    const first = big('first');
    write(at.path('app.log'), first);
    await at.start();
    expect(await at.lines()).toEqual(linesOf(first));
    append(at.path('app.log'), 'tail\n');
    copy(at.path('app.log'), at.path('app.log.1'));
    truncate(at.path('app.log'));
    append(at.path('app.log'), 'fresh\n');
    const shipped = await at.poll();
    expect(shipped.map(({ line }) => line).sort()).toEqual(['fresh', 'tail']);
    expect(shipped.every((event) => event.path === at.path('app.log'))).toBe(true);
    expect(at.missed()).toEqual([]);
    await at.start();
    expect(await at.lines()).toEqual([]);

    // The next round, with the copy renamed first.
    append(at.path('app.log'), 'tail 2\n');
    rename(at.path('app.log.1'), at.path('app.log.2'));
    copy(at.path('app.log'), at.path('app.log.1'));
    truncate(at.path('app.log'));
    expect(await at.lines()).toEqual(['tail 2']);
    expect(at.missed()).toEqual([]);
    // And one that overwrites the copy.
    append(at.path('app.log'), `${big('third')}`);
    expect(await at.lines()).toEqual(linesOf(big('third')));
    append(at.path('app.log'), 'tail 3\n');
    copy(at.path('app.log'), at.path('app.log.1'));
    truncate(at.path('app.log'));
    expect(await at.lines()).toEqual(['tail 3']);
    expect(at.missed()).toEqual([]);
  });

  test('a copy that is seen before the original is cut waits', async () => {
    setup({ path: 'app.log*' });
    write(at.path('app.log'), big('first'));
    await at.start();
    await at.poll();
    copy(at.path('app.log'), at.path('app.log.1'));
    truncate(at.path('app.log.1'), 500);
    expect(await at.lines()).toEqual([]);
    append(at.path('app.log'), 'tail\n');
    copy(at.path('app.log'), at.path('app.log.1'));
    expect(await at.lines()).toEqual(['tail']);
    truncate(at.path('app.log'));
    expect(await at.lines()).toEqual([]);
    append(at.path('app.log'), 'fresh\n');
    expect(await at.lines()).toEqual(['fresh']);
  });

  test('a copy of a file that stays has nothing of its own, but what is added to it', async () => {
    setup({ path: 'app.log*' });
    write(at.path('app.log'), big('first'));
    await at.start();
    await at.poll();
    copy(at.path('app.log'), at.path('app.log.bak'));
    append(at.path('app.log'), 'more\n');
    expect(await at.lines()).toEqual(['more']);
    expect(await at.lines(100_000)).toEqual([]);
    append(at.path('app.log.bak'), 'own\n');
    expect(await at.lines()).toEqual(['own']);
  });

  test('files that merely begin alike are each their own', async () => {
    setup({ path: 'app*' });
    write(at.path('app.log'), 'header\n');
    await at.start();
    await at.poll();
    write(at.path('app-2.log'), 'header\n');
    await at.poll();
    append(at.path('app-2.log'), 'b\n');
    append(at.path('app.log'), 'a\n');
    expect((await at.lines()).sort()).toEqual(['a', 'b', 'header']);
  });

  test('several rotations between two looks, under dates; other logs and compressed files are left alone', async () => {
    setup();
    write(at.path('app.log'), big('a'));
    await at.start();
    await at.poll();
    append(at.path('app.log'), 'rest of a\n');
    rename(at.path('app.log'), at.path('app-20240101.log'));
    write(at.path('app.log'), big('b'));
    rename(at.path('app.log'), at.path('app-2024-01-02.log'));
    write(at.path('app-2.log'), big('another log'));
    write(at.path('app.log.1.gz'), big('compressed'));
    write(at.path('app.log'), big('c'));
    expect((await at.lines()).sort()).toEqual(['rest of a', ...linesOf(big('b')), ...linesOf(big('c'))].sort());
  });

  test('a file that was cut and grew beyond the offset is read from its beginning', async () => {
    setup();
    write(at.path('app.log'), 'one\n');
    await at.start();
    await at.poll();
    write(at.path('app.log'), 'another and more\n');
    expect(await at.lines()).toEqual(['another and more']);
    // The same beginning, other bytes before the offset.
    const head = 'x'.repeat(1100);
    write(at.path('app.log'), `${head}\n${'a'.repeat(300)}\n`);
    await at.poll();
    write(at.path('app.log'), `${head}\n${'b'.repeat(300)}\nmore\n`);
    expect(await at.lines()).toEqual([head, 'b'.repeat(300), 'more']);
    const ids = at.shipped.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const live = Object.values(at.state.files).filter(({ goneAt }) => goneAt === undefined);
    expect(live.map(({ generation }) => generation)).toEqual([3]);
  });

  test('cut and grown between the poll and the read', async () => {
    setup();
    at.batchEvents = 1;
    write(at.path('app.log'), 'one\ntwo\n');
    await at.start();
    const source = at.running;
    const { BatchBuilder } = await import('../../../../../runtime/flicker/batch');
    const builder = new BatchBuilder(1, 1000);
    const { signal } = new AbortController();
    expect(await source.fill(builder, signal)).toBe('more');
    builder.take();
    await source.close();
    write(at.path('app.log'), 'x\n');
    await at.start();
    expect(await at.lines()).toEqual(['x']);
  });
});

describe('what cannot be read any more', () => {
  test('cut bytes are counted and logged with their range', async () => {
    setup();
    write(at.path('app.log'), 'one\npart');
    await at.start();
    await at.poll();
    truncate(at.path('app.log'));
    expect(await at.lines()).toEqual([]);
    expect(at.missed()).toEqual(['4-8']);
    expect(at.metrics.bytesMissed.total()).toBe(4);
    append(at.path('app.log'), 'two\n');
    expect(await at.lines()).toEqual(['two']);
  });

  test('a deleted file is read to its end while it is open, and its last line with it', async () => {
    setup({ path: '*.log' });
    write(at.path('app.log'), 'one\n');
    await at.start();
    await at.poll();
    append(at.path('app.log'), 'two\nlast');
    unlink(at.path('app.log'));
    expect(await at.lines()).toEqual(['two']);
    expect(await at.lines(61_000)).toEqual(['last']);
    expect(at.missed()).toEqual([]);
    expect(Object.values(at.state.files)).toEqual([expect.objectContaining({ goneAt: expect.any(String) as string })]);
    await at.poll(3_700_000);
    expect(at.state.files).toEqual({});
  });

  test('what ids begin with is saved before the first event that has it', async () => {
    setup();
    write(at.path('app.log'), 'one\n');
    await at.start();
    const { BatchBuilder } = await import('../../../../../runtime/flicker/batch');
    const builder = new BatchBuilder(10, 1000);
    const { signal } = new AbortController();
    expect(await at.running.fill(builder, signal)).toBe('more');
    const named = builder.take();
    expect(named).toMatchObject({ sealed: true, records: { count: 0 } });
    const [entry] = Object.values(named.after.files ?? {});
    expect(entry).toMatchObject({ offset: 0, idHash: expect.stringMatching(/^[0-9a-f]{20}$/) as string });
    await at.running.fill(builder, signal);
    const read = builder.take();
    expect(read).toMatchObject({ sealed: false, records: { count: 1 } });
    expect(read.records.record(0).toString()).toContain(`"id":"${entry?.idHash}-0"`);
  });

  test('a short line at a time, also between a look and the read, is never taken for a truncation', async () => {
    setup();
    write(at.path('app.log'), '');
    await at.start();
    const { BatchBuilder } = await import('../../../../../runtime/flicker/batch');
    const { signal } = new AbortController();
    const builder = new BatchBuilder(10, 1000);
    let written = 0;
    const add = () => append(at.path('app.log'), `${++written}\n`);
    for (let round = 0; round < 100; round++) {
      add();
      at.time += 5000;
      // The first fill looks, the others read what was added since: more than was seen.
      await at.running.fill(builder, signal);
      builder.take();
      add();
      expect(await at.running.fill(builder, signal)).toBe('idle');
      builder.take();
      expect(at.running.lag()).toBe(0);
      at.time += 5000;
      await at.running.fill(builder, signal);
      expect(builder.count).toBeLessThanOrEqual(1);
      builder.take();
    }
    const [entry] = Object.values((await at.poll(), at.state.files));
    expect(entry).toMatchObject({ generation: 0 });
    expect(at.logged.filter(({ event }) => event === 'source.file_rotated')).toEqual([]);
    expect(at.missed()).toEqual([]);
  });

  test('a file deleted unread while nobody looked is counted once', async () => {
    setup();
    at.batchEvents = 1;
    write(at.path('app.log'), 'one\ntwo\nthree\n');
    await at.start();
    const { BatchBuilder } = await import('../../../../../runtime/flicker/batch');
    const builder = new BatchBuilder(1, 1000);
    const saved = structuredClone(at.state);
    for (let fills = 0; fills < 2; fills++) {
      await at.running.fill(builder, new AbortController().signal);
      Object.assign(saved.files, builder.take().after.files);
    }
    await at.stop();
    unlink(at.path('app.log'));
    await at.start(saved);
    expect(at.missed()).toEqual(['4-14']);
    await at.start();
    await at.poll();
    expect(at.missed()).toEqual(['4-14']);
    expect(at.metrics.bytesMissed.total()).toBe(10);
  });
});
