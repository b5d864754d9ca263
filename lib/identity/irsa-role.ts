import { Aws, CfnResource, Fn, Token } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { problem } from '../problem';
import { checkServiceAccount, type ServiceAccountOptions } from './service-account';

const AUDIENCE = 'sts.amazonaws.com';

export interface IrsaRoleProps extends ServiceAccountOptions {
  /**
   * Issuer of the cluster, with or without `https://`: text, or a token such as `cluster.clusterOpenIdConnectIssuerUrl`.
   * Its identity provider must exist in the account of the stack.
   *
   * @default - that of `providerArn`
   */
  readonly issuer?: string;
  /**
   * ARN of an identity provider that exists already. Not together with `issuer`.
   *
   * @default - the provider of `issuer` in the account of the stack
   */
  readonly providerArn?: string;
}

/**
 * The role of one Kubernetes service account, by IAM roles for service accounts (IRSA). Only tokens of exactly this
 * namespace and service account, made for STS, may assume it. Never adds a Lambda function, for a token issuer neither.
 */
export class IrsaRole extends Construct implements iam.IGrantable {
  readonly role: iam.Role;
  readonly grantPrincipal: iam.IPrincipal;

  /** @throws Error when not exactly one of `issuer` and `providerArn` is given, or one is malformed */
  constructor(scope: Construct, id: string, props: IrsaRoleProps) {
    super(scope, id);
    checkServiceAccount(this.node.path, props);
    const { issuer, providerArn } = providerOf(this.node.path, props);
    const conditions = {
      [`${issuer}:sub`]: `system:serviceaccount:${props.namespace}:${props.serviceAccountName}`,
      [`${issuer}:aud`]: AUDIENCE,
    };
    const known = !Token.isUnresolved(issuer);
    this.role = new iam.Role(this, 'Role', {
      roleName: props.roleName,
      description: `Kubernetes service account ${props.namespace}/${props.serviceAccountName}`,
      assumedBy: new iam.WebIdentityPrincipal(providerArn, known ? { StringEquals: conditions } : {}),
    });
    if (!known) this.trustToken(providerArn, conditions);
    this.grantPrincipal = this.role;
  }

  get roleArn(): string {
    return this.role.roleArn;
  }

  /**
   * The keys of a condition cannot be intrinsic functions. A whole policy can: CloudFormation takes it as JSON text, into
   * which the issuer is filled when the stack is deployed.
   */
  private trustToken(providerArn: string, conditions: Readonly<Record<string, string>>): void {
    const pairs = Object.entries(conditions).map(([key, value]) => `"${key}":"${value}"`);
    const text =
      `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",` +
      `"Principal":{"Federated":"${providerArn}"},"Condition":{"StringEquals":{${pairs.join(',')}}}}]}`;
    const resource = this.role.node.defaultChild;
    if (!CfnResource.isCfnResource(resource)) throw new Error(`${this.role.node.path} has no resource of its own`);
    resource.addPropertyOverride('AssumeRolePolicyDocument', text);
  }
}

interface Provider {
  /** Without `https://`. */
  readonly issuer: string;
  readonly providerArn: string;
}

function providerOf(where: string, { issuer, providerArn }: IrsaRoleProps): Provider {
  if ((issuer === undefined) === (providerArn === undefined)) {
    throw problem({
      what: `issuer of ${where}`,
      got: issuer === undefined ? 'neither issuer nor providerArn' : 'issuer and providerArn',
      expected: 'one of them: each follows from the other',
      fix: 'give the issuer of the cluster, or the ARN of its identity provider',
    });
  }
  if (issuer !== undefined) {
    const bare = withoutScheme(where, issuer);
    return { issuer: bare, providerArn: `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:oidc-provider/${bare}` };
  }
  const arn = providerArn ?? '';
  return { issuer: issuerOf(where, arn), providerArn: arn };
}

function withoutScheme(where: string, issuer: string): string {
  if (Token.isUnresolved(issuer)) return Fn.join('', Fn.split('https://', issuer));
  const bare = issuer.replace(/^https:\/\//, '').replace(/\/$/, '');
  if (/^[a-z0-9.-]+(:\d+)?(\/[\w./-]*)?$/i.test(bare)) return bare;
  throw problem({
    what: `issuer of ${where}`,
    got: JSON.stringify(issuer),
    expected: 'the https address of an OpenID Connect issuer',
    fix: 'take it from: aws eks describe-cluster --name … --query cluster.identity.oidc.issuer',
  });
}

function issuerOf(where: string, arn: string): string {
  if (Token.isUnresolved(arn)) return Fn.select(1, Fn.split(':oidc-provider/', arn));
  const [, issuer] = /^arn:[^:]+:iam::\d{12}:oidc-provider\/([^*?]+)$/.exec(arn) ?? [];
  if (issuer) return issuer;
  throw problem({
    what: `providerArn of ${where}`,
    got: JSON.stringify(arn),
    expected: 'arn:aws:iam::<account>:oidc-provider/<issuer>',
    fix: 'take it from: aws iam list-open-id-connect-providers',
  });
}
