import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { acknowledge } from '../identity/acknowledge';

/** A VPC for tasks without public addresses: one NAT gateway for what is outside, and S3 beside it, at no charge. */
export function ownVpc(scope: Construct, id: string): ec2.Vpc {
  const vpc = new ec2.Vpc(scope, id, {
    maxAzs: 2,
    natGateways: 1,
    subnetConfiguration: [
      { name: 'public', subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false },
      { name: 'private', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
    ],
    gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
    // The feature flag of this name would do it by a Lambda function. No task here is in the default group.
    restrictDefaultSecurityGroup: false,
  });
  acknowledge(vpc, {
    VPC7: 'Tasks here accept no connections; flow logs are charged by volume and for you to switch on.',
  });
  return vpc;
}

/** A cluster for one service. */
export function ownCluster(scope: Construct, id: string, vpc: ec2.IVpc): ecs.Cluster {
  const cluster = new ecs.Cluster(scope, id, { vpc });
  acknowledge(cluster, {
    ECS4: 'The program reports its own metrics; Container Insights is charged by metric and optional.',
  });
  return cluster;
}
