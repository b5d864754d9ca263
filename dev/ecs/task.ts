import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { AwsConnection } from '../aws/connection';
import { createContainer, type Container, type ContainerState } from './container';
import type { ContainerDefinition, TaskDefinition } from './definition';
import { pathMapper, type PathMapper } from './paths';
import type { Player } from './players';
import { runProgram, type ContainerRun } from './program';
import { fetchSecrets } from './secrets';

/** A line that a container printed: what awslogs would ship. */
export interface LogLine {
  readonly taskId: string;
  readonly container: string;
  readonly output: 'stdout' | 'stderr';
  readonly line: string;
}

/** What is seen of a task from outside. */
export interface TaskState {
  readonly id: string;
  readonly arn: string;
  readonly definitionArn: string;
  /** RUNNING when each container has started, those that have ended already included. */
  readonly status: 'PENDING' | 'RUNNING' | 'STOPPING' | 'STOPPED';
  /** Why it stopped. */
  readonly stoppedReason?: string;
  /** Folders of its volumes on this machine; they are removed when the task has stopped. */
  readonly volumes: Readonly<Record<string, string>>;
  readonly containers: Readonly<Record<string, ContainerState>>;
}

export interface Task {
  state(): TaskState;
  kill(container: string, signal: NodeJS.Signals): Promise<void>;
  /** Stops its containers, the dependent ones first, and removes its volumes. */
  stop(reason: string): Promise<void>;
  /** Resolves when it has stopped, for whatever reason. */
  readonly stopped: Promise<void>;
}

export interface TaskHost {
  readonly aws: AwsConnection;
  readonly cluster: string;
  readonly players: readonly Player[];
  /** Folder that the task makes its own below. */
  readonly folder: string;
  /** Folder that holds `node`; it comes first in PATH. */
  readonly binFolder: string;
  /** Variables that win over the definition's, by container. Their paths are those of this machine. */
  readonly environment?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly restartAttemptPeriodMs?: number;
  readonly healthIntervalMs?: number;
  /** URL of a container's metadata endpoint. */
  metadataUrl(taskId: string, container: string): string;
  log(line: LogLine): void;
  changed(task: Task): void;
}

/** Starts a task: secrets first, then each container as soon as what it depends on allows. */
export function startTask(definition: TaskDefinition, host: TaskHost): Task {
  const id = randomBytes(16).toString('hex');
  const folder = join(host.folder, id);
  const volumes = Object.fromEntries(definition.volumes.map((name) => [name, join(folder, 'volumes', name)]));
  for (const path of Object.values(volumes)) mkdirSync(path, { recursive: true });

  const changes = new EventEmitter().setMaxListeners(0);
  let secrets: ReadonlyMap<string, string> = new Map();
  let stopping: Promise<void> | undefined;
  let stoppedReason: string | undefined;
  let gone = false;
  let end = () => {};
  const stopped = new Promise<void>((resolve) => (end = resolve));

  const changed = () => {
    changes.emit('change');
    host.changed(task);
  };
  const containers = definition.containers.map((container): Container => {
    const prepared = prepareContainer(container, { id, folder, volumes, host, secrets: () => secrets });
    return createContainer(container, { ...host, ...prepared, changed: () => (changed(), react(container.name)) });
  });
  const named = (name: string): Container => {
    const found = containers.find((container) => container.definition.name === name);
    if (found === undefined) throw new Error(`task ${id} has no container ${name}`);
    return found;
  };
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => changes.once('change', resolve));
  };

  /** Essential containers carry the task; a task without any that runs is over. */
  const react = (name: string) => {
    if (stopping) return;
    const { definition: changedOne, state } = named(name);
    const { status, health, exitCode, reason } = state();
    if (changedOne.essential && status === 'STOPPED')
      void task.stop(
        `essential container ${name} exited${exitCode === undefined ? '' : ` with ${exitCode}`}${reason ? `: ${reason}` : ''}`,
      );
    else if (changedOne.essential && health === 'UNHEALTHY')
      void task.stop(`container ${name} is unhealthy: ${reason ?? ''}`);
    else if (containers.every((container) => container.state().status === 'STOPPED'))
      void task.stop('all containers exited');
  };

  const task: Task = {
    state: () => {
      const states = containers.map((container) => [container.definition.name, container.state()] as const);
      const started = states.every(([, { status }]) => status !== 'PENDING');
      return {
        id,
        arn: definition.arn.replace(/:task-definition\/.*$/, `:task/${host.cluster}/${id}`),
        definitionArn: definition.arn,
        status: gone ? 'STOPPED' : stopping ? 'STOPPING' : started ? 'RUNNING' : 'PENDING',
        stoppedReason,
        volumes,
        containers: Object.fromEntries(states),
      };
    },
    kill: (name, signal) => named(name).kill(signal),
    stop: (reason) =>
      (stopping ??= (async () => {
        stoppedReason = reason;
        changed();
        await Promise.all(
          containers.map(async (container) => {
            const { name } = container.definition;
            const dependents = containers.filter(({ definition: { dependsOn } }) =>
              dependsOn.some(({ containerName }) => containerName === name),
            );
            await until(() => dependents.every((dependent) => dependent.state().status === 'STOPPED'));
            await container.stop();
          }),
        );
        rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
        gone = true;
        end();
        changed();
      })()),
    stopped,
  };

  const start = async (container: Container) => {
    const { name, dependsOn } = container.definition;
    for (const { containerName, condition } of dependsOn) {
      const dependency = named(containerName);
      await until(() => stopping !== undefined || judge(condition, dependency.state()) !== 'wait');
      if (stopping) return;
      if (judge(condition, dependency.state()) === 'never')
        return container.refuse(`container ${containerName} did not reach ${condition}, which ${name} depends on`);
    }
    container.start();
  };
  const begin = async () => {
    const sources = definition.containers.flatMap((container) => container.secrets.map((secret) => secret.valueFrom));
    secrets = await fetchSecrets(host.aws, sources);
    if (!stopping) await Promise.all(containers.map(start));
  };
  void begin().catch((error: unknown) => task.stop(error instanceof Error ? error.message : String(error)));
  return task;
}

