import type { k8s } from 'cdk8s-plus-28';
import { awsCredentialEnvironment } from '../../contract';
import { ROLE_ANNOTATION } from '../identity/service-account';
import { NetworkEdge } from './network';

/** Addresses of the EKS Pod Identity Agent on every node (EKS user guide, Pod Identity considerations). */
const POD_IDENTITY_AGENT = ['169.254.170.23/32', 'fd00:ec2::23/128'];

/** One key of a Secret. */
export interface SecretKey {
  /** Name of the Secret. */
  readonly name: string;
  readonly key: string;
}

export interface StaticCredentials {
  /** Name of the Secret that holds both. */
  readonly secretName: string;
  /** @default 'access-key-id' */
  readonly accessKeyIdKey?: string;
  /** @default 'secret-access-key' */
  readonly secretAccessKeyKey?: string;
}

/** Who a pod is to AWS. One source only: static credentials would win over a role. */
export class AwsIdentity {
  /** IAM roles for service accounts: the service account names its role. */
  static irsa(roleArn: string): AwsIdentity {
    return new AwsIdentity({ [ROLE_ANNOTATION]: roleArn }, [], []);
  }

  /** EKS Pod Identity: an association names the role, see `PodIdentityRole`. */
  static podIdentity(): AwsIdentity {
    return new AwsIdentity({}, [], [NetworkEdge.addresses(POD_IDENTITY_AGENT, { ports: [80] })]);
  }

  /** Keys in a Secret, for clusters outside AWS and for stores that are not AWS. */
  static staticCredentials(credentials: StaticCredentials): AwsIdentity {
    const {
      secretName: name,
      accessKeyIdKey = 'access-key-id',
      secretAccessKeyKey = 'secret-access-key',
    } = credentials;
    const env = [
      secretVariable(awsCredentialEnvironment.accessKeyId, { name, key: accessKeyIdKey }),
      secretVariable(awsCredentialEnvironment.secretAccessKey, { name, key: secretAccessKeyKey }),
    ];
    return new AwsIdentity({}, env, []);
  }

  private constructor(
    /** Annotations of the service account. */
    readonly annotations: Readonly<Record<string, string>>,
    /** Variables of the container. */
    readonly environment: readonly k8s.EnvVar[],
    /** What the pod must reach to become who it is. */
    readonly egress: readonly NetworkEdge[],
  ) {}
}

/** A variable whose value a Secret holds. */
export function secretVariable(name: string, { name: secret, key }: SecretKey): k8s.EnvVar {
  return { name, valueFrom: { secretKeyRef: { name: secret, key } } };
}
