import type { Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import {
  bundleCalls,
  flickerCalls,
  flickerConfig,
  parseSettings,
  registryLayout,
  registryOperatorCalls,
  type AwsCall,
  type AwsResource,
  type FlickerConfigInput,
} from '../../../contract';
import { StateRegistry } from '../../../lib';
import { ACCOUNT, allows, physicalName, policiesOf, REGION, type SynthesizedPolicies } from '../support/iam';
import { plainConfig, shipperIn, testStack } from '../support/app';

const TASK_ROLE = /^shippertask.*taskrole/;
const NEIGHBOUR_ROLE = /^neighbourtask.*taskrole/;
const OPERATOR = /^operator/;

const source = { endpoint: 'https://api.example.com/events', results_field: 'items', timestamp_field: 'at' };

const config: FlickerConfigInput = plainConfig({
  api_sources: [
    { ...source, name: 'to-s3' },
    { ...source, name: 'to-logs', destination: { type: 'cloudwatch_logs', log_group: '/audit/events' } },
    { ...source, name: 'to-kinesis', destination: { type: 'kinesis', stream: 'events', region: 'eu-west-1' } },
    {
      ...source,
      name: 'to-other-account',
      destination: { type: 'kinesis', stream: 'arn:aws:kinesis:us-east-1:444455556666:stream/events' },
    },
    { ...source, name: 'to-firehose', destination: { type: 'firehose', delivery_stream: 'events', required: false } },
    {
      ...source,
      name: 'to-sqs',
      destination: { type: 'sqs', queue_url: 'https://sqs.eu-central-1.amazonaws.com/111122223333/events' },
    },
  ],
  destination: { type: 's3', bucket: 'company-archive', prefix: 'audit/' },
  dead_letter: { bucket: 'company-refused', prefix: 'flicker/' },
});

let policies: SynthesizedPolicies;
let registryBucket: string;
let calls: AwsCall[];
let neighbour: AwsCall[];

/** One bucket for two shippers, as users share it. */
beforeAll(() => {
  const stack: Stack = testStack({ env: { account: ACCOUNT, region: REGION } });
  const registry = new StateRegistry(stack, 'Registry');
  const shipper = shipperIn(stack, { registry, config });
  shipperIn(stack, { registry, vpc: undefined, cluster: shipper.cluster, config: plainConfig() }, 'Neighbour');
  const operator = new iam.Role(stack, 'Operator', { assumedBy: new iam.AccountRootPrincipal() });
  registry.grants.operate(operator, shipper.registryLayout);
  policies = policiesOf(stack);
  registryBucket = physicalName(String(stack.resolve(registry.bucket.bucketName).Ref));
  const parsed = parseSettings(flickerConfig('final'), config, 'config');
  const location = (name: string) => `s3://${registryBucket}/${registryLayout('flicker', 'prod', name).key}`;
  calls = flickerCalls(parsed, location('Shipper'));
  neighbour = flickerCalls(parseSettings(flickerConfig('final'), plainConfig(), 'config'), location('Neighbour'));
});

/** The call on a concrete key: S3 is asked for objects, not for patterns. */
function concrete({ action, resource }: Pick<AwsCall, 'action' | 'resource'>) {
  const text = (pattern: string) => pattern.replace(/\*$/, 'source/00000001.jsonl');
  if (resource.type === 's3-object') return { action, resource: { ...resource, key: text(resource.key) } };
  if (resource.type === 's3-list') return { action, resource: { ...resource, prefix: text(resource.prefix) } };
  return { action, resource };
}

/** Another one of the same kind, with a name that begins alike. */
function another(resource: AwsResource): AwsResource {
  switch (resource.type) {
    case 's3-object':
    case 's3-list':
      return { ...resource, bucket: 'another-bucket' };
    case 'log-group':
    case 'firehose-stream':
      return { ...resource, name: `${resource.name}-2` };
    case 'kinesis-stream':
      return { ...resource, stream: `${resource.stream}-2` };
    case 'sqs-queue':
      return { ...resource, url: `${resource.url}-2` };
  }
}

/** Headers that a registry write carries, as S3 tells them to policies. */
const conditional = { 's3:if-match': '"etag"', 's3:ObjectCreationOperation': 'true' };

async function results(list: readonly Pick<AwsCall, 'action' | 'resource'>[], role = TASK_ROLE) {
  return Promise.all(
    list.map(async (call) => ({
      ...call,
      allowed: await allows(policies, role, call, call.action === 's3:PutObject' ? conditional : {}),
    })),
  );
}

test('every call of the contract is allowed on its own key and prefix', async () => {
  expect(calls).toHaveLength(19);
  const outcome = await results(calls.map((call) => concrete(call)));
  expect(outcome.filter(({ allowed }) => !allowed)).toEqual([]);
});

test("every call is denied on a neighbour's key and prefix in the same bucket", async () => {
  const outcome = await results(neighbour.map((call) => concrete(call)));
  expect(outcome).toHaveLength(5);
  expect(outcome.filter(({ allowed }) => allowed)).toEqual([]);
  const other = await results(
    calls
      .filter(({ resource }) => 'bucket' in resource && resource.bucket === registryBucket)
      .map((call) => concrete(call)),
    NEIGHBOUR_ROLE,
  );
  expect(other.filter(({ allowed }) => allowed)).toEqual([]);
});

test('every call is denied on another bucket, log group, stream or queue', async () => {
  const elsewhere = calls.map(({ action, resource }) => ({ action, resource: another(resource) }));
  const outcome = await results(elsewhere.map((call) => concrete(call)));
  expect(outcome.filter(({ allowed }) => allowed)).toEqual([]);
});

test('every call is denied in another region', async () => {
  const outcome = await results(
    calls.flatMap(({ action, resource }) =>
      'region' in resource && !('stream' in resource && resource.stream.startsWith('arn:'))
        ? [{ action, resource: { ...resource, region: 'ap-south-1' } }]
        : [],
    ),
  );
  expect(outcome).toHaveLength(4);
  expect(outcome.filter(({ allowed }) => allowed)).toEqual([]);
});

test('every call is denied beside its key or prefix in its own bucket', async () => {
  const beside = calls.flatMap(({ action, resource }): Pick<AwsCall, 'action' | 'resource'>[] => {
    if (resource.type === 's3-object') return [{ action, resource: { ...resource, key: `other/${resource.key}` } }];
    if (resource.type === 's3-list') return [{ action, resource: { ...resource, prefix: `other/${resource.prefix}` } }];
    return [];
  });
  const outcome = await results(beside.map((call) => concrete(call)));
  expect(outcome.filter(({ allowed }) => allowed)).toEqual([]);
});

test('a list without prefix is denied', async () => {
  const list = { type: 's3-list', bucket: registryBucket, prefix: '' } as const;
  expect(await allows(policies, TASK_ROLE, { action: 's3:ListBucket', resource: list })).toBe(false);
  expect(await allows(policies, TASK_ROLE, { action: 's3:ListBucketVersions', resource: list })).toBe(false);
});

describe('writes of a registry', () => {
  const write = (context: Record<string, string>) =>
    allows(
      policies,
      TASK_ROLE,
      {
        action: 's3:PutObject',
        resource: { type: 's3-object', bucket: registryBucket, key: 'flicker/prod/Shipper-registry.json' },
      },
      { 's3:ObjectCreationOperation': 'true', ...context },
    );

  test('are denied without a condition', async () => expect(await write({})).toBe(false));
  test('are allowed with If-Match', async () => expect(await write({ 's3:if-match': '"etag"' })).toBe(true));
  test('are allowed with If-None-Match', async () => expect(await write({ 's3:if-none-match': '*' })).toBe(true));
  test('as a part of a multipart upload need none', async () =>
    expect(await write({ 's3:ObjectCreationOperation': 'false' })).toBe(true));

  test('other objects need no condition', async () => {
    const dead = { type: 's3-object', bucket: registryBucket, key: 'flicker/prod/Shipper/dlq/1.jsonl' } as const;
    const context = { 's3:ObjectCreationOperation': 'true' };
    expect(await allows(policies, TASK_ROLE, { action: 's3:PutObject', resource: dead }, context)).toBe(true);
  });
});

/** Every action and resource that a role's policies allow. */
function granted(role: RegExp): string[] {
  return policies
    .identity(role)
    .Statement.flatMap(({ Effect, Action, Resource, Condition }) => {
      expect(Effect).toBe('Allow');
      const prefix = Condition ? ` ${JSON.stringify(Condition)}` : '';
      return [Action].flat().flatMap((action) => [Resource].flat().map((arn) => `${action} ${arn}${prefix}`));
    })
    .sort();
}

const sinkArns: Readonly<Record<string, string>> = {
  '{"type":"log-group","name":"/audit/events"}': 'arn:aws:logs:eu-central-1:111122223333:log-group:/audit/events:*',
  '{"type":"kinesis-stream","stream":"events","region":"eu-west-1"}':
    'arn:aws:kinesis:eu-west-1:111122223333:stream/events',
  '{"type":"kinesis-stream","stream":"arn:aws:kinesis:us-east-1:444455556666:stream/events"}':
    'arn:aws:kinesis:us-east-1:444455556666:stream/events',
  '{"type":"firehose-stream","name":"events"}': 'arn:aws:firehose:eu-central-1:111122223333:deliverystream/events',
  '{"type":"sqs-queue","url":"https://sqs.eu-central-1.amazonaws.com/111122223333/events"}':
    'arn:aws:sqs:eu-central-1:111122223333:events',
};

/** The same, as the contract's calls need it. */
function needed(list: readonly AwsCall[]): string[] {
  const lines = list.map(({ action, resource }) => {
    if (resource.type === 's3-object') return `${action} arn:aws:s3:::${resource.bucket}/${resource.key}`;
    if (resource.type !== 's3-list') return `${action} ${sinkArns[JSON.stringify(resource)]}`;
    const operator = resource.prefix.endsWith('*') ? 'StringLike' : 'StringEquals';
    return `${action} arn:aws:s3:::${resource.bucket} ${JSON.stringify({ [operator]: { 's3:prefix': resource.prefix } })}`;
  });
  return [...new Set(lines)].sort();
}

test('nothing is granted that no call of the contract names, but the one bundle asset', () => {
  const asset = granted(TASK_ROLE).filter((line) => line.includes('-assets-'));
  expect(asset).toEqual([
    expect.stringMatching(
      new RegExp(`^s3:GetObject arn:aws:s3:::cdk-hnb659fds-assets-${ACCOUNT}-${REGION}/[0-9a-f]{64}\\.mjs$`),
    ),
  ]);
  const [, bucket = '', key = ''] = /:::([^/]+)\/(.+)$/.exec(asset[0] ?? '') ?? [];
  expect(granted(TASK_ROLE)).toEqual(needed([...calls, ...bundleCalls(bucket, key)]));
});

test('an operator is granted the protocol, earlier versions of that one registry, and what is beside it', () => {
  expect(granted(OPERATOR)).toEqual(
    needed(registryOperatorCalls(registryBucket, registryLayout('flicker', 'prod', 'Shipper'))),
  );
  expect(granted(OPERATOR).map((line) => line.split(' ')[0])).toEqual([
    's3:DeleteObject',
    's3:GetObject',
    's3:GetObject',
    's3:GetObjectVersion',
    's3:ListBucket',
    's3:ListBucket',
    's3:ListBucketVersions',
    's3:PutObject',
    's3:PutObject',
  ]);
});

test('the operator reads an earlier version; the program cannot', async () => {
  const resource = { type: 's3-object', bucket: registryBucket, key: 'flicker/prod/Shipper-registry.json' } as const;
  expect(await allows(policies, OPERATOR, { action: 's3:GetObjectVersion', resource })).toBe(true);
  expect(await allows(policies, TASK_ROLE, { action: 's3:GetObjectVersion', resource })).toBe(false);
});