type Condition = ContainerDefinition['dependsOn'][number]['condition'];

/** Whether a dependency is as a dependent needs it, will be, or never will. */
function judge(condition: Condition, { status, health, exitCode }: ContainerState): 'met' | 'wait' | 'never' {
  const over = status === 'STOPPED';
  switch (condition) {
    case 'START':
      if (over && exitCode === undefined) return 'never';
      return status === 'PENDING' ? 'wait' : 'met';
    case 'COMPLETE':
      return over ? 'met' : 'wait';
    case 'SUCCESS':
      if (!over) return 'wait';
      return exitCode === 0 ? 'met' : 'never';
    case 'HEALTHY':
      if (over) return 'never';
      return health === 'HEALTHY' ? 'met' : 'wait';
  }
}

interface TaskSurroundings {
  readonly id: string;
  readonly folder: string;
  readonly volumes: Readonly<Record<string, string>>;
  readonly host: TaskHost;
  secrets(): ReadonlyMap<string, string>;
}

/** How a container's program and its health checks are started. */
function prepareContainer(definition: ContainerDefinition, { id, folder, volumes, host, secrets }: TaskSurroundings) {
  const { name, image } = definition;
  const player = host.players.find((candidate) => candidate.image.test(image));
  const scratch = join(folder, 'scratch', name);
  mkdirSync(scratch, { recursive: true });
  const mounts = definition.mountPoints.map(({ sourceVolume, containerPath }) => ({
    containerPath,
    folder: volumes[sourceVolume] ?? scratch,
  }));
  const mapper = pathMapper(mounts);
  const temporary = mounts.find(({ containerPath }) => containerPath === '/tmp')?.folder ?? scratch;
  const cwd = workingFolder(definition.workingDirectory, mapper, scratch);
  const environment = () => ({
    PATH: `${host.binFolder}:/usr/local/bin:/usr/bin:/bin`,
    HOME: scratch,
    TMPDIR: temporary,
    HOSTNAME: id.slice(0, 12),
    ...host.aws.env,
    AWS_EXECUTION_ENV: 'AWS_ECS_FARGATE',
    ECS_CONTAINER_METADATA_URI_V4: host.metadataUrl(id, name),
    ...Object.fromEntries(definition.environment.map((entry) => [entry.name, mapper.value(entry.value)])),
    ...Object.fromEntries(definition.secrets.map((entry) => [entry.name, secrets().get(entry.valueFrom) ?? ''])),
    ...host.environment?.[name],
  });
  return {
    launch: () => {
      const run: ContainerRun = {
        name,
        image,
        argv: [...definition.entryPoint, ...definition.command].map(mapper.script),
        env: environment(),
        cwd,
        aws: host.aws,
        log: (line, output) => host.log({ taskId: id, container: name, output, line }),
      };
      if (player === undefined)
        return failed(
          `image ${image} of container ${name} has no player on this machine; known: ${host.players.map((known) => known.image.source).join(', ')}`,
        );
      return player.play(run);
    },
    probe: (argv: readonly string[], log: (line: string) => void) =>
      runProgram({ env: environment(), cwd, log }, argv.map(mapper.script)),
  };
}

function workingFolder(wanted: string | undefined, mapper: PathMapper, scratch: string): string {
  const mapped = wanted === undefined ? undefined : mapper.path(wanted);
  // A folder of the image is not on this machine.
  return mapped === undefined || mapped === wanted ? scratch : mapped;
}

function failed(reason: string) {
  return { pid: undefined, exited: Promise.resolve({ code: 127, reason }), kill: () => {} };
}
