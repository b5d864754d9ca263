import { CfnPodIdentityAssociation } from 'aws-cdk-lib/aws-eks';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { checkServiceAccount, type ServiceAccountOptions } from './service-account';

export interface PodIdentityRoleProps extends ServiceAccountOptions {
  /** Name of the EKS cluster, which runs the Pod Identity Agent add-on. */
  readonly clusterName: string;
}

/**
 * The role of one Kubernetes service account, by EKS Pod Identity: the role, and the association that gives it to the
 * service account. Needs no annotation, no identity provider and no access to the cluster's API.
 */
export class PodIdentityRole extends Construct implements iam.IGrantable {
  readonly role: iam.Role;
  readonly association: CfnPodIdentityAssociation;
  readonly grantPrincipal: iam.IPrincipal;

  /** @throws Error when namespace or service account have no name that Kubernetes accepts */
  constructor(scope: Construct, id: string, props: PodIdentityRoleProps) {
    super(scope, id);
    checkServiceAccount(this.node.path, props);
    const { namespace, serviceAccountName } = props;
    this.role = new iam.Role(this, 'Role', {
      roleName: props.roleName,
      description: `Kubernetes service account ${namespace}/${serviceAccountName}`,
      // The agent passes cluster, namespace and service account as session tags.
      assumedBy: new iam.ServicePrincipal('pods.eks.amazonaws.com').withSessionTags(),
    });
    this.association = new CfnPodIdentityAssociation(this, 'Association', {
      clusterName: props.clusterName,
      namespace,
      serviceAccount: serviceAccountName,
      roleArn: this.role.roleArn,
    });
    this.grantPrincipal = this.role;
  }

  get roleArn(): string {
    return this.role.roleArn;
  }
}
