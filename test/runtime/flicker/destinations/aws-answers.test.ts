import { createServer, type Server } from 'node:http';
import fc from 'fast-check';
import { awsClients } from '../../../../runtime/core/aws-clients';
import { BatchBuilder, type Records } from '../../../../runtime/flicker/batch';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { answerOfFailure, awsFailure } from '../../../../runtime/flicker/destinations/aws-request';
import { acceptedBut, chunked, sendChunks, type Item } from '../../../../runtime/flicker/destinations/chunks';
import { recordingLog } from '../delivery/support';
import { context, destinationConfig, listen, never, shipment } from './support';

type Request = Record<string, unknown>;
interface Reply {
  readonly status?: number;
  readonly body: object;
}

/** Answers what the embedded AWS never does: refusals within a 200, and errors. Speaks the JSON protocol. */
const requests: { target: string; body: Request }[] = [];
let reply: (target: string, body: Request) => Reply = () => ({ body: {} });
let server: Server;
let aws: ReturnType<typeof awsClients>;
const logged = recordingLog();

beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const target = String(request.headers['x-amz-target']).replace(/^.*\./, '');
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Request;
      requests.push({ target, body });
      const answer = reply(target, body);
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify(answer.body));
    });
  });
  const endpoint = `http://127.0.0.1:${await listen(server)}`;
  aws = awsClients({ region: 'eu-central-1', endpoint, forcePathStyle: true }, logged.log);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests.length = 0;
  logged.lines.length = 0;
});

const make = (settings: object, now = Date.parse('2026-01-10T00:00:00Z')) =>
  createDestination(destinationConfig(settings), { ...context, ...aws, clock: { ...context.clock, now: () => now } });
const failure = (code: string, status = 400): Reply => ({ status, body: { __type: code, message: 'no' } });
const lines = (count: number, bytes = 1) => Array.from({ length: count }, (_, i) => `${i} ${'x'.repeat(bytes)}`);
const listOf = (body: Request, key: string) => body[key] as Request[];

function built(lines: readonly string[], times: readonly (string | undefined)[] = []): Records {
  const builder = new BatchBuilder(20_000, 16 * 1024 ** 2);
  lines.forEach((line, i) => builder.addText('/a', line, `id-${i}`, { time: times[i] }));
  return builder.take().records;
}

const timed = (times: readonly (string | undefined)[]) =>
  built(
    times.map((_, i) => String(i)),
    times,
  );

