import { CreateLogGroupCommand, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { CreateDeliveryStreamCommand } from '@aws-sdk/client-firehose';
import { CreateStreamCommand, GetRecordsCommand, GetShardIteratorCommand } from '@aws-sdk/client-kinesis';
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, DeleteMessageBatchCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { startAws, type EmbeddedAws } from '../../../../dev/aws';
import { awsClients, type AwsClients } from '../../../../runtime/core/aws-clients';
import { BatchBuilder } from '../../../../runtime/flicker/batch';
import { createDeadLetters } from '../../../../runtime/flicker/delivery';
import { createSpillStore, spillKey } from '../../../../runtime/flicker/delivery/spill-store';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { parseLetter } from '../../../../runtime/flicker/dlq/letter';
import { createLetterStore } from '../../../../runtime/flicker/dlq/letter-store';
import { recordingLog } from '../delivery/support';
import { context, destinationConfig, never, position, records, shipment } from './support';

let aws: EmbeddedAws;
let client: S3Client;
let clients: AwsClients;
beforeAll(async () => {
  aws = await startAws();
  const { log } = recordingLog();
  // The chain of credentials reads these.
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
  clients = awsClients({ region: aws.region, endpoint: aws.endpoint, forcePathStyle: true }, log);
  client = new S3Client({ ...aws.clientConfig, forcePathStyle: true, maxAttempts: 1 });
  await client.send(new CreateBucketCommand({ Bucket: 'archive' }));
}, 40_000);
afterAll(async () => {
  client?.destroy();
  await aws?.stop();
});

/** A destination that is made as the program makes it. */
const toAws = (settings: object) => createDestination(destinationConfig(settings), { ...context, ...clients });
const linesOf = (texts: readonly (string | undefined)[]) =>
  texts.map((text) => (JSON.parse(text ?? '') as { line: string }).line);

const make = (settings: object) =>
  createDestination(destinationConfig({ type: 's3', bucket: 'archive', prefix: 'logs', ...settings }), {
    ...context,
    clusterId: 'prod/okta',
    s3: () => Promise.resolve(client),
  });

test.each([false, true])('numbered objects on a whole S3 (compressed: %s)', async (compression) => {
  const to = await make({ compression });
  const source = `source-${compression}`;
  const long = position('x'.repeat(3000));
  const first = shipment(['one'], { source });
  const second = shipment(['two'], { source, number: 2, after: long });
  expect(await to.send(first, never)).toEqual({ kind: 'accepted' });
  expect(await to.send(first, never)).toEqual({ kind: 'accepted' });
  expect(await to.send(second, never)).toEqual({ kind: 'accepted' });
  expect(await to.send(shipment(['mine'], { source, number: 2 }), never)).toEqual({ kind: 'superseded', after: long });
  expect(await to.recover?.(source, 1, never)).toEqual([first.after, long]);
});

test('a bucket that is not there blocks', async () => {
  const to = await make({ bucket: 'nowhere' });
  expect(await to.send(shipment(['one']), never)).toMatchObject({
    kind: 'blocked',
    reason: expect.stringContaining('NoSuchBucket'),
  });
});

test('dead letters can be written twice', async () => {
  const dead = createDeadLetters(
    { bucket: 'archive', prefix: 'dlq/' },
    { clock: context.clock, s3: () => Promise.resolve(client) },
  );
  const letter = {
    source: 'app',
    destination: 'd',
    destinationName: 's3',
    reason: 'r',
    attempts: 1,
    records: records(['one']),
  };
  await dead.write(letter, never);
  await dead.write(letter, never);
});

describe('log events', () => {
  test('arrive ordered by their own time, in a stream that is created', async () => {
    const logs = await clients.cloudWatchLogs();
    await logs.send(new CreateLogGroupCommand({ logGroupName: '/app' }));
    const to = await toAws({ type: 'cloudwatch_logs', log_group: '/app' });
    const minutesAgo = (minutes: number) => ({ time: new Date(Date.now() - minutes * 60_000).toISOString() });
    const builder = new BatchBuilder(100, 100_000);
    builder.addText('/a', 'second', 'id-1', minutesAgo(1));
    builder.addText('/a', 'first', 'id-2', minutesAgo(2));
    const { records: some } = builder.take();
    expect(await to.send(shipment([], { records: some, source: 'app:1' }), never)).toEqual({ kind: 'accepted' });
    const { events = [] } = await logs.send(
      new GetLogEventsCommand({ logGroupName: '/app', logStreamName: 'app_1/node', startFromHead: true }),
    );
    expect(linesOf(events.map(({ message }) => message))).toEqual(['first', 'second']);
  });

  test('are not lost where the log group is missing: somebody must create it', async () => {
    const to = await toAws({ type: 'cloudwatch_logs', log_group: '/nowhere' });
    expect(await to.send(shipment(['one']), never)).toMatchObject({
      kind: 'blocked',
      reason: expect.stringContaining('check that the log group /nowhere is there'),
    });
  });
});

test('records of a data stream', async () => {
  const kinesis = await clients.kinesis();
  await kinesis.send(new CreateStreamCommand({ StreamName: 'events', ShardCount: 1 }));
  const to = await toAws({ type: 'kinesis', stream: 'events', partition_key: 'path' });
  expect(await to.send(shipment(['one', 'two']), never)).toEqual({ kind: 'accepted' });
  const { ShardIterator } = await kinesis.send(
    new GetShardIteratorCommand({
      StreamName: 'events',
      ShardId: 'shardId-000000000000',
      ShardIteratorType: 'TRIM_HORIZON',
    }),
  );
  const { Records = [] } = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
  expect(linesOf(Records.map(({ Data }) => Buffer.from(Data ?? '').toString()))).toEqual(['one', 'two']);
  expect(new Set(Records.map(({ PartitionKey }) => PartitionKey)).size).toBe(1);
  const missing = await toAws({ type: 'kinesis', stream: 'nowhere' });
  expect(await missing.send(shipment(['one']), never)).toMatchObject({ kind: 'blocked' });
});

test('records of a Firehose stream, one a line', async () => {
  const firehose = await clients.firehose();
  await firehose.send(
    new CreateDeliveryStreamCommand({
      DeliveryStreamName: 'events',
      S3DestinationConfiguration: {
        RoleARN: 'arn:aws:iam::000000000000:role/firehose',
        BucketARN: 'arn:aws:s3:::archive',
        Prefix: 'firehose/',
      },
    }),
  );
  const to = await toAws({ type: 'firehose', delivery_stream: 'events' });
  expect(await to.send(shipment(['one', 'two']), never)).toEqual({ kind: 'accepted' });
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'archive', Prefix: 'firehose/' }));
  const objects = await Promise.all(
    Contents.map(({ Key }) => client.send(new GetObjectCommand({ Bucket: 'archive', Key }))),
  );
  const bodies = await Promise.all(objects.map(({ Body }) => Body?.transformToString()));
  expect(linesOf(bodies.join('').trim().split('\n')).sort()).toEqual(['one', 'two']);
});

