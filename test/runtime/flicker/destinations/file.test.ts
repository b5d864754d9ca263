import { constants } from 'node:fs';
import { access, appendFile, mkdir, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import type { Destination } from '../../../../runtime/flicker/destination';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { createStdoutDestination } from '../../../../runtime/flicker/destinations/stdout';
import { context, destinationConfig, never, records, shipment } from './support';

let folder: string;
let path: string;
const opened: Destination[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-file-'));
  path = join(folder, 'a', 'b', 'out.jsonl');
});
afterEach(async () => {
  jest.restoreAllMocks();
  for (const destination of opened.splice(0)) await destination.close();
  await rm(folder, { recursive: true });
});

async function file(to = path): Promise<Destination> {
  const destination = await createDestination(destinationConfig({ type: 'file', path: to }), context);
  opened.push(destination);
  return destination;
}

const line = (text: string, id: string) => `{"path":"/var/log/app.log","line":"${text}","id":"${id}"}\n`;
const content = () => readFile(path, 'utf8');

/** The prototype that every file handle shares, to break single operations of real files. */
async function fileHandles() {
  const handle = await open(__filename);
  await handle.close();
  return Object.getPrototypeOf(handle) as Awaited<ReturnType<typeof open>>;
}

const systemError = (code: string) => Object.assign(new Error(`${code}: test`), { code });

test('makes the folders and appends one record a line', async () => {
  const to = await file();
  expect(await to.send(shipment(['one', 'two']), never)).toEqual({ kind: 'accepted' });
  expect(await to.send(shipment(['three']), never)).toEqual({ kind: 'accepted' });
  expect(await content()).toBe(line('one', 'id-0') + line('two', 'id-1') + line('three', 'id-0'));
});

test('a batch is on the disk before it is accepted', async () => {
  const to = await file();
  const handles = await fileHandles();
  const sync = jest.spyOn(handles, 'datasync');
  await to.send(shipment(['one']), never);
  expect(sync).toHaveBeenCalledTimes(1);
});

test('a write cut short is taken back whole, and the next attempt writes it once', async () => {
  const to = await file();
  await to.send(shipment(['one']), never);
  const handles = await fileHandles();
  const real = handles.write;
  let calls = 0;
  jest.spyOn(handles, 'write').mockImplementation(function (this: unknown, ...[bytes, offset]: unknown[]) {
    if (calls++ > 0) return Promise.reject(systemError('ENOSPC'));
    return Reflect.apply(real, this, [bytes, offset, 10]) as Promise<never>;
  });
  expect(await to.send(shipment(['two', 'three']), never)).toEqual({
    kind: 'retry',
    reason: `cannot append to ${path}: ENOSPC: no space is left on the device`,
    uncertain: false,
  });
  expect(calls).toBe(2);
  jest.restoreAllMocks();
  expect(await content()).toBe(line('one', 'id-0'));
  expect(await to.send(shipment(['two', 'three']), never)).toEqual({ kind: 'accepted' });
  expect(await content()).toBe(line('one', 'id-0') + line('two', 'id-0') + line('three', 'id-1'));
});

test('what could not be taken back at once is taken back before the next write', async () => {
  const to = await file();
  const handles = await fileHandles();
  jest.spyOn(handles, 'datasync').mockRejectedValueOnce(systemError('EIO'));
  jest.spyOn(handles, 'truncate').mockRejectedValueOnce(systemError('EIO'));
  expect(await to.send(shipment(['one']), never)).toMatchObject({
    kind: 'retry',
    reason: expect.stringContaining('EIO'),
  });
  expect(await content()).not.toBe('');
  expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
  expect(await content()).toBe(line('one', 'id-0'));
});

test('a full disk of the system is told', async () => {
  const device = await access('/dev/full', constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!device) return;
  const to = await file('/dev/full');
  expect(await to.send(shipment(['one']), never)).toMatchObject({
    kind: 'retry',
    reason: expect.stringContaining('ENOSPC'),
  });
});

describe('at the start', () => {
  const whole = line('one', 'id-0');
  test.each([
    ['a record cut off by a crash is removed', whole + whole.slice(0, 30), whole],
    ['a record cut off in its first bytes is removed', `${whole}{"p`, whole],
    ['a file of one cut-off record becomes empty', whole.slice(0, 20), ''],
    ['a long one is removed too', `${whole}{"path":"${'x'.repeat(200_000)}`, whole],
    ["somebody's line without its newline gets it", `${whole}# a note`, `${whole}# a note\n`],
    ['a whole file stays', whole, whole],
    ['an empty file stays', '', ''],
  ])('%s', async (_, before, after) => {
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    await writeFile(path, before);
    await file();
    expect(await content()).toBe(after);
  });

  test('a folder in its place is an error that says so', async () => {
    await mkdir(path, { recursive: true });
    await expect(file()).rejects.toThrow(`file destination ${path} cannot be written: EISDIR: it is a folder`);
    await expect(file(join(__filename, 'x'))).rejects.toThrow(/cannot be written: (ENOTDIR|EEXIST)/);
  });
});

