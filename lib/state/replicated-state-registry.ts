import { Stack, Token } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import {
  REPLICA_DENIED_ACTIONS,
  REPLICA_KEY_ACTIONS,
  registryOperatorCalls,
  registryReadCalls,
  type RegistryLayout,
} from '../../contract';
import { acknowledgeWildcards } from '../identity/acknowledge';
import { grantCalls } from '../identity/grant-calls';
import { problem } from '../problem';
import {
  acknowledgeAccessLogs,
  createRegistryBucket,
  registryBucketProps,
  type StateRegistryProps,
} from './registry-bucket';
import type { IStateRegistry } from './state-registry';
import { StateRegistryGrants } from './state-registry-grants';

export interface StandbyStateRegistryProps extends Omit<StateRegistryProps, 'bucketName'> {
  /** Name of the bucket that programs use once the standby is promoted. Known at synth: another region refers to it. */
  readonly bucketName: string;
  /**
   * Name of the bucket that holds the copy of the primary.
   *
   * @default - `bucketName` and `-replica`
   */
  readonly replicaBucketName?: string;
}

/**
 * The second region of a `ReplicatedStateRegistry`: `replica`, which only replication writes, and `bucket`, which is empty
 * until somebody promotes a registry into it. They are two, because replication that is late would overwrite what a
 * promoted program has saved: a compare-and-swap against a replica protects nothing.
 */
export class StandbyStateRegistry extends Construct implements IStateRegistry {
  readonly bucket: s3.Bucket;
  readonly grants: StateRegistryGrants;
  /** The copy of the primary. Never a registry's location. */
  readonly replica: s3.Bucket;
  /** The key that both buckets are encrypted with, if not by S3. */
  readonly encryptionKey: StandbyStateRegistryProps['encryptionKey'];

  /** @throws Error when a name is not known at synth, or `noncurrentVersionsToRetain` is not what S3 accepts */
  constructor(scope: Construct, id: string, props: StandbyStateRegistryProps) {
    super(scope, id);
    checkName(this, props.bucketName);
    const { replicaBucketName = `${props.bucketName}-replica`, ...home } = props;
    this.encryptionKey = props.encryptionKey;
    this.bucket = createRegistryBucket(this, home);
    this.grants = new StateRegistryGrants(this.bucket);
    this.replica = new s3.Bucket(this, 'Replica', registryBucketProps({ ...home, bucketName: replicaBucketName }));
    this.replica.addToResourcePolicy(denyWrites(this.replica));
    acknowledgeAccessLogs(this.replica);
  }

  /** What a person needs who promotes the copy of a registry (`flicker registry promote`). */
  grantPromote(grantee: iam.IGrantable, layout: RegistryLayout): iam.Grant {
    const read = grantCalls(grantee, registryReadCalls(this.replica.bucketName, layout), [this.replica]);
    const write = grantCalls(grantee, registryOperatorCalls(this.bucket.bucketName, layout), [this.bucket]);
    return read.combine(write);
  }
}

export interface ReplicatedStateRegistryProps extends Omit<StateRegistryProps, 'bucketName'> {
  /** Name of the primary bucket. Known at synth: the services of the second region refer to it. */
  readonly bucketName: string;
  /** The second region, made in a stack of its own. */
  readonly standby: StandbyStateRegistry;
}

/**
 * A state registry that a second region has a copy of, for the loss of a whole region. Services of both regions use this
 * one bucket, with `ha`: one is active, the others stand by. Replication is asynchronous and not bounded (mostly minutes), and
 * a promoted registry is behind by as much: events since then are shipped again, none is skipped. See
 * docs/multi-region.md.
 */
export class ReplicatedStateRegistry extends Construct implements IStateRegistry {
  readonly bucket: s3.Bucket;
  readonly grants: StateRegistryGrants;
  readonly standby: StandbyStateRegistry;

  /**
   * @throws Error when the name is not known at synth, the standby is in no other region, one of both has a KMS key, or
   *   `noncurrentVersionsToRetain` is not what S3 accepts
   */
  constructor(scope: Construct, id: string, props: ReplicatedStateRegistryProps) {
    super(scope, id);
    const { standby, ...own } = props;
    checkName(this, own.bucketName);
    checkRegions(this, standby);
    checkKeys(this, own.encryptionKey, standby.encryptionKey);
    this.standby = standby;
    // The role that the CDK makes may have a fixed name, of which an account has one.
    const role = new iam.Role(this, 'Replication', { assumedBy: new iam.ServicePrincipal('s3.amazonaws.com') });
    this.bucket = createRegistryBucket(this, own, {
      replicationRole: role,
      replicationRules: [
        {
          id: 'registries-to-standby',
          destination: standby.replica,
          priority: 1,
          // What somebody deletes here stays there.
          deleteMarkerReplication: false,
          ...(own.encryptionKey && { sseKmsEncryptedObjects: true }),
          ...(standby.encryptionKey && { kmsKey: standby.encryptionKey }),
        },
      ],
    });
    this.bucket.grants.replicationPermission(role, {
      sourceDecryptionKey: own.encryptionKey,
      destinations: [{ bucket: standby.replica }],
    });
    if (standby.encryptionKey) {
      // Of this key alone: the CDK would allow all of another region.
      role.addToPolicy(
        new iam.PolicyStatement({ actions: [...REPLICA_KEY_ACTIONS], resources: [standby.encryptionKey.keyArn] }),
      );
    }
    acknowledgeWildcards(
      role,
      [this.bucket.arnForObjects('*'), standby.replica.arnForObjects('*')],
      'Replication copies every object of the bucket.',
    );
    // S3 replicates only to a bucket that is there.
    this.bucket.node.addDependency(standby);
    this.grants = new StateRegistryGrants(this.bucket);
  }
}

function checkName({ node }: Construct, bucketName: string): void {
  if (!Token.isUnresolved(bucketName)) return;
  throw problem({
    what: `bucketName of ${node.path}`,
    got: 'a CDK token',
    expected: 'a name known at synth: the stacks of the other region refer to it',
    fix: 'write the name',
  });
}

function checkRegions(primary: Construct, standby: Construct): void {
  const [near, far] = [Stack.of(primary).region, Stack.of(standby).region];
  if (!Token.isUnresolved(near) && !Token.isUnresolved(far) && near !== far) return;
  throw problem({
    what: `standby of ${primary.node.path}`,
    got: near === far && !Token.isUnresolved(near) ? `a standby in ${near} as well` : 'stacks without a region',
    expected: 'a region for each of both stacks, known at synth, and not the same',
    fix: "give both stacks their env: { account: '…', region: '…' }",
  });
}

/** S3 takes a key for the copies of encrypted objects alone, and none of these without one. */
function checkKeys(primary: Construct, own: kms.IKey | undefined, copy: kms.IKey | undefined): void {
  if (Boolean(own) === Boolean(copy)) return;
  throw problem({
    what: `encryptionKey of ${primary.node.path}`,
    got: own ? 'a key here and none of the standby' : 'none here and a key of the standby',
    expected: 'a key of each region, or none at all: S3 refuses the replication otherwise',
    fix: 'give the other one a key of its region',
  });
}

/** Replication writes by actions of its own. */
function denyWrites(bucket: s3.IBucket): iam.PolicyStatement {
  return new iam.PolicyStatement({
    sid: 'DenyWritesButReplication',
    effect: iam.Effect.DENY,
    principals: [new iam.AnyPrincipal()],
    actions: [...REPLICA_DENIED_ACTIONS],
    resources: [bucket.arnForObjects('*')],
  });
}
