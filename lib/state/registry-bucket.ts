import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { REGISTRY_KEY_PATTERN, REGISTRY_WRITE_ACTION } from '../../contract';
import { acknowledge } from '../identity/acknowledge';
import { problem } from '../problem';
import type { StateRegistryProps } from './state-registry';

/** What every bucket of registries is: versioned, closed, encrypted, kept. */
export function registryBucketProps(props: StateRegistryProps): s3.BucketProps {
  const versionsToRetain = props.noncurrentVersionsToRetain ?? 10;
  if (!Number.isInteger(versionsToRetain) || versionsToRetain < 1 || versionsToRetain > 100) {
    throw problem({
      what: 'noncurrentVersionsToRetain',
      got: String(versionsToRetain),
      expected: 'a whole number from 1 to 100',
      fix: 'keep more by a longer noncurrentVersionExpiration',
    });
  }
  return {
    bucketName: props.bucketName,
    versioned: true,
    encryption: props.encryptionKey ? s3.BucketEncryption.KMS : s3.BucketEncryption.S3_MANAGED,
    encryptionKey: props.encryptionKey,
    bucketKeyEnabled: props.encryptionKey ? true : undefined,
    blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
    // Delete markers never expire: they tell a registry that was deleted from one that never was.
    lifecycleRules: [
      {
        id: 'expire-replaced-versions',
        noncurrentVersionExpiration: props.noncurrentVersionExpiration ?? Duration.days(7),
        noncurrentVersionsToRetain: versionsToRetain,
      },
      { id: 'abort-incomplete-uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
    ],
  };
}

/** A bucket of registries, which refuses to overwrite one unconditionally. */
export function createRegistryBucket(
  scope: Construct,
  props: StateRegistryProps,
  replicationRules?: s3.ReplicationRule[],
): s3.Bucket {
  const bucket = new s3.Bucket(scope, 'Resource', {
    ...registryBucketProps(props),
    ...(replicationRules && { replicationRules }),
  });
  bucket.addToResourcePolicy(denyUnconditionalWrites(bucket));
  acknowledgeAccessLogs(bucket);
  return bucket;
}

export function acknowledgeAccessLogs(bucket: s3.Bucket): void {
  acknowledge(bucket, {
    S1: 'Access logs of a bucket that is written every few seconds say less than its versions, which are kept.',
  });
}

/**
 * A registry may only be created where there is none or replaced where it is known. The parts of a multipart upload
 * carry no condition; the request that completes it does, and only that one creates an object.
 */
function denyUnconditionalWrites(bucket: s3.IBucket): iam.PolicyStatement {
  return new iam.PolicyStatement({
    sid: 'DenyUnconditionalRegistryWrites',
    effect: iam.Effect.DENY,
    principals: [new iam.AnyPrincipal()],
    actions: [REGISTRY_WRITE_ACTION],
    resources: [bucket.arnForObjects(REGISTRY_KEY_PATTERN)],
    conditions: {
      Null: { 's3:if-match': 'true', 's3:if-none-match': 'true' },
      Bool: { 's3:ObjectCreationOperation': 'true' },
    },
  });
}
