import { Aws, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { registryLayout } from '../../../contract';
import { ReplicatedStateRegistry, StandbyStateRegistry } from '../../../lib';
import { normalizedTemplate } from '../../../lib/testing';
import { plainConfig, shipperIn, testApp } from '../support/app';
import { containerIn } from '../support/containers';
import { ACCOUNT, allows, physicalName, policiesOf } from '../support/iam';

const layout = registryLayout('flicker', 'prod', 'okta');

function twoRegions(encrypted = false) {
  const app = testApp();
  const [near, far] = ['eu-central-1', 'eu-west-1'].map(
    (region) => new Stack(app, `Test-${region}`, { env: { account: ACCOUNT, region } }),
  ) as [Stack, Stack];
  const key = (stack: Stack, region: string) =>
    encrypted
      ? { encryptionKey: kms.Key.fromKeyArn(stack, 'Key', `arn:aws:kms:${region}:${ACCOUNT}:key/${region}`) }
      : {};
  const standby = new StandbyStateRegistry(far, 'Standby', { bucketName: 'state-far', ...key(far, 'eu-west-1') });
  const registry = new ReplicatedStateRegistry(near, 'Registry', {
    bucketName: 'state-near',
    standby,
    ...key(near, 'eu-central-1'),
  });
  return { near, far, standby, registry };
}

const nameIn = (stack: Stack, { bucketArn }: s3.IBucket) =>
  physicalName((stack.resolve(bucketArn) as { 'Fn::GetAtt': [string, string] })['Fn::GetAtt'][0]);

test('the templates of both regions', () => {
  const { near, far } = twoRegions();
  expect(normalizedTemplate(near)).toMatchSnapshot();
  expect(normalizedTemplate(far)).toMatchSnapshot();
});

test('registries are replicated to the replica, and what is deleted stays there', () => {
  const { near } = twoRegions();
  Template.fromStack(near).hasResourceProperties('AWS::S3::Bucket', {
    BucketName: 'state-near',
    ReplicationConfiguration: {
      Rules: [
        {
          Status: 'Enabled',
          DeleteMarkerReplication: { Status: 'Disabled' },
          Destination: { Bucket: 'arn:aws:s3:::state-far-replica' },
        },
      ],
    },
  });
});

test('the bucket of the second region is made first, and the role of replication has no name that is taken', () => {
  const { near, far } = twoRegions();
  const template = Template.fromStack(near);
  expect(near.dependencies).toEqual([far]);
  expect(Object.values(template.findResources('AWS::IAM::Role'))).toEqual([
    expect.objectContaining({ Properties: expect.not.objectContaining({ RoleName: expect.anything() }) as unknown }),
  ]);
});

test('with keys of KMS the copy is encrypted with the key of its region', () => {
  const { near } = twoRegions(true);
  Template.fromStack(near).hasResourceProperties('AWS::S3::Bucket', {
    ReplicationConfiguration: {
      Rules: [
        {
          SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: 'Enabled' } },
          Destination: {
            EncryptionConfiguration: { ReplicaKmsKeyID: `arn:aws:kms:eu-west-1:${ACCOUNT}:key/eu-west-1` },
          },
        },
      ],
    },
  });
});

test('with keys of KMS nobody may use another one, across regions neither', () => {
  const { near, far, standby, registry } = twoRegions(true);
  shipperIn(far, { registry, config: plainConfig({ ha: true }), shipperName: 'okta' });
  standby.grantPromote(new iam.Role(near, 'Operator', { assumedBy: new iam.AccountRootPrincipal() }), layout);
  const granted = [near, far].flatMap((stack) =>
    Object.values(Template.fromStack(stack).findResources('AWS::IAM::Policy')).flatMap(({ Properties }) =>
      (
        Properties as { PolicyDocument: { Statement: { Action: string | string[]; Resource: unknown }[] } }
      ).PolicyDocument.Statement.filter(({ Action }) => JSON.stringify(Action).includes('kms:')).map(
        ({ Action, Resource }) => [Action, Resource],
      ),
    ),
  );
  const key = (region: string) => `arn:aws:kms:${region}:${ACCOUNT}:key/${region}`;
  const use = ['kms:Decrypt', 'kms:GenerateDataKey'];
  expect(granted).toHaveLength(4);
  expect(granted).toEqual(
    expect.arrayContaining([
      ['kms:Decrypt', key('eu-central-1')],
      [['kms:Encrypt', 'kms:GenerateDataKey'], key('eu-west-1')],
      [use, key('eu-central-1')],
      [use, key('eu-west-1')],
    ]),
  );
});

