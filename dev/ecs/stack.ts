import {
  CloudFormationClient,
  DescribeStacksCommand,
  GetTemplateCommand,
  paginateListExports,
  paginateListStackResources,
} from '@aws-sdk/client-cloudformation';
import { DescribeSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { z } from 'zod';
import type { AwsConnection } from '../aws/connection';
import type { StackValues } from './template';

export interface StackResource {
  readonly logicalId: string;
  readonly type: string;
  readonly physicalId: string;
}

/** A deployed stack: its resources, its template, and what the template's references mean. */
export interface DeployedStack {
  readonly name: string;
  readonly resources: readonly StackResource[];
  readonly values: StackValues;
  /** Properties of a resource as the template has them, with intrinsic functions. */
  properties(logicalId: string): Readonly<Record<string, unknown>>;
}

const templateSchema = z.object({
  Resources: z.record(z.string(), z.object({ Properties: z.record(z.string(), z.unknown()).default({}) })),
});

/** Reads a deployed stack from CloudFormation. */
export async function readStack(aws: AwsConnection, name: string): Promise<DeployedStack> {
  const client = new CloudFormationClient(aws.clientConfig);
  try {
    const { Stacks: [stack] = [] } = await client
      .send(new DescribeStacksCommand({ StackName: name }))
      .catch((error) => {
        const why = error instanceof Error && error.message ? error.message : 'it does not answer';
        throw new Error(`stack ${name} cannot be read at ${aws.endpoint} (${why}); is it deployed there?`, {
          cause: error,
        });
      });
    const { TemplateBody } = await client.send(new GetTemplateCommand({ StackName: name, TemplateStage: 'Processed' }));
    const template = parseTemplate(TemplateBody ?? '', name);
    const resources: StackResource[] = [];
    for await (const page of paginateListStackResources({ client }, { StackName: name }))
      for (const { LogicalResourceId, ResourceType, PhysicalResourceId } of page.StackResourceSummaries ?? [])
        if (LogicalResourceId && ResourceType && PhysicalResourceId)
          resources.push({ logicalId: LogicalResourceId, type: ResourceType, physicalId: PhysicalResourceId });
    const exports = new Map<string, string>();
    for await (const page of paginateListExports({ client }, {}))
      for (const { Name, Value } of page.Exports ?? []) exports.set(Name ?? '', Value ?? '');

    const stackId = stack?.StackId ?? '';
    const [, partition = 'aws', , region = aws.region, account = ''] = stackId.split(':');
    const pseudo = {
      'AWS::AccountId': account,
      'AWS::Partition': partition,
      'AWS::Region': region,
      'AWS::StackId': stackId,
      'AWS::StackName': name,
      'AWS::URLSuffix': partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com',
    };
    const parameters = (stack?.Parameters ?? []).map((entry): [string, string] => [
      entry.ParameterKey ?? '',
      entry.ResolvedValue ?? entry.ParameterValue ?? '',
    ]);
    const refs = new Map([...parameters, ...(await references(aws, resources))]);
    const byId = new Map(resources.map((resource) => [resource.logicalId, resource]));
    return {
      name,
      resources,
      properties: (id) => template.Resources[id]?.Properties ?? {},
      values: {
        stackName: name,
        refs,
        pseudo,
        exports,
        attribute: (id, attribute) => {
          const resource = byId.get(id);
          return resource && attributeOf(resource, attribute, { partition, region, account });
        },
      },
    };
  } finally {
    client.destroy();
  }
}

function parseTemplate(body: string, name: string): z.output<typeof templateSchema> {
  try {
    return templateSchema.parse(JSON.parse(body));
  } catch (error) {
    throw new Error(`the template of stack ${name} is not the JSON that the CDK deploys`, { cause: error });
  }
}

/** What `Ref` gives is the physical id, but for secrets on an emulator that lists them by name: there it is the ARN. */
async function references(aws: AwsConnection, resources: readonly StackResource[]): Promise<[string, string][]> {
  const client = new SecretsManagerClient(aws.clientConfig);
  try {
    return await Promise.all(
      resources.map(async ({ logicalId, type, physicalId }): Promise<[string, string]> => {
        if (type !== 'AWS::SecretsManager::Secret' || physicalId.startsWith('arn:')) return [logicalId, physicalId];
        const { ARN } = await client.send(new DescribeSecretCommand({ SecretId: physicalId }));
        return [logicalId, ARN ?? physicalId];
      }),
    );
  } finally {
    client.destroy();
  }
}

interface Place {
  readonly partition: string;
  readonly region: string;
  readonly account: string;
}

/** Attributes that follow from the physical id. CloudFormation has no call that tells the others. */
function attributeOf({ type, physicalId: id }: StackResource, name: string, place: Place): string | undefined {
  const arn = (service: string, resource: string) =>
    `arn:${place.partition}:${service}:${place.region}:${place.account}:${resource}`;
  const last = id.slice(id.lastIndexOf('/') + 1);
  switch (`${type}.${name}`) {
    case 'AWS::S3::Bucket.Arn':
      return `arn:${place.partition}:s3:::${id}`;
    case 'AWS::IAM::Role.Arn':
      return `arn:${place.partition}:iam::${place.account}:role/${id}`;
    case 'AWS::SQS::Queue.Arn':
      return arn('sqs', last);
    case 'AWS::SQS::Queue.QueueName':
      return last;
    case 'AWS::DynamoDB::Table.Arn':
      return arn('dynamodb', `table/${id}`);
    case 'AWS::SNS::Topic.TopicArn':
      return id;
    case 'AWS::ECS::Cluster.Arn':
      return arn('ecs', `cluster/${id}`);
    case 'AWS::Logs::LogGroup.Arn':
      return arn('logs', `log-group:${id}:*`);
    default:
      return undefined;
  }
}
