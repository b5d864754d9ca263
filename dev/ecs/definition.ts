import { z } from 'zod';

const strings = z.array(z.string());

/** Fields of a container definition that are played. Times are in seconds, as the ECS API has them. */
const containerFields = {
  name: z.string(),
  image: z.string(),
  essential: z.boolean().default(true),
  entryPoint: strings.default([]),
  command: strings.default([]),
  workingDirectory: z.string().optional(),
  environment: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
  secrets: z.array(z.object({ name: z.string(), valueFrom: z.string() })).default([]),
  dependsOn: z
    .array(z.object({ containerName: z.string(), condition: z.enum(['START', 'COMPLETE', 'SUCCESS', 'HEALTHY']) }))
    .default([]),
  mountPoints: z
    .array(z.object({ sourceVolume: z.string(), containerPath: z.string(), readOnly: z.boolean().default(false) }))
    .default([]),
  healthCheck: z
    .object({
      command: strings.min(1),
      interval: z.number().default(30),
      timeout: z.number().default(5),
      retries: z.number().default(3),
      startPeriod: z.number().default(0),
    })
    .optional(),
  restartPolicy: z
    .object({
      enabled: z.boolean(),
      ignoredExitCodes: z.array(z.number()).default([]),
      restartAttemptPeriod: z.number().default(60),
    })
    .optional(),
  stopTimeout: z.number().default(30),
  /** Known, not played: a local program can write where its user can. */
  readonlyRootFilesystem: z.boolean().default(false),
} as const;

const containerSchema = z.object(containerFields);
const volumesSchema = z.array(z.object({ name: z.string() }));

export type ContainerDefinition = z.output<typeof containerSchema>;
export type HealthCheck = NonNullable<ContainerDefinition['healthCheck']>;
export type RestartPolicy = NonNullable<ContainerDefinition['restartPolicy']>;

/** A task definition as far as it is played. */
export interface TaskDefinition {
  readonly arn: string;
  readonly family: string;
  readonly revision: string;
  readonly containers: readonly ContainerDefinition[];
  /** Names of the task's volumes. */
  readonly volumes: readonly string[];
}

/** A task definition of the API; an emulator may have lost fields of it. */
export interface ApiTaskDefinition {
  readonly arn: string;
  readonly containerDefinitions: readonly object[];
  readonly volumes: readonly object[];
}

/** Where lost fields are found: the deployed template, and what its intrinsic functions mean. */
export interface TemplateSource {
  readonly properties: Readonly<Record<string, unknown>>;
  resolve(value: unknown): unknown;
}

/**
 * The task definition that a task runs. A field that the API does not have, or has only in part, is taken from the
 * template; only such fields are resolved.
 *
 * @throws Error when a field is missing in both, or asks for what cannot be played.
 */
export function completeTaskDefinition(api: ApiTaskDefinition, template: TemplateSource | undefined): TaskDefinition {
  const templateContainers = z
    .array(z.record(z.string(), z.unknown()))
    .parse(template?.properties.ContainerDefinitions ?? []);
  const byName = new Map(templateContainers.map((container) => [template?.resolve(container.Name), container]));
  const resolve = (value: unknown) => camelKeys(template?.resolve(value));
  const containers = api.containerDefinitions.map((entry) => completeContainer(entry, byName, resolve));

  const volumes = volumesSchema.safeParse(api.volumes).data ?? resolve(template?.properties.Volumes);
  const names = parse(volumesSchema, volumes ?? [], 'volumes').map(({ name }) => name);
  for (const { name, mountPoints, dependsOn } of containers) {
    for (const { sourceVolume } of mountPoints)
      if (!names.includes(sourceVolume))
        throw new Error(`container ${name} mounts ${sourceVolume}, which is no volume of its task`);
    for (const { containerName } of dependsOn)
      if (!containers.some((other) => other.name === containerName))
        throw new Error(`container ${name} depends on ${containerName}, which is no container of its task`);
  }
  const [family = '', revision = ''] = api.arn.slice(api.arn.indexOf('/') + 1).split(':');
  return { arn: api.arn, family, revision, containers, volumes: names };
}

function completeContainer(
  api: object,
  templates: ReadonlyMap<unknown, Readonly<Record<string, unknown>>>,
  resolve: (value: unknown) => unknown,
): ContainerDefinition {
  const given = new Map<string, unknown>(Object.entries(api));
  const name = parse(z.string(), given.get('name'), 'a container without a name');
  for (const unplayed of ['environmentFiles', 'volumesFrom'])
    if (z.array(z.unknown()).min(1).safeParse(given.get(unplayed)).success)
      throw new Error(`container ${name} uses ${unplayed}, which cannot be played on this machine`);
  const template = templates.get(name) ?? {};
  const fields = Object.entries(containerFields).map(([field, schema]) => {
    const value = given.get(field);
    if (value !== undefined && schema.safeParse(value).success) return [field, value];
    const deployed = template[field.charAt(0).toUpperCase() + field.slice(1)];
    return [field, deployed === undefined ? value : resolve(deployed)];
  });
  return parse(containerSchema, Object.fromEntries(fields), `container ${name}`);
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const fields = result.error.issues.map((issue) => `${issue.path.join('.') || 'value'}: ${issue.message}`);
  throw new Error(`${what} is not whole, neither in the API nor in a deployed template: ${fields.join('; ')}`);
}

/** CloudFormation writes `ContainerName` where the API writes `containerName`. */
function camelKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key.charAt(0).toLowerCase() + key.slice(1), camelKeys(part)]),
  );
}
