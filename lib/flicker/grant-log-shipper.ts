import type * as iam from 'aws-cdk-lib/aws-iam';
import { FLICKER, flickerCalls, registryLayout, type FlickerConfigInput } from '../../contract';
import type { IStateRegistry } from '../state/state-registry';
import { checkConfig } from './shipper-config';

export interface LogShipperGrant {
  /** The bucket that holds the shipper's registry. */
  readonly registry: IStateRegistry;
  /** The config of flicker, as in its file. */
  readonly config: FlickerConfigInput;
  /** Name of the shipper in the key of its registry. */
  readonly shipperName: string;
  /**
   * Stage in the key of the registry.
   *
   * @default 'prod'
   */
  readonly stage?: string;
  /**
   * Key of a registry that exists already, as in a `LogShipperChart`.
   *
   * @default - follows from stage and shipperName
   */
  readonly registryKey?: string;
  /**
   * Variables that the config refers to and that are known now.
   *
   * @default - none
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Names of the variables that the config refers to and that secrets provide.
   *
   * @default - none
   */
  readonly secrets?: readonly string[];
}

/**
 * Allows a role exactly what a shipper with this config does: its registry, and the places that the config names. The same
 * for a task role, an `IrsaRole` and a `PodIdentityRole`. A `LogShipper` does it itself.
 *
 * @throws SettingsError or Error when the config is not valid
 */
export function grantLogShipper(grantee: iam.IGrantable, grant: LogShipperGrant): iam.Grant {
  const { registry, stage = 'prod', shipperName } = grant;
  const config = checkConfig(`${registry.node.path} (grant for ${shipperName})`, grant.config, {
    environment: grant.environment ?? {},
    secrets: grant.secrets ?? [],
  });
  const { registryKey: key = registryLayout(FLICKER, stage, shipperName).key } = grant;
  return registry.grants.calls(grantee, flickerCalls(config, `s3://${registry.bucket.bucketName}/${key}`));
}