describe('cloudwatch_logs', () => {
  const config = { type: 'cloudwatch_logs', log_group: '/app' };
  const sentEvents = () =>
    requests.map(({ body }) => listOf(body, 'logEvents').map(({ message }) => JSON.parse(String(message)).line));

  test('events that were too old or too new are refused one by one, though the answer is 200', async () => {
    reply = () => ({
      body: {
        rejectedLogEventsInfo: { expiredLogEventEndIndex: 1, tooOldLogEventEndIndex: 2, tooNewLogEventStartIndex: 4 },
      },
    });
    const to = await make(config);
    // In the order of their times: 3, 2, 4, 1, 0.
    const records = timed([
      '2026-01-10T05:00:00Z',
      '2026-01-10T04:00:00Z',
      '2026-01-10T02:00:00.000000001Z',
      '2026-01-10T01:00:00Z',
      '2026-01-10T03:00:00Z',
    ]);
    expect(await to.send(shipment([], { records }), never)).toEqual({
      kind: 'partial',
      refused: [
        { index: 3, reason: 'older than the retention of the log group' },
        { index: 2, reason: 'more than 14 days old' },
        { index: 0, reason: 'more than 2 hours in the future' },
      ],
      retry: [],
      reason: '',
      uncertain: false,
    });
    expect(sentEvents()).toEqual([['3', '2', '4', '1', '0']]);
    expect(requests[0]?.body).toMatchObject({ logGroupName: '/app', logStreamName: 'app/node' });
    expect(logged.lines).toMatchObject([
      { event: 'aws.call', fields: { operation: 'PutLogEvents', resource: '/app' } },
    ]);
  });

  test('one request holds events of less than a day, and no time is that of the attempt', async () => {
    reply = () => ({ body: {} });
    const to = await make({ ...config, log_stream: 'own' });
    const records = timed([
      '2026-01-09T00:00:00Z',
      undefined,
      '2026-01-08T00:00:01Z',
      'not a time',
      '2026-01-07T12:00:00Z',
    ]);
    expect(await to.send(shipment([], { records }), never)).toEqual({ kind: 'accepted' });
    expect(sentEvents()).toEqual([['4', '2'], ['0'], ['1', '3']]);
    expect(requests[2]?.body).toMatchObject({
      logStreamName: 'own',
      logEvents: [{ timestamp: Date.parse('2026-01-10T00:00:00Z') }, {}],
    });
  });

  test('a stream that is missing is created once, also when another was faster', async () => {
    let created = false;
    reply = (target) => {
      if (target === 'PutLogEvents') return created ? { body: {} } : failure('ResourceNotFoundException');
      created = true;
      return failure('ResourceAlreadyExistsException');
    };
    const to = await make(config);
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    expect(requests.map(({ target }) => target)).toEqual(['PutLogEvents', 'CreateLogStream', 'PutLogEvents']);
  });

  test.each([
    ['ThrottlingException', 400, { kind: 'retry', uncertain: false }],
    ['ServiceUnavailableException', 503, { kind: 'retry', uncertain: true }],
    ['ExpiredTokenException', 400, { kind: 'retry', uncertain: false }],
    ['AccessDeniedException', 400, { kind: 'blocked' }],
    ['InvalidParameterException', 400, { kind: 'blocked' }],
  ])('%s', async (code, status, answer) => {
    reply = () => failure(code, status);
    const to = await make(config);
    expect(await to.send(shipment(['one']), never)).toMatchObject({
      ...answer,
      reason: expect.stringContaining(`CloudWatch Logs answered ${status} ${code}`),
    });
  });

  test('10,000 events and 1 MiB are one request, with 26 bytes for each event', async () => {
    reply = () => ({ body: {} });
    const to = await make(config);
    const records = timed(Array<undefined>(10_001).fill(undefined));
    expect(await to.send(shipment([], { records }), never)).toEqual({ kind: 'accepted' });
    expect(sentEvents().map(({ length }) => length)).toEqual([10_000, 1]);
    requests.length = 0;
    expect(await to.send(shipment([], { records: built(lines(30, 100_000)) }), never)).toEqual({ kind: 'accepted' });
    expect(sentEvents().map(({ length }) => length)).toEqual([10, 10, 10]);
    requests.length = 0;
    // 2,048 records of 486 bytes are 1 MiB with 26 bytes for each.
    const exact = Array.from({ length: 2049 }, (_, i) =>
      'x'.repeat(486 - `{"path":"/a","line":"","id":"id-${i}"}`.length),
    );
    await to.send(shipment([], { records: built(exact) }), never);
    expect(sentEvents().map(({ length }) => length)).toEqual([2048, 1]);
  });

  test('an aborted request rejects with the reason', async () => {
    const stop = new AbortController();
    const reason = new Error('stop');
    reply = () => (stop.abort(reason), { body: {} });
    const to = await make(config);
    await expect(to.send(shipment(['one']), stop.signal)).rejects.toBe(reason);
  });
});

