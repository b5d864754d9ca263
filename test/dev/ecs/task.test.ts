import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connection } from '../../../dev/aws/connection';
import { completeTaskDefinition } from '../../../dev/ecs/definition';
import { players } from '../../../dev/ecs/players';
import { startTask, type Task, type TaskHost, type TaskState } from '../../../dev/ecs/task';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-task-'));
const running: Task[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((task) => task.stop('the test is over')));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a task of containers in the API's shape; each has the Node image and a volume at /v. */
function start(containers: Record<string, object>, host: Partial<TaskHost> = {}) {
  const definitions = Object.entries(containers).map(([name, fields]) => ({
    name,
    image: 'public.ecr.aws/docker/library/node:24',
    mountPoints: [{ sourceVolume: 'v', containerPath: '/v' }],
    ...fields,
  }));
  const arn = 'arn:aws:ecs:us-east-1:000000000000:task-definition/test:1';
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const changed = () => waiting.forEach((check) => check());
  const task = startTask(
    completeTaskDefinition({ arn, containerDefinitions: definitions, volumes: [{ name: 'v' }] }, undefined),
    {
      aws: connection({
        endpoint: 'http://127.0.0.1:9',
        region: 'us-east-1',
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      }),
      cluster: 'c',
      players,
      folder,
      binFolder: dirname(process.execPath),
      metadataUrl: () => 'http://127.0.0.1:9',
      log: ({ container, line }) => {
        lines.push(`${container}: ${line}`);
        changed();
      },
      changed,
      ...host,
    },
  );
  running.push(task);
  const until = (condition: (state: TaskState) => boolean) =>
    new Promise<TaskState>((resolve) => {
      const check = () => {
        if (!condition(task.state())) return;
        waiting.delete(check);
        resolve(task.state());
      };
      waiting.add(check);
      check();
    });
  return { task, lines, until, printed: (line: string) => until(() => lines.includes(line)) };
}

/** Killed at once, a process still counts until the system has reaped it. */
async function untilGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await delay(5);
  }
}

const node = (script: string) => ({ command: ['node', '-e', script] });
const forever = 'setInterval(() => {}, 1000);';

test('an init container fills a volume before the one that needs its success starts', async () => {
  const { lines, printed, until } = start({
    main: {
      ...node(`console.log(fs.readFileSync('/v/x', 'utf8')); ${forever}`),
      dependsOn: [{ containerName: 'init', condition: 'SUCCESS' }],
    },
    init: { ...node(`setTimeout(() => fs.writeFileSync('/v/x', 'from init'), 50)`), essential: false },
  });
  await printed('main: from init');
  const state = await until(({ status }) => status === 'RUNNING');
  expect(state.containers.init).toMatchObject({ status: 'STOPPED', exitCode: 0 });
  expect(lines).toEqual(['main: from init']);
});

test('a container whose dependency fails never starts, and takes its task along', async () => {
  const { task, lines } = start({
    main: { ...node(`console.log('never')`), dependsOn: [{ containerName: 'init', condition: 'SUCCESS' }] },
    init: { ...node('process.exit(4)'), essential: false },
  });
  await task.stopped;
  const { stoppedReason, containers } = task.state();
  expect(stoppedReason).toBe(
    'essential container main exited: container init did not reach SUCCESS, which main depends on',
  );
  expect(containers.init?.exitCode).toBe(4);
  expect(containers.main?.exitCode).toBeUndefined();
  expect(lines).toEqual([]);
});

test('COMPLETE takes any exit code, START only a start, HEALTHY a passed check', async () => {
  const { printed, until } = start(
    {
      last: {
        ...node(`console.log('up'); ${forever}`),
        dependsOn: [
          { containerName: 'failed', condition: 'COMPLETE' },
          { containerName: 'server', condition: 'START' },
          { containerName: 'server', condition: 'HEALTHY' },
        ],
      },
      failed: { ...node('process.exit(1)'), essential: false },
      server: {
        ...node(`setTimeout(() => fs.writeFileSync('/v/ok', ''), 100); ${forever}`),
        healthCheck: { command: ['CMD-SHELL', 'test -e /v/ok'], retries: 100 },
      },
    },
    { healthIntervalMs: 20 },
  );
  const before = await until(({ containers }) => containers.failed?.status === 'STOPPED');
  expect(before.containers.last?.status).toBe('PENDING');
  await printed('last: up');
  expect((await until(() => true)).containers.server?.health).toBe('HEALTHY');
});

test('an essential container that becomes unhealthy stops the task; failures in the start period do not count', async () => {
  const healthCheck = {
    command: ['CMD', 'node', '-e', `console.log('no'); process.exit(1)`],
    retries: 2,
    startPeriod: 0,
  };
  const { task } = start({ main: { ...node(forever), healthCheck } }, { healthIntervalMs: 10 });
  await task.stopped;
  expect(task.state().stoppedReason).toBe('container main is unhealthy: health check: exit code 1: no');

  const patient = start(
    {
      main: {
        ...node(forever),
        healthCheck: { ...healthCheck, command: ['CMD-SHELL', 'echo x >> /v/n; exit 1'], startPeriod: 60 },
      },
      counter: {
        ...node(`setInterval(() => { try { if (fs.statSync('/v/n').size >= 8) console.log('four') } catch {} }, 10)`),
      },
    },
    { healthIntervalMs: 10 },
  );
  await patient.printed('counter: four');
  expect(patient.task.state()).toMatchObject({ status: 'RUNNING', containers: { main: { health: 'UNKNOWN' } } });
});

