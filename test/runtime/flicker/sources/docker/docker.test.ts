import { upgradeV1 } from '../../../../../runtime/flicker/state';
import { Harness, START } from './harness';

const open: Harness[] = [];
async function harness(config?: Parameters<typeof Harness.create>[0]): Promise<Harness> {
  const at = await Harness.create(config);
  open.push(at);
  return at;
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((at) => at.end()));
});

test('ships both streams with what is known of the container', async () => {
  const at = await harness();
  const web = at.docker.run({ name: 'web' });
  web.write('stdout', 'GET / 200\n');
  at.nanos += 1n;
  web.write('stderr', 'slow\r\n\n');
  web.write('stdout', 'no newline yet');
  const attributes = { 'container.name': 'web', 'container.id': web.id };
  const id = web.id.slice(0, 20);
  expect(await at.poll()).toEqual([
    {
      path: 'docker://web',
      line: 'GET / 200',
      id: `${id}-${START}000000-0`,
      time: '2023-11-14T22:13:20.000000000Z',
      attributes: { ...attributes, 'log.iostream': 'stdout' },
    },
    {
      path: 'docker://web',
      line: 'slow',
      id: `${id}-${START}000001-e0`,
      time: '2023-11-14T22:13:20.000000001Z',
      attributes: { ...attributes, 'log.iostream': 'stderr' },
    },
  ]);
  expect(at.metrics.eventsRead.total()).toBe(2);
  expect(await at.lines()).toEqual([]);
  web.write('stdout', '.\n');
  expect(await at.lines()).toEqual(['no newline yet.']);
});

test('equal times are told apart, also after a restart in their middle', async () => {
  const at = await harness();
  const web = at.docker.run({ name: 'web' });
  for (const n of [0, 1, 2, 3, 4]) web.write('stdout', `${n}\n`);
  at.batchEvents = 2;
  await at.poll(1);
  await at.start();
  expect((await at.poll(1)).map(({ line }) => line)).toEqual(['2', '3']);
  web.write('stdout', '5\n');
  await at.start();
  expect(await at.lines()).toEqual(['4', '5']);
  expect(new Set(at.shipped.map(({ id }) => id)).size).toBe(6);
});

test('a line whose stream was overtaken by the other is not lost', async () => {
  const at = await harness();
  const web = at.docker.run({ name: 'web' });
  at.pass(1000);
  web.write('stdout', 'later\n');
  await at.poll();
  at.pass(-1);
  web.write('stderr', 'stamped before, logged behind\n');
  expect(await at.lines()).toEqual(['stamped before, logged behind']);
});

test.each([{ tty: false }, { tty: true }])('parts of long lines are joined, bytes and all: %p', async ({ tty }) => {
  const at = await harness();
  const app = at.docker.run({ name: 'app', tty });
  // A character lies across the end of each part.
  const long = `x${'é'.repeat(30_000)}`;
  app.write('stdout', `${long}\nshort\n`);
  app.write('stderr', 'other\n');
  app.write('stdout', 'y'.repeat(20_000));
  const first = await at.poll();
  expect(first.map(({ line }) => line).sort()).toEqual(['other', 'short', long]);
  const joined = first.find(({ line }) => line === long);
  expect(joined?.id).toMatch(/-0\+3$/);
  app.write('stdout', 'z\n');
  expect(await at.lines()).toEqual([`${'y'.repeat(20_000)}z`]);
  expect(await at.lines()).toEqual([]);
});

test.each([{ tty: false }, { tty: true }])('a line of more than 1 MiB is split with marks: %p', async ({ tty }) => {
  const at = await harness();
  const app = at.docker.run({ name: 'app', tty });
  app.write('stdout', `${'y'.repeat(2_500_000)}\nnext\n`);
  const lines = await at.lines();
  expect(lines.map((line) => line.length)).toEqual([1_048_588, 1_048_600, 402_860, 4]);
  expect(lines.join('').replaceAll('…[continues][continued]…', '')).toBe(`${'y'.repeat(2_500_000)}next`);
});

test('an open line is found again, however far the other stream has gone on', async () => {
  const at = await harness();
  const app = at.docker.run({ name: 'app' });
  app.write('stdout', 'y'.repeat(16_384));
  for (const n of [1, 2, 3, 4]) {
    at.pass(1000);
    app.write('stderr', `${n}\n`);
    expect(await at.lines()).toEqual([`${n}`]);
    await at.start();
  }
  app.write('stdout', 'z\n');
  expect(await at.lines()).toEqual([`${'y'.repeat(16_384)}z`]);
});

