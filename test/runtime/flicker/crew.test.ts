import { flickerConfig, parseSettings, type FlickerConfigInput } from '../../../contract';
import { Stopping } from '../../../runtime/core/lifecycle';
import { assemble } from '../../../runtime/flicker/crew';
import { createDestination } from '../../../runtime/flicker/destinations';
import { createFlickerMetrics } from '../../../runtime/flicker/metrics';
import { createApiSource } from '../../../runtime/flicker/sources/api';
import { LeaseEndedError } from '../../../runtime/registry/errors';
import { noAws } from './destinations/support';
import { Bench, NAME } from './worker-support';

jest.mock('../../../runtime/flicker/sources/api', () => ({ createApiSource: jest.fn() }));
jest.mock('../../../runtime/flicker/destinations', () => ({ createDestination: jest.fn() }));

const input: FlickerConfigInput = {
  api_sources: [
    {
      name: NAME,
      endpoint: 'https://example.com/logs',
      results_field: '',
      timestamp_field: 'time',
      polling_frequency_ms: 1000,
      buffer_size: 1,
      destination: { type: 'stdout' },
    },
  ],
  retry: { max_delay_ms: '20s' },
};

/** The crew of one source, which reads and sends in memory. */
async function crewOf(bench: Bench, once = false) {
  jest.mocked(createApiSource).mockImplementation(() => bench.createSource());
  jest.mocked(createDestination).mockImplementation(() => Promise.resolve(bench.destination));
  const config = parseSettings(flickerConfig('final'), input, 'config');
  const { metrics } = createFlickerMetrics();
  const [member] = await assemble({
    config,
    registry: undefined,
    clusterId: undefined,
    nodeId: 'node',
    oneOfSeveral: false,
    aws: noAws,
    clock: bench.clock,
    log: bench.logged.log,
    metrics,
    once,
    dryRun: false,
  });
  if (!member) throw new Error('no member');
  let finished = false;
  const signals = { drain: bench.drain.signal, abort: bench.abort.signal };
  const start = () => member.run(bench.commits, bench.state, signals).finally(() => (finished = true));
  return { member, metrics, start, ended: () => bench.until(() => finished) };
}

const failures = (bench: Bench) =>
  bench.logged.lines.filter(({ event }) => event === 'source.failed').map(({ message }) => message);

test('a source that crashes starts again from its saved position, after max_delay_ms', async () => {
  const bench = new Bench();
  const { start, member, metrics, ended } = await crewOf(bench);
  bench.available = 2;
  void start();
  await bench.until(() => bench.position === 2);
  bench.available = 4;
  const crash = () => {
    throw new TypeError('undefined is not a function');
  };
  bench.onFill = crash;
  await bench.time.run(50_000);
  expect(failures(bench)).toEqual(
    Array<string>(3).fill('source starts again from its saved position: undefined is not a function'),
  );
  expect(member.status).toMatchObject({ failed: true, stopped: '', problem: 'undefined is not a function' });
  expect(metrics.sourceErrors.total()).toBe(3);

  bench.onFill = () => {};
  await bench.until(() => bench.position === 4);
  expect(bench.steps.filter((step) => step.startsWith('started'))).toEqual([
    'started at 0',
    ...Array<string>(3).fill('started at 2'),
  ]);
  expect(bench.lines).toEqual([1, 2, 3, 4]);
  expect(member.status.problem).toBe('');
  bench.drain.abort(new Stopping('SIGTERM'));
  await ended();
});

test('a stop ends the pause of a source that crashed', async () => {
  const bench = new Bench();
  const { start, member, ended } = await crewOf(bench);
  bench.onFill = () => {
    throw new Error('broken');
  };
  void start();
  await bench.time.run(5000);
  bench.drain.abort(new Stopping('SIGTERM'));
  await ended();
  expect(bench.time.now).toBe(5000);
  expect(member.status.movesBy).toBe(Number.POSITIVE_INFINITY);
});

test('with --once a source that crashes has failed, and is not tried again', async () => {
  const bench = new Bench();
  const { start, member, ended } = await crewOf(bench, true);
  bench.onFill = () => {
    throw new Error('broken');
  };
  void start();
  await ended();
  expect(member.status).toMatchObject({ failed: true, stopped: 'broken' });
  expect(failures(bench)).toEqual(['source stopped: broken']);
});

test('without a place for dead letters a source stops for good, and says what to set', async () => {
  const bench = new Bench();
  const { start, member, ended } = await crewOf(bench);
  bench.available = 1;
  bench.answer = () => ({ kind: 'refused', reason: 'the receiver answered 400' });
  void start();
  await ended();
  expect(member.status.stopped).toContain('set dead_letter to a path or a bucket, or run with --track');
  expect(bench.position).toBe(0);
});

test('the end of the lease ends a source without a word: it has not failed', async () => {
  const bench = new Bench();
  const { start, member, ended } = await crewOf(bench);
  bench.available = 1;
  const end = { kind: 'fenced', by: { owner: 'b', host: 'other', epoch: 2 } } as const;
  bench.reserve = () => Promise.reject(new LeaseEndedError(end));
  void start();
  await ended();
  expect(member.status).toMatchObject({ failed: false, stopped: '' });
  expect([failures(bench), bench.sent, bench.position]).toEqual([[], [], 0]);
});

test('without a registry nothing can be spilled: such a config is refused, and what was opened is closed', async () => {
  const bench = new Bench();
  let closed = 0;
  jest.mocked(createDestination).mockImplementation(() => {
    return Promise.resolve({ ...bench.destination, close: () => Promise.resolve(void closed++) });
  });
  const config = parseSettings(
    flickerConfig('final'),
    {
      api_sources: input.api_sources?.map(({ destination, ...source }) => ({
        ...source,
        destinations: [destination, { type: 'stdout', name: 'copy', required: false }],
      })),
    },
    'config',
  );
  const { metrics } = createFlickerMetrics();
  const crew = { config, registry: undefined, clusterId: undefined, nodeId: 'n', oneOfSeveral: false, aws: noAws };
  const rest = { clock: bench.clock, log: bench.logged.log, metrics, once: false, dryRun: false };
  await expect(assemble({ ...crew, ...rest })).rejects.toThrow(
    `${NAME}: what its destination copy does not take in time is kept beside the registry, and there is none: run with --track`,
  );
  expect(closed).toBe(1);
});