test('the restart policy restarts in the same task, with its volumes', async () => {
  const script = `const n = fs.existsSync('/v/n') ? 2 : 1; fs.writeFileSync('/v/n', ''); console.log('start ' + n); ${forever}`;
  const policy = { restartPolicy: { enabled: true, ignoredExitCodes: [3] } };
  const { task, printed, until } = start({ main: { ...node(script), ...policy } }, { restartAttemptPeriodMs: 0 });
  await printed('main: start 1');
  await task.kill('main', 'SIGKILL');
  await printed('main: start 2');
  expect((await until(() => true)).containers.main).toMatchObject({ status: 'RUNNING', restarts: 1 });
  await task.stop('asked');
  expect(task.state().containers.main).toMatchObject({ status: 'STOPPED', restarts: 1 });
});

test.each([
  ['an ignored exit code', 3, 0],
  ['an end before the period is over', 1, 60_000],
])('no restart after %s', async (_, code, restartAttemptPeriodMs) => {
  const restartPolicy = { enabled: true, ignoredExitCodes: [3] };
  const { task } = start({ main: { ...node(`process.exit(${code})`), restartPolicy } }, { restartAttemptPeriodMs });
  await task.stopped;
  expect(task.state()).toMatchObject({
    stoppedReason: `essential container main exited with ${code}`,
    containers: { main: { restarts: 0, exitCode: code } },
  });
});

test('stops the dependent containers first, with SIGTERM, and kills what does not end in time', async () => {
  const { task, lines, printed } = start({
    stubborn: {
      ...node(`process.on('SIGTERM', () => console.log('told')); console.log('up'); ${forever}`),
      stopTimeout: 0.2,
    },
    first: {
      ...node(
        `process.on('SIGTERM', () => { console.log('drained'); process.exit(0); }); console.log('up'); ${forever}`,
      ),
      dependsOn: [{ containerName: 'stubborn', condition: 'START' }],
    },
  });
  await Promise.all([printed('stubborn: up'), printed('first: up')]);
  const { volumes } = task.state();
  expect(existsSync(volumes.v ?? '')).toBe(true);
  await task.stop('asked');
  expect(lines.slice(2)).toEqual(['first: drained', 'stubborn: told']);
  expect(task.state()).toMatchObject({
    status: 'STOPPED',
    containers: { first: { exitCode: 0 }, stubborn: { exitCode: 137 } },
  });
  expect(existsSync(volumes.v ?? '')).toBe(false);
});

test('a container that is not essential may end; one that is takes the others along, and its children', async () => {
  const child = `const c = require('child_process').spawn(process.execPath, ['-e', '${forever}'], { stdio: 'inherit' }); console.log('child ' + c.pid);`;
  const { task, lines, until, printed } = start({
    main: node(`${child} ${forever}`),
    other: { ...node(`console.log('up'); ${forever}`) },
    helper: { ...node(''), essential: false },
  });
  await until(({ containers }) => containers.helper?.status === 'STOPPED');
  await printed('other: up');
  await until(() => lines.some((line) => line.startsWith('main: child')));
  expect(task.state().status).toBe('RUNNING');
  await task.kill('main', 'SIGTERM');
  await task.stopped;
  expect(task.state()).toMatchObject({
    stoppedReason: 'essential container main exited with 143',
    containers: { other: { status: 'STOPPED' } },
  });
  const pid = Number(
    lines
      .find((line) => line.startsWith('main: child'))
      ?.split(' ')
      .at(-1),
  );
  await untilGone(pid);
});

test('a program gets what ECS gives it and nothing of this process', async () => {
  process.env.HOLDFAST_TEST_LEAK = '1';
  const { lines, task } = start(
    {
      main: {
        ...node(
          `console.log(JSON.stringify([process.env.GREETING, process.env.AWS_REGION, process.env.HOLDFAST_TEST_LEAK, process.env.FILE]))`,
        ),
        environment: [
          { name: 'GREETING', value: 'hi' },
          { name: 'FILE', value: '/v/f' },
        ],
      },
    },
    { environment: { main: { GREETING: 'ho' } } },
  );
  const { volumes } = task.state();
  await task.stopped;
  delete process.env.HOLDFAST_TEST_LEAK;
  expect(JSON.parse(lines[0]?.replace('main: ', '') ?? '')).toEqual(['ho', 'us-east-1', null, `${volumes.v}/f`]);
});

test.each([
  [
    'an image without a player',
    { image: 'nginx:1' },
    /^essential container main exited: image nginx:1 of container main has no player/,
  ],
  [
    'a command that is not there',
    { command: ['no-such-command'] },
    /^essential container main exited: no-such-command does not start: .*ENOENT/,
  ],
  ['a secret that cannot be read', { secrets: [{ name: 'A', valueFrom: 'arn:aws:s3:::x' }] }, /is neither a secret/],
])('%s stops the task with the reason', async (_, fields, reason) => {
  const { task } = start({ main: { ...node(''), ...fields } });
  await task.stopped;
  expect(task.state().stoppedReason).toMatch(reason);
});
