import {
  appendFileSync as append,
  copyFileSync as copy,
  mkdirSync,
  renameSync as rename,
  symlinkSync,
  truncateSync as truncate,
  utimesSync,
  writeFileSync as write,
} from 'node:fs';
import { dirname } from 'node:path';
import { gzipSync } from 'node:zlib';
import { longLines } from '../../../../../contract/flicker';
import { Harness } from './harness';

let at: Harness;
function setup(path: string, config: Record<string, unknown>): string {
  at = new Harness({ path, start_at: 'beginning', ...config });
  const file = at.path(path);
  mkdirSync(dirname(file), { recursive: true });
  return file;
}
afterEach(() => at.end());

const pod = 'shop_web-7d_0a1b/app/0.log';
const T = '2024-01-01T00:00:00.123456789Z';
const cri = (stream: string, tag: string, text: string) => `${T} ${stream} ${tag} ${text}\n`;

describe('container log files', () => {
  test('carry time, pod and stream; their lines are as they were written', async () => {
    const file = setup(pod, { format: 'cri' });
    write(file, cri('stdout', 'F', 'GET "/"') + cri('stderr', 'F', '  é\r') + cri('stdout', 'F', ''));
    append(file, `2024-01-01T01:00:00+01:00 stdout F:meta next\n2024-01-01T00:00:01Z stdout F\n`);
    await at.start();
    const attributes = {
      'k8s.namespace.name': 'shop',
      'k8s.pod.name': 'web-7d',
      'k8s.pod.uid': '0a1b',
      'k8s.container.name': 'app',
    };
    const shipped = await at.poll();
    expect(shipped).toEqual([
      {
        ...{ path: file, line: 'GET "/"', id: expect.stringMatching(/-0$/) as string, time: T },
        attributes: { ...attributes, 'log.iostream': 'stdout' },
      },
      {
        ...{ path: file, line: '  é', id: expect.stringMatching(/-48$/) as string, time: T },
        attributes: { ...attributes, 'log.iostream': 'stderr' },
      },
      {
        ...{ path: file, line: 'next', id: expect.any(String) as string, time: '2024-01-01T01:00:00+01:00' },
        attributes: { ...attributes, 'log.iostream': 'stdout' },
      },
    ]);
    expect(at.running.lag()).toBe(0);
  });

  test('are known through the links of /var/log/containers', async () => {
    const link = setup('web-7d_shop_app-' + 'ab'.repeat(32) + '.log', { format: 'cri' });
    const file = at.path(pod);
    mkdirSync(dirname(file), { recursive: true });
    write(file, cri('stdout', 'F', 'linked'));
    symlinkSync(file, link);
    await at.start();
    const uid = { 'k8s.pod.uid': '0a1b', 'k8s.container.name': 'app', 'k8s.namespace.name': 'shop' };
    expect(await at.poll()).toMatchObject([{ line: 'linked', attributes: uid }]);
  });

  test('a name without a link tells all but the uid; any other tells nothing', async () => {
    const file = setup('web-7d_shop_app-' + 'ab'.repeat(32) + '.log', { format: 'cri' });
    write(file, cri('stdout', 'F', 'plain'));
    await at.start();
    const attributes = { 'k8s.namespace.name': 'shop', 'k8s.pod.name': 'web-7d', 'k8s.container.name': 'app' };
    expect(await at.poll()).toMatchObject([{ attributes: { ...attributes, 'log.iostream': 'stdout' } }]);
    await at.end();
    write(setup('any.log', { format: 'cri' }), cri('stdout', 'F', 'plain'));
    await at.start();
    expect(await at.poll()).toMatchObject([{ attributes: { 'log.iostream': 'stdout' } }]);
  });

  test('partial lines are joined, though a character and other lines lie between them', async () => {
    const file = setup(pod, { format: 'cri' });
    const [head, tail] = [Buffer.from('aé').subarray(0, 2), Buffer.from('aé').subarray(2)];
    const part = (tag: string, bytes: Buffer) =>
      Buffer.concat([Buffer.from(`${T} stdout ${tag} `), bytes, Buffer.from('\n')]);
    write(file, Buffer.concat([part('P', head), Buffer.from(cri('stderr', 'F', 'between')), part('F', tail)]));
    await at.start();
    const shipped = await at.poll();
    expect(shipped.map(({ line }) => line)).toEqual(['between', 'aé']);
    expect(shipped[1]?.id).toMatch(/-0\+1$/);
  });

  test('a carriage return at the end of a part is text', async () => {
    const file = setup(pod, { format: 'cri' });
    write(file, cri('stdout', 'P', 'a\r') + cri('stdout', 'F', 'b\r'));
    await at.start();
    expect(await at.lines()).toEqual(['a\rb']);
  });

  test('other lines are shipped as they are, and counted', async () => {
    const file = setup(pod, { format: 'cri' });
    const lines = ['no header', `${T} stdin F x`, `${T} stdout X x`, `2024-01-01 stdout F x`];
    write(file, lines.map((line) => `${line}\n`).join('') + cri('stdout', 'F', 'fine'));
    await at.start();
    expect(await at.lines()).toEqual([...lines, 'fine']);
    expect(at.metrics.linesUnparsed.total()).toBe(lines.length);
  });

  test('what is rotated away between two parts is shipped; compressed files are left alone', async () => {
    const file = setup(pod, { format: 'cri' });
    write(file, cri('stdout', 'F', 'first') + cri('stdout', 'P', 'left'));
    await at.start();
    expect(await at.lines()).toEqual(['first']);
    rename(file, `${file}.20240101-000000`);
    write(file, cri('stdout', 'F', 'right') + cri('stdout', 'F', 'second'));
    write(`${file}.20231231-000000.gz`, gzipSync(cri('stdout', 'F', 'old')));
    expect(await at.lines()).toEqual(['right', 'second']);
    await at.start();
    expect(await at.lines(6000)).toEqual([]);
    expect(await at.lines(6000)).toEqual([`left${longLines.continues}`]);
    expect(await at.lines(6000)).toEqual([]);
  });

  test('a part that nothing follows is shipped in time, and what comes then goes on, after a restart too', async () => {
    const file = setup(pod, { format: 'cri' });
    write(file, cri('stdout', 'P', 'a'));
    await at.start();
    expect(await at.lines()).toEqual([]);
    expect(await at.lines(4999)).toEqual([]);
    expect(await at.lines(1)).toEqual([`a${longLines.continues}`]);
    await at.start();
    append(file, cri('stderr', 'F', 'x') + cri('stdout', 'F', 'b') + cri('stdout', 'F', 'c'));
    expect(await at.lines()).toEqual(['x', `${longLines.continued}b`, 'c']);
  });

  test('a joined line of more than 1 MiB is split with marks', async () => {
    const file = setup(pod, { format: 'cri' });
    const part = 'x'.repeat(16_384);
    write(
      file,
      (cri('stdout', 'P', part) + cri('stderr', 'F', 'y'.repeat(9000))).repeat(100) + cri('stdout', 'F', 'end'),
    );
    await at.start();
    const long = (await at.lines()).filter((line) => line.includes('x'));
    expect(long).toEqual([
      `${'x'.repeat(1024 ** 2)}${longLines.continues}`,
      `${longLines.continued}${'x'.repeat(36 * 16_384)}end`,
    ]);
    expect(at.shipped).toHaveLength(102);
  });

  test('the position waits for the oldest part; what was shipped behind it is not shipped again', async () => {
    const file = setup(pod, { format: 'cri' });
    write(file, cri('stdout', 'P', 'a') + cri('stderr', 'F', 'x'));
    await at.start();
    expect(await at.lines()).toEqual(['x']);
    expect(Object.values(at.state.files)).toMatchObject([{ offset: 0, streams: { stderr: { offset: 84 } } }]);
    await at.start();
    append(file, cri('stderr', 'F', 'y') + cri('stdout', 'F', 'b'));
    expect(await at.lines()).toEqual(['y', 'ab']);
    const [entry] = Object.values(at.state.files);
    expect(entry).toMatchObject({ offset: 168 });
    expect(entry?.streams).toBeUndefined();
  });

  test('a copy is read on behind the part that waits, and what was shipped behind it is not shipped again', async () => {
    const file = setup(pod, { format: 'cri' });
    write(file, cri('stdout', 'P', 'a'.repeat(1100)) + cri('stderr', 'F', 'x'));
    await at.start();
    expect(await at.lines()).toEqual(['x']);
    copy(file, `${file}.20240101-000000`);
    truncate(file);
    append(`${file}.20240101-000000`, cri('stdout', 'F', 'b'));
    expect(await at.lines()).toEqual([`${'a'.repeat(1100)}b`]);
  });

  test('without ids a record is path and line', async () => {
    const file = setup(pod, { format: 'cri' });
    at.includeId = false;
    write(file, cri('stdout', 'F', 'one') + cri('stdout', 'P', 'tw') + cri('stdout', 'F', 'o'));
    await at.start();
    expect(await at.poll()).toEqual(['one', 'two'].map((line) => ({ path: file, line })));
  });
});