describe.each([
  ['kinesis', { type: 'kinesis', stream: 'events' }, 'Records', 'Records', 'ProvisionedThroughputExceededException'],
  [
    'firehose',
    { type: 'firehose', delivery_stream: 'events' },
    'Records',
    'RequestResponses',
    'ServiceUnavailableException',
  ],
])('%s', (_, config, sent, results, code) => {
  test('records that failed within a 200 are sent again, those behind them too, and no others', async () => {
    reply = (_, body) => ({
      body: {
        FailedRecordCount: 2,
        FailedPutCount: 2,
        [results]: listOf(body, sent).map((_, i) =>
          i % 300 === 7 ? { ErrorCode: code, ErrorMessage: 'x' } : { RecordId: 'r', SequenceNumber: '1', ShardId: 's' },
        ),
      },
    });
    const to = await make(config);
    const answer = await to.send(shipment(lines(700)), never);
    expect(answer).toMatchObject({ kind: 'partial', refused: [], uncertain: code === 'ServiceUnavailableException' });
    expect(answer.kind === 'partial' && answer.retry).toEqual([
      7,
      307,
      ...Array.from({ length: 200 }, (_, i) => 500 + i),
    ]);
    expect(answer.kind === 'partial' && answer.reason).toContain(`answered ${code} for 2 of 500 records`);
  });

  test('an event that no request holds is refused, the others are sent', async () => {
    reply = (_, body) => ({
      body: { FailedRecordCount: 0, FailedPutCount: 0, [results]: listOf(body, sent).map(() => ({ RecordId: 'r' })) },
    });
    const to = await make(config);
    const answer = await to.send(shipment([], { records: built(['a', 'x'.repeat(1024 ** 2), 'b']) }), never);
    expect(answer).toMatchObject({ kind: 'partial', refused: [{ index: 1 }], retry: [] });
    expect(requests.flatMap(({ body }) => listOf(body, sent))).toHaveLength(2);
  });
});

// Jest's own kind of Error has the SDK hide the code of a connection that failed.
test.each([
  [{ code: 'ECONNREFUSED' }, false],
  [{ code: 'ENOTFOUND' }, false],
  [{ name: 'CredentialsProviderError' }, false],
  [{ code: 'ECONNRESET' }, true],
  [{ name: 'TimeoutError' }, true],
])('without an answer, %j: the service may have the events: %p', (members, uncertain) => {
  const error = Object.assign(new Error('no'), members);
  expect(answerOfFailure(awsFailure(error, 'Kinesis'), '')).toMatchObject({ kind: 'retry', uncertain });
});

test('kinesis: the key keeps a file or a source together, or spreads its events', async () => {
  reply = (_, body) => ({
    body: { FailedRecordCount: 0, Records: listOf(body, 'Records').map(() => ({ SequenceNumber: '1' })) },
  });
  const keys = async (partition_key: string) => {
    requests.length = 0;
    const to = await make({
      type: 'kinesis',
      stream: 'arn:aws:kinesis:eu-west-1:111122223333:stream/s',
      partition_key,
    });
    await to.send(shipment(['a', 'b', 'c']), never);
    expect(requests[0]?.body).toMatchObject({ StreamARN: 'arn:aws:kinesis:eu-west-1:111122223333:stream/s' });
    return new Set(listOf(requests[0]?.body ?? {}, 'Records').map(({ PartitionKey }) => PartitionKey)).size;
  };
  expect([await keys('record'), await keys('path'), await keys('source')]).toEqual([3, 1, 1]);
});

