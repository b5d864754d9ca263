import type * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct, type IConstruct } from 'constructs';
import { createRegistryBucket, type StateRegistryProps } from './registry-bucket';
import { StateRegistryGrants } from './state-registry-grants';

export type { StateRegistryProps } from './registry-bucket';

/** A bucket in which programs keep their registries. */
export interface IStateRegistry extends IConstruct {
  readonly bucket: s3.IBucket;
  /** Grants for the registry of one program instance. */
  readonly grants: StateRegistryGrants;
}

/** What is known of a registry bucket made elsewhere. */
export interface StateRegistryAttributes {
  readonly bucketName: string;
  /**
   * Region of the bucket.
   *
   * @default - that of the stack
   */
  readonly region?: string;
  /**
   * Key that encrypts the bucket.
   *
   * @default - none; encryption with keys that S3 manages
   */
  readonly encryptionKey?: kms.IKey;
}

/**
 * The bucket that outlives every container. Each program instance owns one object in it, its registry, which is lease
 * and state at once and is only ever written conditionally: the bucket's policy refuses any other write.
 */
export class StateRegistry extends Construct implements IStateRegistry {
  /** Uses a bucket made elsewhere. Its policy and lifecycle stay as they are: see docs/registry.md for what they should hold. */
  static fromBucket(scope: Construct, id: string, bucket: s3.IBucket): IStateRegistry {
    return new ImportedStateRegistry(scope, id, bucket);
  }

  /** Uses a bucket made elsewhere, by its name. */
  static fromStateRegistryAttributes(
    scope: Construct,
    id: string,
    attributes: StateRegistryAttributes,
  ): IStateRegistry {
    return new ImportedStateRegistry(scope, id, attributes);
  }

  readonly bucket: s3.Bucket;
  readonly grants: StateRegistryGrants;

  /** @throws Error when `noncurrentVersionsToRetain` is not what S3 accepts */
  constructor(scope: Construct, id: string, props: StateRegistryProps = {}) {
    super(scope, id);
    this.bucket = createRegistryBucket(this, props);
    this.grants = new StateRegistryGrants(this.bucket);
  }
}

class ImportedStateRegistry extends Construct implements IStateRegistry {
  readonly bucket: s3.IBucket;
  readonly grants: StateRegistryGrants;

  constructor(scope: Construct, id: string, from: s3.IBucket | StateRegistryAttributes) {
    super(scope, id);
    this.bucket = 'bucketArn' in from ? from : s3.Bucket.fromBucketAttributes(this, 'Resource', from);
    this.grants = new StateRegistryGrants(this.bucket);
  }
}