describe('multiline', () => {
  const trace = 'Error: bad\n  at a\n\n  at b\n';

  test('a start pattern, a time-out, and the end of a file end an event', async () => {
    const file = setup('app.log', { multiline: { start_pattern: '^\\S' } });
    write(file, `  stray\n${trace}next\n`);
    await at.start();
    const shipped = await at.poll();
    expect(shipped.map(({ line }) => line)).toEqual(['  stray', trace.trimEnd()]);
    expect(shipped[1]?.id).toMatch(/-8\+3$/);
    expect(Object.values(at.state.files)[0]?.offset).toBe(8 + trace.length);
    append(file, '  and on\n');
    expect(await at.lines(4000)).toEqual([]);
    expect(await at.lines(4999)).toEqual([]);
    expect(await at.lines(1)).toEqual(['next\n  and on']);
    append(file, '  too late\n');
    await at.poll();
    expect(await at.lines(5000)).toEqual(['  too late']);
    expect(await at.lines(60_000)).toEqual([]);
  });

  test('a continuation pattern', async () => {
    const file = setup('app.log', { multiline: { continuation_pattern: '^\\s|^Caused by', timeout_ms: '1s' } });
    write(file, 'a\n b\nCaused by c\n\nd\n');
    await at.start();
    expect(await at.lines()).toEqual(['a\n b\nCaused by c']);
    expect(await at.lines(1000)).toEqual(['d']);
  });

  test('what was idle for long when it is seen first does not wait', async () => {
    const file = setup('app.log', { multiline: { start_pattern: '^\\S' } });
    write(file, trace);
    const hourAgo = at.time / 1000 - 3600;
    utimesSync(file, hourAgo, hourAgo);
    await at.start();
    expect(await at.lines(0)).toEqual([trace.trimEnd()]);
  });

  test('a single run waits for what may complete its last event', async () => {
    const file = setup('app.log', { multiline: { start_pattern: '^\\S' } });
    at.once = true;
    write(file, `${trace}half a line`);
    await at.start();
    expect(await at.lines(0)).toEqual([trace.trimEnd()]);
  });

  test('bounds end an event between lines', async () => {
    const file = setup('app.log', { multiline: { continuation_pattern: '^ ', max_lines: 3, max_bytes: 1024 } });
    const wide = ` ${'w'.repeat(600)}`;
    write(file, `1\n 2\n 3\n 4\n 5\nx\n${wide}\n${wide}\n${wide}\nend\nend\n`);
    await at.start();
    expect(await at.lines()).toEqual(['1\n 2\n 3', ' 4\n 5', `x\n${wide}`, wide, wide, 'end']);
  });

  test('a line of more than 1 MiB is split with marks, in the middle of an event as well', async () => {
    const file = setup('app.log', { multiline: { continuation_pattern: '^ ' } });
    const long = ` ${'é'.repeat(1024 ** 2)}`;
    write(file, `a\n${long}\n b\nend\n`);
    await at.start();
    at.batchEvents = 1;
    const shipped = [...(await at.lines()), ...(await at.lines(6000))];
    const text = shipped.join('|').replaceAll(`${longLines.continues}|${longLines.continued}`, '');
    expect(text).toBe(`a|${long}\n b|end`);
  });

  test('an event that waits is shipped when its file is rotated away or deleted, and looked for in a copy when cut', async () => {
    const file = setup('app.log', { multiline: { start_pattern: '^\\S' } });
    write(file, trace);
    await at.start();
    expect(await at.lines()).toEqual([]);
    rename(file, `${file}.1`);
    write(file, 'new\n');
    expect(await at.lines(6000)).toEqual([trace.trimEnd()]);
    expect(await at.lines(6000)).toEqual(['new']);
    append(file, trace);
    expect(await at.lines()).toEqual([]);
    write(`${file}.2`, `new\n${trace}`);
    truncate(file);
    await at.poll();
    expect(await at.lines(6000)).toEqual([trace.trimEnd()]);
    expect(at.missed()).toEqual([]);
  });

  test('each stream of a container has its own events', async () => {
    const file = setup(pod, { format: 'cri', multiline: { continuation_pattern: '^ ' } });
    const lines = [
      cri('stdout', 'F', 'out'),
      cri('stderr', 'F', 'err'),
      cri('stdout', 'P', ' more'),
      cri('stderr', 'F', ' more err'),
      cri('stdout', 'F', ' out'),
      cri('stderr', 'F', 'next'),
    ];
    write(file, lines.join(''));
    await at.start();
    expect(await at.lines()).toEqual(['err\n more err']);
    expect(await at.lines(5000)).toEqual(['out\n more out', 'next']);
  });
});

test('JSON lines: members, message, time; filters see the line as it is written', async () => {
  const file = setup('app.log', {
    parse_json: { message_field: 'log.message', timestamp_field: 'ts' },
    exclude_on: ['"level":"debug"'],
  });
  const lines = [
    '{"ts":1700000000.5,"log":{"message":"hi"},"id":12345678901234567890}',
    '{"level":"debug"}',
    'no json',
    '[1]',
    '{"ts":"soon"}',
  ];
  write(file, `${lines.join('\n')}\n`);
  await at.start();
  const shipped = await at.poll();
  expect(shipped).toMatchObject([
    {
      line: 'hi',
      time: '2023-11-14T22:13:20.500Z',
      fields: { ts: 1700000000.5, log: { message: 'hi' } },
    },
    { line: 'no json' },
    { line: '[1]' },
    { line: '{"ts":"soon"}', fields: { ts: 'soon' } },
  ]);
  expect(shipped.map((event) => 'fields' in event)).toEqual([true, false, false, true]);
  expect(at.metrics.linesUnparsed.total()).toBe(2);
  expect(at.metrics.timestampsUnreadable.total()).toBe(1);
  expect(at.metrics.eventsFiltered.total()).toBe(1);
});