describe('sqs', () => {
  const config = { type: 'sqs', queue_url: 'https://sqs.eu-central-1.amazonaws.com/111122223333/events' };
  const fifo = { ...config, queue_url: `${config.queue_url}.fifo` };
  const failed = (ids: Record<string, [string, boolean]>): Reply => ({
    body: {
      Successful: [],
      Failed: Object.entries(ids).map(([Id, [Code, SenderFault]]) => ({ Id, Code, SenderFault })),
    },
  });

  test('a message that is the sender’s fault is refused, others are sent again', async () => {
    reply = () =>
      failed({ 1: ['InvalidMessageContents', true], 2: ['InternalError', false], 3: ['RequestThrottled', true] });
    const to = await make(config);
    expect(await to.send(shipment(lines(5)), never)).toEqual({
      kind: 'partial',
      refused: [{ index: 1, reason: 'SQS answered InvalidMessageContents' }],
      retry: [2, 3],
      reason: 'SQS answered InternalError for 2 messages',
      uncertain: true,
    });
  });

  test('in a FIFO queue no later request overtakes what failed', async () => {
    reply = () => failed({ 4: ['InternalError', false] });
    const to = await make(fifo);
    const answer = await to.send(shipment(lines(30)), never);
    expect(answer.kind === 'partial' && answer.retry).toEqual([4, ...Array.from({ length: 20 }, (_, i) => 10 + i)]);
    expect(requests).toHaveLength(1);
    expect(listOf(requests[0]?.body ?? {}, 'Entries')[4]).toMatchObject({
      MessageGroupId: 'app',
      MessageDeduplicationId: 'id-4',
    });
    requests.length = 0;
    reply = () => failed({});
    expect(await to.send(shipment(['a'], { source: 'with space' }), never)).toEqual({ kind: 'accepted' });
    // What SQS does not allow in a name is hashed.
    expect(String(listOf(requests[0]?.body ?? {}, 'Entries')[0]?.MessageGroupId)).toMatch(/^[0-9a-f]{64}$/);
  });

  test('requests that are too long together are sent in halves', async () => {
    reply = () => failure('AWS.SimpleQueueService.BatchRequestTooLong');
    expect(await (await make(config)).send(shipment(lines(10)), never)).toMatchObject({ kind: 'too-large' });
  });

  test('a FIFO queue needs ids', () => {
    expect(() => destinationConfig({ ...fifo, include_id: false })).toThrow(
      'a FIFO queue tells events apart by their ids',
    );
  });
});

describe('requests', () => {
  const items = (sizes: readonly number[]) => sizes.map((bytes, index): Item => ({ index, bytes }));

  test('hold every event once, in order, within the limits, and are not smaller than they must be', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 10 })), fc.integer({ min: 1, max: 6 }), (sizes, count) => {
        const limits = { count, bytes: 12, each: 10 };
        const chunks = chunked(items(sizes), limits);
        expect(chunks.flat().map(({ index }) => index)).toEqual(sizes.map((_, i) => i));
        const weight = (chunk: readonly Item[]) => chunk.reduce((sum, { bytes }) => sum + bytes, 0);
        chunks.forEach((chunk, at) => {
          expect(chunk.length <= count && weight(chunk) <= 12).toBe(true);
          const [next] = chunks[at + 1] ?? [];
          if (next) expect(chunk.length === count || weight(chunk) + next.bytes > 12).toBe(true);
        });
      }),
      { numRuns: 200 },
    );
  });

  test('settle every event exactly once, however they end', async () => {
    const answers = fc.constantFrom('ok', 'refuse', 'again', 'retry', 'blocked', 'too-large');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 13 }), { minLength: 1 }),
        fc.array(answers),
        fc.integer({ min: 1, max: 3 }),
        async (sizes, script, parallel) => {
          const accepted = new Set<number>();
          const answer = await sendChunks(
            'X',
            items(sizes),
            { count: 3, bytes: 20, each: 10 },
            { parallel },
            async (chunk) => {
              await Promise.resolve();
              const [first, ...others] = chunk.map(({ index }) => index);
              const kind = script.shift() ?? 'ok';
              if (kind === 'retry') return { kind, reason: 'r', uncertain: false };
              if (kind === 'blocked' || kind === 'too-large') return { kind, reason: 'r' };
              (kind === 'ok' ? [first ?? -1, ...others] : others).forEach((index) => accepted.add(index));
              if (kind === 'ok') return acceptedBut([]);
              if (kind === 'refuse') return acceptedBut([{ index: first ?? -1, reason: 'x' }]);
              return { kind: 'settled', refused: [], retry: [first ?? -1], reason: 'x', uncertain: false };
            },
          );
          const all = sizes.map((_, i) => i);
          if (answer.kind === 'accepted') return expect([...accepted].sort((a, b) => a - b)).toEqual(all);
          if (answer.kind !== 'partial') return expect(accepted.size).toBe(0);
          const told = [...answer.retry, ...answer.refused.map(({ index }) => index), ...accepted];
          expect(told.sort((a, b) => a - b)).toEqual(all);
          expect(answer.retry.length > 0 ? answer.reason : '').toBe(answer.reason);
        },
      ),
      { numRuns: 200 },
    );
  });
});
