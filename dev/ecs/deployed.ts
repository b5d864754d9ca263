import { DescribeServicesCommand, DescribeTaskDefinitionCommand, ECSClient } from '@aws-sdk/client-ecs';
import type { AwsConnection } from '../aws/connection';
import { completeTaskDefinition, type TaskDefinition, type TemplateSource } from './definition';
import { readStack, type DeployedStack } from './stack';
import { resolve } from './template';

/** A service of a deployed stack. */
export interface ServiceInStack {
  readonly stackName: string;
  /** The service's logical id, or what it begins with, or its name. @default the only one of the stack */
  readonly service?: string;
}

/** A service by its names in ECS. */
export interface ServiceInCluster {
  readonly cluster: string;
  readonly service: string;
}

export type ServiceLocator = ServiceInStack | ServiceInCluster;

/** A service as it is deployed now. */
export interface DeployedService {
  readonly name: string;
  readonly cluster: string;
  readonly desiredCount: number;
  readonly definition: TaskDefinition;
}

/** Logical ids of the services of a stack. */
export async function listServices(aws: AwsConnection, stackName: string): Promise<string[]> {
  const { resources } = await readStack(aws, stackName);
  return resources.filter(({ type }) => type === 'AWS::ECS::Service').map(({ logicalId }) => logicalId);
}

/**
 * Reads a service and its task definition from the API, and what the API has lost from the template of its stack.
 *
 * @throws Error when there is no such service, or a stack has several and none is named.
 */
export async function readService(aws: AwsConnection, locator: ServiceLocator): Promise<DeployedService> {
  const client = new ECSClient(aws.clientConfig);
  try {
    const {
      cluster,
      service,
      stack: named,
    } = 'stackName' in locator ? await findInStack(aws, locator) : inCluster(locator);
    const answer = await client.send(new DescribeServicesCommand({ cluster, services: [service], include: ['TAGS'] }));
    const found = answer.services?.[0];
    if (found?.taskDefinition === undefined) throw new Error(`cluster ${cluster} has no service ${service}`);
    const described = await client.send(new DescribeTaskDefinitionCommand({ taskDefinition: found.taskDefinition }));
    const arn = described.taskDefinition?.taskDefinitionArn ?? found.taskDefinition;
    const tag = found.tags?.find(({ key }) => key === 'aws:cloudformation:stack-name')?.value;
    const stack = named ?? (tag === undefined ? undefined : await readStack(aws, tag));
    const api = {
      arn,
      containerDefinitions: described.taskDefinition?.containerDefinitions ?? [],
      volumes: described.taskDefinition?.volumes ?? [],
    };
    return {
      name: found.serviceName ?? service,
      cluster,
      desiredCount: found.desiredCount ?? 1,
      definition: completeTaskDefinition(api, stack && templateOf(stack, arn)),
    };
  } finally {
    client.destroy();
  }
}

interface FoundService {
  readonly cluster: string;
  readonly service: string;
  readonly stack: DeployedStack | undefined;
}

function inCluster({ cluster, service }: ServiceInCluster): FoundService {
  return { cluster, service, stack: undefined };
}

async function findInStack(aws: AwsConnection, { stackName, service: wanted }: ServiceInStack): Promise<FoundService> {
  const stack = await readStack(aws, stackName);
  const { name, resources } = stack;
  const services = resources.filter(({ type }) => type === 'AWS::ECS::Service');
  const nameOf = (arn: string) => arn.slice(arn.lastIndexOf('/') + 1);
  const matching = services.filter(
    ({ logicalId, physicalId }) =>
      wanted === undefined || logicalId.startsWith(wanted) || nameOf(physicalId) === wanted,
  );
  const [service] = matching;
  if (service === undefined || matching.length > 1) {
    const all = services.map(({ logicalId }) => logicalId).join(', ') || 'none';
    const which = wanted === undefined ? 'services' : `services that begin with ${wanted}`;
    throw new Error(`stack ${name} has ${matching.length} ${which}, expected one; its services: ${all}`);
  }
  // arn:aws:ecs:<region>:<account>:service/<cluster>/<name>
  const [, cluster = 'default'] = service.physicalId.split('/');
  return { cluster, service: nameOf(service.physicalId), stack };
}

function templateOf(stack: DeployedStack, definitionArn: string): TemplateSource | undefined {
  const resource = stack.resources.find(({ physicalId }) => physicalId === definitionArn);
  return (
    resource && {
      properties: stack.properties(resource.logicalId),
      resolve: (value: unknown) => resolve(value, stack.values),
    }
  );
}
