import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { registryLayout } from '../../../contract';
import { StateRegistry } from '../../../lib';
import { normalizedTemplate } from '../../../lib/testing';
import { testApp, testStack } from '../support/app';
import { policiesOf } from '../support/iam';

const layout = registryLayout('flicker', 'prod', 'okta');

test('the template of a registry', () => {
  const stack = testStack();
  new StateRegistry(stack, 'Registry');
  expect(normalizedTemplate(stack)).toMatchSnapshot();
});

test('is versioned, encrypted, private, and stays when its stack goes', () => {
  const stack = testStack();
  new StateRegistry(stack, 'Registry');
  const template = Template.fromStack(stack);
  template.hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  template.hasResourceProperties('AWS::S3::Bucket', {
    VersioningConfiguration: { Status: 'Enabled' },
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
    },
    PublicAccessBlockConfiguration: {
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    },
    OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    LifecycleConfiguration: {
      Rules: [
        { NoncurrentVersionExpiration: { NoncurrentDays: 7, NewerNoncurrentVersions: 10 }, Status: 'Enabled' },
        { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }, Status: 'Enabled' },
      ],
    },
  });
});

test('refuses plain HTTP and unconditional writes of a registry', () => {
  const stack = testStack();
  new StateRegistry(stack, 'Registry');
  Template.fromStack(stack).hasResourceProperties('AWS::S3::BucketPolicy', {
    PolicyDocument: {
      Statement: Match.arrayWith([
        Match.objectLike({ Effect: 'Deny', Action: 's3:*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        Match.objectLike({
          Effect: 'Deny',
          Action: 's3:PutObject',
          Principal: { AWS: '*' },
          Resource: { 'Fn::Join': ['', [Match.anyValue(), '/*-registry.json']] },
          Condition: {
            Null: { 's3:if-match': 'true', 's3:if-none-match': 'true' },
            Bool: { 's3:ObjectCreationOperation': 'true' },
          },
        }),
      ]),
    },
  });
});

test('takes days, versions, name, removal policy and key', () => {
  const stack = testStack();
  new StateRegistry(stack, 'Registry', {
    bucketName: 'company-registry',
    encryptionKey: new kms.Key(stack, 'Key'),
    noncurrentVersionExpiration: Duration.days(30),
    noncurrentVersionsToRetain: 100,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  const template = Template.fromStack(stack);
  template.hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Delete' });
  template.hasResourceProperties('AWS::S3::Bucket', {
    BucketName: 'company-registry',
    BucketEncryption: {
      ServerSideEncryptionConfiguration: [
        { BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } },
      ],
    },
    LifecycleConfiguration: {
      Rules: Match.arrayWith([
        Match.objectLike({ NoncurrentVersionExpiration: { NoncurrentDays: 30, NewerNoncurrentVersions: 100 } }),
      ]),
    },
  });
});

test.each([0, 101, 1.5])('fails when %p versions are to be retained', (noncurrentVersionsToRetain) => {
  expect(() => new StateRegistry(testStack(), 'Registry', { noncurrentVersionsToRetain })).toThrow(
    `noncurrentVersionsToRetain: got ${noncurrentVersionsToRetain}, expected a whole number from 1 to 100; keep more by`,
  );
});

test('adds no Lambda function and no custom resource', () => {
  const stack = testStack();
  new StateRegistry(stack, 'Registry');
  expect(Object.values<{ Type: string }>(Template.fromStack(stack).toJSON().Resources).map(({ Type }) => Type)).toEqual(
    ['AWS::S3::Bucket', 'AWS::S3::BucketPolicy'],
  );
});

describe('the use of a KMS key follows', () => {
  const kmsActions = (grant: (registry: StateRegistry, role: iam.Role) => void) => {
    const stack = testStack();
    const registry = new StateRegistry(stack, 'Registry', { encryptionKey: new kms.Key(stack, 'Key') });
    grant(registry, new iam.Role(stack, 'Role', { assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com') }));
    const actions = policiesOf(stack)
      .identity(/^role/)
      .Statement.flatMap(({ Action }) => Action);
    return actions.filter((action) => action.startsWith('kms:'));
  };

  test('for the instance', () => {
    expect(kmsActions((registry, role) => registry.grants.instance(role, layout))).toEqual([
      'kms:Decrypt',
      'kms:GenerateDataKey',
    ]);
  });

  test('not for another bucket', () => {
    const elsewhere = { type: 's3-object', bucket: 'elsewhere', key: 'a' } as const;
    expect(
      kmsActions((registry, role) =>
        registry.grants.calls(role, [{ operation: 'GetObject', action: 's3:GetObject', resource: elsewhere, why: '' }]),
      ),
    ).toEqual([]);
  });
});

test('serves a bucket made elsewhere, by object and by attributes', () => {
  const stack = new Stack(testApp(), 'Test');
  const role = new iam.Role(stack, 'Role', { assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com') });
  const key = kms.Key.fromKeyArn(stack, 'Key', 'arn:aws:kms:eu-central-1:111122223333:key/abc');
  const bucket = s3.Bucket.fromBucketName(stack, 'Bucket', 'first-bucket');
  const first = StateRegistry.fromBucket(stack, 'First', bucket);
  const second = StateRegistry.fromStateRegistryAttributes(stack, 'Second', {
    bucketName: 'second-bucket',
    encryptionKey: key,
  });
  expect(first.bucket).toBe(bucket);
  first.grants.instance(role, layout);
  second.grants.instance(role, layout);
  const text = JSON.stringify(Template.fromStack(stack).toJSON());
  expect(text).toContain(':s3:::first-bucket/flicker/prod/okta-registry.json');
  expect(text).toContain(':s3:::second-bucket/flicker/prod/okta/*');
  expect(text).toContain('"kms:GenerateDataKey"');
  Template.fromStack(stack).resourceCountIs('AWS::S3::Bucket', 0);
});