test('what another program appends stays', async () => {
  const to = await file();
  await to.send(shipment(['one']), never);
  await appendFile(path, 'theirs\n');
  await to.send(shipment(['two']), never);
  expect(await content()).toBe(`${line('one', 'id-0')}theirs\n${line('two', 'id-0')}`);
});

test('a file that was moved away is made again', async () => {
  const to = await file();
  await to.send(shipment(['one']), never);
  await rename(path, `${path}.1`);
  await to.send(shipment(['two']), never);
  expect(await content()).toBe(line('two', 'id-0'));
  expect(await readFile(`${path}.1`, 'utf8')).toBe(line('one', 'id-0'));
});

test('sources that share a file never mix their batches', async () => {
  const sources = await Promise.all([file(), file(join(folder, 'a', '.', 'b', 'out.jsonl')), file()]);
  const texts = Array.from({ length: 200 }, (_, i) => `line ${i}`);
  const sends = sources.flatMap((to, s) =>
    Array.from({ length: 3 }, (_, n) => to.send(shipment([], { records: records(texts, `${s}.${n}-`) }), never)),
  );
  expect(new Set((await Promise.all(sends)).map(({ kind }) => kind))).toEqual(new Set(['accepted']));
  const ids = (await content())
    .trimEnd()
    .split('\n')
    .map((record) => (JSON.parse(record) as { id: string }).id);
  const batches = [...new Set(ids.map((id) => id.split('-')[0]))];
  expect(batches).toHaveLength(9);
  expect(ids).toEqual(batches.flatMap((batch) => texts.map((_, i) => `${batch}-${i}`)));
});

test.each([
  ['with one path', async () => [await file(), await file()]],
  [
    'with a path written in two ways',
    async () => [await file(), await file(join(folder, 'a', '.', 'b') + '//out.jsonl')],
  ],
  [
    'when another one was closed',
    async () => {
      const [first, second] = [await file(), await file()];
      await first.close();
      opened.shift();
      return [second, await file()];
    },
  ],
])('what one source takes back never takes from another, %s', async (_, open) => {
  const [a, b] = await open();
  const handles = await fileHandles();
  jest.spyOn(handles, 'datasync').mockImplementationOnce(async () => {
    // Time enough for the other source to write, were it let.
    const { size } = await stat(path);
    for (let i = 0; i < 50 && (await stat(path)).size === size; i++);
    throw systemError('EIO');
  });
  const [first, second] = await Promise.all([a?.send(shipment(['one']), never), b?.send(shipment(['two']), never)]);
  expect(first).toMatchObject({ kind: 'retry' });
  expect(second).toEqual({ kind: 'accepted' });
  expect(await content()).toBe(line('two', 'id-0'));
});

describe('stdout', () => {
  test('writes one record a line', async () => {
    const stream = new PassThrough();
    const to = createStdoutDestination(stream);
    const sending = to.send(shipment(['one', 'two']), never);
    expect(String(stream.read())).toBe(line('one', 'id-0') + line('two', 'id-1'));
    expect(await sending).toEqual({ kind: 'accepted' });
  });

  test('waits for a slow reader, and gives up on an abort', async () => {
    let take = () => {};
    const stream = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void (take = done) });
    const to = createStdoutDestination(stream);
    let answered = false;
    const sending = to.send(shipment(['one']), never).then((answer) => {
      answered = true;
      return answer;
    });
    const stop = new AbortController();
    const second = to.send(shipment(['two']), stop.signal);
    stop.abort(new Error('stopped'));
    await expect(second).rejects.toThrow('stopped');
    expect(answered).toBe(false);
    take();
    expect(await sending).toEqual({ kind: 'accepted' });
  });

  test('a reader that went away is told', async () => {
    const stream = new Writable({ write: (_chunk, _encoding, done) => done(systemError('EPIPE')) });
    const to = createStdoutDestination(stream);
    expect(await to.send(shipment(['one']), never)).toEqual({
      kind: 'blocked',
      reason: 'standard output cannot be written: EPIPE: test',
    });
    await to.close();
  });
});