describe('messages of a queue', () => {
  async function drained(QueueUrl: string): Promise<string[]> {
    const sqs = await clients.sqs();
    const lines: string[] = [];
    for (;;) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      if (Messages.length === 0) return lines;
      lines.push(...linesOf(Messages.map(({ Body }) => Body)));
      const Entries = Messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle }));
      await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    }
  }

  test('more than one request takes', async () => {
    const sqs = await clients.sqs();
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'events' }));
    const lines = Array.from({ length: 25 }, (_, i) => `line ${i} \uffff`);
    const to = await toAws({ type: 'sqs', queue_url: QueueUrl });
    expect(await to.send(shipment(lines), never)).toEqual({ kind: 'accepted' });
    expect((await drained(QueueUrl)).sort()).toEqual(lines.sort());
    const missing = await toAws({ type: 'sqs', queue_url: `${QueueUrl}-2` });
    expect(await missing.send(shipment(['one']), never)).toMatchObject({ kind: 'blocked' });
  });

  test('in order and once, though sent twice, in a FIFO queue', async () => {
    const sqs = await clients.sqs();
    const Attributes = { FifoQueue: 'true' };
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'events.fifo', Attributes }));
    const lines = Array.from({ length: 25 }, (_, i) => `line ${i}`);
    const to = await toAws({ type: 'sqs', queue_url: QueueUrl });
    expect(await to.send(shipment(lines, { source: 'Größe' }), never)).toEqual({ kind: 'accepted' });
    expect(await to.send(shipment(lines, { source: 'Größe' }), never)).toEqual({ kind: 'accepted' });
    expect(await drained(QueueUrl)).toEqual(lines);
  });
});

test('spilled batches are kept, read and removed; what is gone is told from a bucket that is', async () => {
  const s3 = () => Promise.resolve(client);
  const store = createSpillStore({ bucket: 'archive', prefix: 'spill/' }, s3);
  const lines = Buffer.from('{"line":"one"}\n');
  const key = spillKey('app', 'b', 1, lines);
  await store.put(key, lines, never);
  expect(await store.get(key, never)).toEqual(lines);
  await store.remove(key, never);
  await store.remove(key, never);
  expect(await store.get(key, never)).toBeUndefined();
  await expect(createSpillStore({ bucket: 'nowhere', prefix: '' }, s3).get(key, never)).rejects.toThrow();
});

test('dead letters are listed, and moved when they were replayed', async () => {
  const s3 = () => Promise.resolve(client);
  const location = { bucket: 'archive', prefix: 'dead letters/' };
  const dead = createDeadLetters(location, { clock: context.clock, s3 });
  const letter = {
    source: 'app 1',
    destination: 'd',
    destinationName: 's3',
    reason: 'r',
    attempts: 1,
    records: records(['one']),
  };
  expect(await dead.write(letter, never)).toMatch(/^s3:\/\/archive\/dead letters\/app!201\/[0-9a-f]{40}\.jsonl$/);
  const store = createLetterStore(location, s3);
  const [listed] = await store.list();
  const name = listed?.name ?? '';
  expect(parseLetter((await store.read(name)) ?? Buffer.alloc(0))).toMatchObject({ source: 'app 1', reason: 'r' });
  await store.settle(name, 'move');
  expect([await store.list(), await store.read(name)]).toEqual([[], undefined]);
  expect(await store.read(`replayed/${name}`)).toBeDefined();
});

test('an archive beside others is read back, compressed or not, without what is not a record', async () => {
  for (const compression of [false, true]) {
    const to = await make({ compression, prefix: 'read' });
    const long = position('x'.repeat(3000));
    await to.send(shipment(['one', 'two'], { source: `s-${compression}`, after: long }), never);
    const read = await to.read?.(`s-${compression}`, 1, never);
    expect(read?.body('lines').toString()).toBe(records(['one', 'two']).body('lines').toString());
    expect(await to.read?.(`s-${compression}`, 2, never)).toBeUndefined();
  }
});
