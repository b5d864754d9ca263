import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { startAws, type EmbeddedAws } from '../../../../dev/aws';
import { createDeadLetters } from '../../../../runtime/flicker/delivery';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { context, destinationConfig, never, position, records, shipment } from './support';

let aws: EmbeddedAws;
let client: S3Client;
beforeAll(async () => {
  aws = await startAws();
  client = new S3Client({ ...aws.clientConfig, forcePathStyle: true, maxAttempts: 1 });
  await client.send(new CreateBucketCommand({ Bucket: 'archive' }));
}, 40_000);
afterAll(async () => {
  client?.destroy();
  await aws?.stop();
});

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
  const letter = { source: 'app', destination: 'd', reason: 'r', attempts: 1, records: records(['one']) };
  await dead.write(letter, never);
  await dead.write(letter, never);
});