test('a line that is never finished is shipped in time, and what comes then goes on', async () => {
  const at = await harness();
  const app = at.docker.run({ name: 'app' });
  app.write('stdout', 'y'.repeat(16_384));
  expect(await at.lines()).toEqual([]);
  at.pass(5000);
  expect(await at.lines()).toEqual([`${'y'.repeat(16_384)}…[continues]`]);
  await at.start();
  app.write('stdout', 'z\nnext\n');
  expect(await at.lines()).toEqual(['[continued]…z', 'next']);
});

test('starts at the end of what is there first, and at the beginning of what comes later', async () => {
  const at = await harness({ container: 'web-*' });
  const old = at.docker.run({ name: 'web-1' });
  old.write('stdout', 'before\n');
  at.pass(1);
  await at.start();
  old.write('stdout', 'after\n');
  const late = at.docker.run({ name: 'web-2' });
  at.docker.run({ name: 'db' }).write('stdout', 'not mine\n');
  late.write('stdout', 'all of it\n');
  expect((await at.lines()).sort()).toEqual(['after', 'all of it']);
  // Also one that came while nobody looked.
  at.docker.run({ name: 'web-3' }).write('stdout', 'unseen\n');
  await at.start();
  expect(await at.lines()).toEqual(['unseen']);
});

test('follows a container through its restarts, and reads an ended one to its end, once', async () => {
  const at = await harness();
  const job = at.docker.run({ name: 'job' });
  job.write('stdout', 'one\nlast words');
  job.exit();
  expect(await at.lines()).toEqual(['one', 'last words']);
  const asked = () => at.docker.requests.filter((path) => path.includes('/logs')).length;
  const before = asked();
  expect(await at.lines()).toEqual([]);
  expect(asked()).toBe(before);
  at.pass(1000);
  job.start();
  job.write('stdout', 'again\n');
  at.pass(1);
  job.exit();
  expect(await at.lines()).toEqual(['again']);
});

test('chooses by name, id, glob and labels', async () => {
  const chosen = async (config: Parameters<typeof Harness.create>[0]) => {
    const at = await harness({ start_at: 'beginning', ...config });
    const ids = ['web', 'web-2', 'db'].map((name) => {
      const container = at.docker.run({
        name,
        labels: name === 'db' ? { tier: 'data' } : { tier: 'front', app: name },
      });
      container.write('stdout', `${name}\n`);
      return container.id;
    });
    return { at, ids, lines: async () => (await at.lines()).sort() };
  };
  expect(await (await chosen({ container: 'web' })).lines()).toEqual(['web']);
  expect(await (await chosen({ container: 'web*' })).lines()).toEqual(['web', 'web-2']);
  expect(await (await chosen({ container: 'w?b' })).lines()).toEqual(['web']);
  // The documented key of the original.
  expect(await (await chosen({ name: 'db' })).lines()).toEqual(['db']);
  expect(await (await chosen({ name: 'all', labels: ['tier'] })).lines()).toEqual(['db', 'web', 'web-2']);
  expect(await (await chosen({ labels: ['tier=front', 'app=web'] })).lines()).toEqual(['web']);
  expect(await (await chosen({ container: 'web*', labels: ['tier=data'] })).lines()).toEqual([]);
  const byId = await chosen({ container: 'none' });
  byId.at.config = { container: byId.ids[1]?.slice(0, 12), start_at: 'beginning' };
  expect(await byId.lines()).toEqual(['web-2']);
});

test('takes over positions of the original', async () => {
  const at = await harness({ container: 'web' });
  const web = at.docker.run({ name: 'web' });
  web.write('stdout', 'shipped\n');
  at.pass(1000);
  web.write('stdout', 'not shipped\n');
  at.pass(1000);
  const containers = { web: { last_timestamp: '2023-11-14T22:13:20Z' } };
  await at.start(upgradeV1({ version: 1, files: {}, containers, api_sources: {} }));
  expect(await at.lines()).toEqual(['not shipped']);
});

test('keeps the position of a container that is gone for a while, and of other nodes for a week', async () => {
  const at = await harness();
  const web = at.docker.run({ name: 'web' });
  web.write('stdout', 'a\n');
  await at.poll();
  const entry = at.state.docker?.[`node/${web.id}`];
  at.state.docker = {
    ...at.state.docker,
    'other/x': entry ?? { source: '*', name: '', ts: '', streams: {}, seenAt: '' },
  };
  web.remove();
  await at.poll();
  at.pass(3_599_000);
  await at.poll();
  expect(Object.keys(at.state.docker)).toEqual([`node/${web.id}`, 'other/x']);
  at.pass(1000);
  await at.poll();
  expect(Object.keys(at.state.docker)).toEqual(['other/x']);
  at.pass(7 * 86_400_000);
  await at.start();
  await at.poll();
  expect(at.state.docker).toEqual({});
});

