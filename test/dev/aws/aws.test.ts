import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { childEnvironment, connectionFromEnvironment, startAws } from '../../../dev/aws';

test('answers SDK clients and child processes, forgets on reset, and leaves nothing behind', async () => {
  const aws = await startAws();
  const client = new S3Client(aws.clientConfig);
  await client.send(new CreateBucketCommand({ Bucket: 'kept-until-reset' }));
  const buckets = async () => ((await client.send(new ListBucketsCommand({}))).Buckets ?? []).map(({ Name }) => Name);
  expect(await buckets()).toEqual(['kept-until-reset']);
  expect(aws.clientConfig).toMatchObject(connectionFromEnvironment(childEnvironment(aws)).clientConfig);
  await aws.reset();
  expect(await buckets()).toEqual([]);
  await aws.stop();
  await aws.stop();
  client.destroy();
  await expect(fetch(aws.endpoint)).rejects.toThrow('fetch failed');
  expect(existsSync(join(aws.env.CDK_HOME ?? '', '..'))).toBe(false);
});

test('does not outlive a process that is killed', async () => {
  const script = `require('${join(__dirname, '../../../dev/aws')}').startAws().then((aws) => console.log(aws.endpoint))`;
  const child = spawn(process.execPath, ['--require', require.resolve('tsx/cjs'), '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [endpoint] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  expect((await fetch(`${endpoint.trim()}/_ministack/health`)).status).toBe(200);
  child.kill('SIGKILL');
  while (
    await fetch(endpoint.trim()).then(
      () => true,
      () => false,
    )
  )
    await delay(10);
});

test('a port that is taken is said, with what the emulator printed', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  await expect(startAws({ port })).rejects.toThrow(/ended while it started; it printed:\n[^]*already in use/);
  server.close();
});

test('the endpoint is never guessed', () => {
  expect(() => connectionFromEnvironment({ AWS_REGION: 'us-east-1' })).toThrow(
    /^AWS_ENDPOINT_URL is not set; expected the URL of an embedded/,
  );
});

test('no profile, config or endpoint of another AWS reaches a child', () => {
  const before = { ...process.env };
  Object.assign(process.env, { AWS_PROFILE: 'mine', AWS_ENDPOINT_URL_S3: 'https://s3', CDK_NEW_BOOTSTRAP: '1' });
  const env = childEnvironment({ env: { AWS_REGION: 'eu-west-1' } }, { EXTRA: '1' });
  process.env = before;
  expect(Object.keys(env).filter((name) => /^(AWS|CDK)_/.test(name))).toEqual(['AWS_REGION']);
  expect(env).toMatchObject({ EXTRA: '1', PATH: before.PATH });
});
