import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { awsClients } from '../../../runtime/core/aws-clients';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
let server: Server;
const signed: string[] = [];

beforeAll(async () => {
  Object.assign(process.env, credentials);
  server = createServer(({ headers }, response) => {
    signed.push(/Credential=[^/]*\/\d+\/([^/]+)\//.exec(headers.authorization ?? '')?.[1] ?? '');
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  for (const name of Object.keys(credentials)) delete process.env[name];
  server.close();
});

test('requests for the registry are signed for its region, others for the own one', async () => {
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const aws = awsClients({ region: 'eu-west-1', endpoint, forcePathStyle: true }, silent, 'eu-central-1');
  for (const make of [aws.registryS3, aws.s3, () => aws.s3('us-east-2')]) {
    const client = await make();
    await client.send(new HeadBucketCommand({ Bucket: 'bucket' }));
    client.destroy();
  }
  expect(signed).toEqual(['eu-central-1', 'eu-west-1', 'us-east-2']);
});

test('without a region of its own the registry is in the own one', () => {
  const aws = awsClients({ region: 'eu-west-1', endpoint: undefined, forcePathStyle: false }, silent);
  expect(aws.registryS3()).toBe(aws.s3());
});