test('two sources that follow one container keep a position each', async () => {
  const at = await harness();
  const web = at.docker.run({ name: 'web' });
  web.write('stdout', 'a\n');
  const other = { source: 'other', name: 'web', ts: '', streams: {}, seenAt: '' };
  at.state.docker = { [`node/${web.id}`]: other };
  expect(await at.lines()).toEqual(['a']);
  expect(at.state.docker[`node/${web.id}`]).toEqual(other);
  await at.start();
  expect(await at.lines()).toEqual([]);
});

test('what came of an answer that ends too soon is sent with its position', async () => {
  const at = await harness();
  const web = at.docker.run({ name: 'web' });
  web.write('stdout', 'a\nb\n');
  at.docker.cutLogsAfter(50);
  await expect(at.problem()).resolves.not.toBe('');
  expect(Object.values(at.state.docker ?? {})).toMatchObject([{ streams: { stdout: { sameTsCount: 1 } } }]);
});

test('joins lines, parses JSON, filters and masks', async () => {
  const at = await harness({
    container: 'app',
    start_at: 'beginning',
    exclude_on: ['healthz'],
    multiline: { continuation_pattern: '^\\s' },
    parse_json: { message_field: 'msg', timestamp_field: 'ts' },
    masking: { enabled: true, rules: { email: { enabled: true } } },
  });
  const app = at.docker.run({ name: 'app' });
  app.write('stdout', 'Error: bad\n  at a\n');
  app.write('stderr', '{"msg":"hi a@b.co","ts":"2026-01-01T00:00:00.123456Z","n":12345678901234567890}\n');
  app.write('stdout', '  at b\nGET /healthz\n');
  at.pass(4999);
  // The last of each stream may go on.
  expect(await at.lines()).toEqual(['Error: bad\n  at a\n  at b']);
  at.pass(1);
  const rest = await at.poll();
  expect(rest).toMatchObject([{ line: 'hi [EMAIL]', time: '2026-01-01T00:00:00.123456Z' }]);
  expect(JSON.stringify(rest[0]?.fields)).toContain('"msg":"hi [EMAIL]"');
  expect(at.metrics.linesUnparsed.total()).toBe(1);
  expect(at.metrics.eventsFiltered.total()).toBe(1);
});

test('a single run waits for what may complete its last events', async () => {
  const at = await harness({ container: 'app', start_at: 'beginning', multiline: { start_pattern: '^\\S' } });
  at.once = true;
  at.docker.run({ name: 'app' }).write('stdout', 'a\n b\n');
  expect(await at.lines()).toEqual(['a\n b']);
  expect(at.ms).toBe(START + 5000);
});

test('without ids a record is path and line', async () => {
  const at = await harness();
  at.includeId = false;
  at.docker.run({ name: 'web' }).write('stdout', 'a\n');
  expect(await at.poll()).toEqual([{ path: 'docker://web', line: 'a' }]);
});

describe('what goes wrong', () => {
  test('an answer that ends too soon is read on from where it ended', async () => {
    const at = await harness();
    const web = at.docker.run({ name: 'web' });
    for (let n = 0; n < 50; n++) web.write('stdout', `line ${n}\n`);
    at.docker.cutLogsAfter(1000);
    expect(await at.problem()).toContain('container web: cannot reach the Docker daemon');
    expect(at.shipped.length).toBeGreaterThan(10);
    at.docker.cutLogsAfter(undefined);
    await at.poll();
    expect(at.shipped.map(({ line }) => line)).toEqual(Array.from({ length: 50 }, (_, n) => `line ${n}`));
  });

  test('a container that cannot be read does not stop the others', async () => {
    const at = await harness();
    at.docker.run({ name: 'good' }).write('stdout', 'a\n');
    at.docker.run({ name: 'mute', driver: 'none' });
    expect(await at.problem()).toBe(
      'container mute: the Docker daemon answered 501: configured logging driver does not support reading',
    );
    expect(at.shipped.map(({ line }) => line)).toEqual(['a']);
  });

  test('a daemon that is not there is named', async () => {
    const at = await harness({ container: 'web', socket_path: '/nowhere/docker.sock' });
    await expect(at.start()).rejects.toThrow(
      'cannot reach the Docker daemon at /nowhere/docker.sock: ENOENT; mount its socket, and allow the process to use it',
    );
  });

  test('DOCKER_HOST names the socket, and nothing but a socket', async () => {
    const at = await harness({ container: '*', start_at: 'beginning' });
    at.docker.run({ name: 'web' }).write('stdout', 'a\n');
    await at.start(undefined, { DOCKER_HOST: `unix://${at.docker.socket}` });
    expect(await at.lines()).toEqual(['a']);
    await expect(at.start(at.state, { DOCKER_HOST: 'tcp://10.0.0.1:2375' })).resolves.toBeUndefined();
    expect(await at.problem()).toContain('DOCKER_HOST does not begin with unix://');
  });
});
