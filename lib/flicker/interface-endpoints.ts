import { Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type { IConstruct } from 'constructs';
import { usedDestinations, type DestinationConfig, type FlickerConfig } from '../../contract';
import { acknowledge } from '../identity/acknowledge';
import type { LogShipperProps, SecretSource } from './log-shipper-props';

/** The id of an endpoint in its VPC, and what it leads to. */
type Endpoint = [string, ec2.InterfaceVpcEndpointAwsService];
const aws = ec2.InterfaceVpcEndpointAwsService;

/** Adds endpoints for what a shipper calls to a VPC, each once, and gives them all. S3 has a gateway endpoint, at no charge. */
export function addInterfaceEndpoints(vpc: ec2.IVpc, config: FlickerConfig, props: LogShipperProps): IConstruct[] {
  const needed: Endpoint[] = [
    ['Logs', aws.CLOUDWATCH_LOGS],
    ...Object.values(props.secrets ?? {}).map((secret) => ofSecret(vpc, secret)),
    ...usedDestinations(config).flatMap(ofDestination),
  ];
  // An image of your own comes from a private registry; the stock images come from the public one, which has no endpoint.
  if (props.code) needed.push(['EcrApi', aws.ECR], ['EcrDocker', aws.ECR_DOCKER]);
  return needed.map(([name, service]) => {
    const id = `Endpoint${name}`;
    const found = vpc.node.tryFindChild(id);
    if (found) return found;
    const endpoint = vpc.addInterfaceEndpoint(id, { service });
    acknowledge(endpoint, { EC23: 'The endpoint is open to addresses of its VPC alone, on port 443.' });
    return endpoint;
  });
}

function ofSecret(vpc: ec2.IVpc, source: SecretSource): Endpoint {
  const arn = 'parameterArn' in source ? source.parameterArn : 'arn' in source ? source.arn : source.secretArn;
  // What ARNs of SSM parameters have in common, whatever else of them is a token.
  const isParameter = JSON.stringify(Stack.of(vpc).resolve(arn)).includes(':parameter');
  return isParameter ? ['Ssm', aws.SSM] : ['SecretsManager', aws.SECRETS_MANAGER];
}

function ofDestination(to: DestinationConfig): Endpoint[] {
  switch (to.type) {
    case 'kinesis':
      return [['Kinesis', aws.KINESIS_STREAMS]];
    case 'firehose':
      return [['Firehose', aws.KINESIS_FIREHOSE]];
    case 'sqs':
      return [['Sqs', aws.SQS]];
    default:
      return [];
  }
}
