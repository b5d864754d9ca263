import type { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { z } from 'zod';

const containerDefinition = z.looseObject({
  Name: z.string(),
  Environment: z.array(z.object({ Name: z.string(), Value: z.unknown() })).optional(),
  Secrets: z.array(z.object({ Name: z.string(), ValueFrom: z.unknown() })).optional(),
  MountPoints: z.array(z.unknown()).optional(),
});
export type ContainerDefinition = z.output<typeof containerDefinition>;

const taskDefinitions = z.record(
  z.string(),
  z.object({ Properties: z.object({ ContainerDefinitions: z.array(containerDefinition) }) }),
);

/** A container of a stack's task, as the template has it. */
export function containerIn(stack: Stack, name: string): ContainerDefinition {
  const tasks = taskDefinitions.parse(Template.fromStack(stack).findResources('AWS::ECS::TaskDefinition'));
  const found = Object.values(tasks)
    .flatMap(({ Properties }) => Properties.ContainerDefinitions)
    .find((container) => container.Name === name);
  if (!found) throw new Error(`no container "${name}"`);
  return found;
}
