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
  type FlickerConfigInput,
} from '../../../contract';
import { StateRegistry } from '../../../lib';
import { ACCOUNT, allows, physicalName, policiesOf, REGION, type SynthesizedPolicies } from '../support/iam';
import { plainConfig, shipperIn, testStack } from '../support/app';

const TASK_ROLE = /^shippertask.*taskrole/;
const NEIGHBOUR_ROLE = /^neighbourtask.*taskrole/;
const OPERATOR = /^operator/;

const config: FlickerConfigInput = plainConfig({
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
function concrete({ action, resource }: AwsCall, suffix = '') {
  const text = (pattern: string) => pattern.replace(/\*$/, 'source/00000001.jsonl') + suffix;
  return resource.type === 's3-object'
    ? { action, resource: { ...resource, key: text(resource.key) } }
    : { action, resource: { ...resource, prefix: text(resource.prefix) } };
}

/** Headers that a registry write carries, as S3 tells them to policies. */
const conditional = { 's3:if-match': '"etag"', 's3:ObjectCreationOperation': 'true' };

async function results(list: readonly ReturnType<typeof concrete>[], role = TASK_ROLE) {
  return Promise.all(
    list.map(async (call) => ({
      ...call,
      allowed: await allows(policies, role, call, call.action === 's3:PutObject' ? conditional : {}),
    })),
  );
}

test('every call of the contract is allowed on its own key and prefix', async () => {
  expect(calls).toHaveLength(10);
  const outcome = await results(calls.map((call) => concrete(call)));
  expect(outcome.filter(({ allowed }) => !allowed)).toEqual([]);
});

test("every call is denied on a neighbour's key and prefix in the same bucket", async () => {
  const outcome = await results(neighbour.map((call) => concrete(call)));
  expect(outcome).toHaveLength(5);
  expect(outcome.filter(({ allowed }) => allowed)).toEqual([]);
  const other = await results(
    calls.filter(({ resource }) => resource.bucket === registryBucket).map((call) => concrete(call)),
    NEIGHBOUR_ROLE,
  );
  expect(other.filter(({ allowed }) => allowed)).toEqual([]);
});

test('every call is denied on another bucket', async () => {
  const elsewhere = calls.map(({ action, resource }) => ({
    action,
    resource: { ...resource, bucket: 'another-bucket' },
  }));
  const outcome = await results(elsewhere.map((call) => concrete({ ...call, operation: '', why: '' })));
  expect(outcome.filter(({ allowed }) => allowed)).toEqual([]);
});

test('every call is denied beside its key or prefix in its own bucket', async () => {
  const beside = calls.map(({ action, resource, ...rest }) => ({
    ...rest,
    action,
    resource:
      resource.type === 's3-object'
        ? { ...resource, key: `other/${resource.key}` }
        : { ...resource, prefix: `other/${resource.prefix}` },
  }));
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

/** The same, as the contract's calls need it. */
function needed(list: readonly AwsCall[]): string[] {
  const lines = list.map(({ action, resource }) => {
    if (resource.type === 's3-object') return `${action} arn:aws:s3:::${resource.bucket}/${resource.key}`;
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

test('an operator is granted the protocol and earlier versions of that one registry', () => {
  expect(granted(OPERATOR)).toEqual(
    needed(registryOperatorCalls(registryBucket, registryLayout('flicker', 'prod', 'Shipper'))),
  );
  expect(granted(OPERATOR).map((line) => line.split(' ')[0])).toEqual([
    's3:GetObject',
    's3:GetObjectVersion',
    's3:ListBucket',
    's3:ListBucketVersions',
    's3:PutObject',
  ]);
});

test('the operator reads an earlier version; the program cannot', async () => {
  const resource = { type: 's3-object', bucket: registryBucket, key: 'flicker/prod/Shipper-registry.json' } as const;
  expect(await allows(policies, OPERATOR, { action: 's3:GetObjectVersion', resource })).toBe(true);
  expect(await allows(policies, TASK_ROLE, { action: 's3:GetObjectVersion', resource })).toBe(false);
});
