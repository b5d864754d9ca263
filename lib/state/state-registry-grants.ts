import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import {
  registryCalls,
  registryOperatorCalls,
  registryPrefixCalls,
  type AwsCall,
  type RegistryLayout,
} from '../../contract';
import { grantCalls } from '../identity/grant-calls';

/** Grants on the registry of one program instance: its key and its prefix, nothing of a neighbour. */
export class StateRegistryGrants {
  constructor(private readonly bucket: s3.IBucket) {}

  /** What the instance itself needs: load and save its registry, and write below the prefix beside it. */
  instance(grantee: iam.IGrantable, layout: RegistryLayout): iam.Grant {
    const { bucketName } = this.bucket;
    return this.calls(grantee, [...registryCalls(bucketName, layout), ...registryPrefixCalls(bucketName, layout)]);
  }

  /** What a person needs who reads the history of a registry, edits and moves it, and sends dead letters again. */
  operate(grantee: iam.IGrantable, layout: RegistryLayout): iam.Grant {
    return this.calls(grantee, registryOperatorCalls(this.bucket.bucketName, layout));
  }

  /** What a program's own list of calls needs, here and in other buckets; the key of this bucket follows. */
  calls(grantee: iam.IGrantable, calls: readonly AwsCall[]): iam.Grant {
    return grantCalls(grantee, calls, [this.bucket]);
  }
}
