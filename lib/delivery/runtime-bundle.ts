import { AssetHashType } from 'aws-cdk-lib';
import type * as iam from 'aws-cdk-lib/aws-iam';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { Construct } from 'constructs';
import { bundleCalls } from '../../contract';
import { grantCalls } from '../identity/grant-calls';
import { bundleFile } from './bundle-file';

/** A program's prebuilt bundle as a file asset, for pods that copy it from there: `ContainerCode.bundle({ url })`. */
export class RuntimeBundle extends Construct {
  /** `s3://bucket/key`. */
  readonly url: string;
  /** SHA-256 of the bundle, hexadecimal. */
  readonly sha256: string;
  private readonly asset: Asset;

  /** @throws Error when there is no such program */
  constructor(scope: Construct, id: string, program: 'flicker') {
    super(scope, id);
    const { path, sha256 } = bundleFile(program);
    this.sha256 = sha256;
    this.asset = new Asset(this, 'Asset', { path, assetHash: sha256, assetHashType: AssetHashType.CUSTOM });
    this.url = this.asset.s3ObjectUrl;
  }

  /** Lets a role copy the bundle. */
  grantRead(grantee: iam.IGrantable): iam.Grant {
    return grantCalls(grantee, bundleCalls(this.asset.s3BucketName, this.asset.s3ObjectKey));
  }
}