test('a service of the second region stands by on the primary', () => {
  const { far, registry } = twoRegions();
  shipperIn(far, { registry, config: plainConfig({ ha: true }), shipperName: 'okta' });
  expect(containerIn(far, 'flicker').Environment).toEqual(
    expect.arrayContaining([
      { Name: 'FLICKER_REGISTRY_FILE', Value: 's3://state-near/flicker/prod/okta-registry.json' },
      { Name: 'FLICKER_REGISTRY_REGION', Value: 'eu-central-1' },
    ]),
  );
});

test('nobody but replication writes the replica; who promotes reads it and writes the other bucket', async () => {
  const { far, standby } = twoRegions();
  const operator = new iam.Role(far, 'Operator', { assumedBy: new iam.AccountRootPrincipal() });
  standby.grantPromote(operator, layout);
  // Even a role that may do all.
  operator.addToPolicy(new iam.PolicyStatement({ actions: ['s3:*'], resources: [`${standby.replica.bucketArn}/*`] }));
  const policies = policiesOf(far);
  const replica = { type: 's3-object', bucket: nameIn(far, standby.replica), key: layout.key } as const;
  const home = { ...replica, bucket: nameIn(far, standby.bucket) };
  const may = (action: `s3:${string}`, resource: typeof replica | typeof home, context = {}) =>
    allows(policies, /^operator/, { action, resource }, context);
  const conditional = { 's3:if-none-match': '*', 's3:ObjectCreationOperation': 'true' };
  expect(await may('s3:GetObject', replica)).toBe(true);
  expect(await may('s3:PutObject', replica, conditional)).toBe(false);
  expect(await may('s3:DeleteObject', replica)).toBe(false);
  expect(await may('s3:PutObject', home, conditional)).toBe(true);
  expect(await may('s3:PutObject', { ...home, key: 'flicker/prod/other-registry.json' }, conditional)).toBe(false);
});

test.each<[string, (env: (region: string) => Stack) => unknown, string]>([
  [
    'a standby in the same region',
    (at) =>
      new ReplicatedStateRegistry(at('eu-west-1'), 'Registry', {
        bucketName: 'near',
        standby: new StandbyStateRegistry(at('eu-west-1'), 'Standby', { bucketName: 'far' }),
      }),
    'got a standby in eu-west-1 as well, expected a region for each of both stacks',
  ],
  [
    'stacks without a region',
    () => {
      const app = testApp();
      const standby = new StandbyStateRegistry(new Stack(app, 'Far'), 'Standby', { bucketName: 'far' });
      return new ReplicatedStateRegistry(new Stack(app, 'Near'), 'Registry', { bucketName: 'near', standby });
    },
    'standby of Near/Registry: got stacks without a region',
  ],
  [
    'a name that is a token',
    (at) => new StandbyStateRegistry(at('eu-west-1'), 'Standby', { bucketName: Aws.STACK_NAME }),
    'got a CDK token, expected a name known at synth',
  ],
  [
    'a key in one region',
    (at) => {
      const near = at('eu-central-1');
      return new ReplicatedStateRegistry(near, 'Registry', {
        bucketName: 'near',
        encryptionKey: kms.Key.fromKeyArn(near, 'Key', `arn:aws:kms:eu-central-1:${ACCOUNT}:key/a`),
        standby: new StandbyStateRegistry(at('eu-west-1'), 'Standby', { bucketName: 'far' }),
      });
    },
    'got a key here and none of the standby',
  ],
])('%s is refused', (_, make, message) => {
  const app = testApp();
  let count = 0;
  expect(() => make((region) => new Stack(app, `Test${(count += 1)}`, { env: { account: ACCOUNT, region } }))).toThrow(
    message,
  );
});
