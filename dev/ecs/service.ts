import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { AwsConnection } from '../aws/connection';
import { temporaryFolder } from '../guard';
import type { TaskDefinition } from './definition';
import { readService, type ServiceLocator } from './deployed';
import { serveMetadata } from './metadata';
import { players, type Player } from './players';
import { startTask, type LogLine, type Task, type TaskState } from './task';

export type RunServiceOptions = ServiceLocator & {
  readonly aws: AwsConnection;
  /** Gets every line that a container prints. @default lines are kept for error messages only */
  readonly log?: (line: LogLine) => void;
  /** Told of every change of a task, with its new state. */
  readonly onChange?: (task: TaskState) => void;
  /** What stands for an image, before the known players are asked. */
  readonly players?: readonly Player[];
  /** Variables that win over the deployed ones, by container: a free port, say. Paths in them are those of this machine. */
  readonly environment?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Instead of the restart policy's period, which ECS does not allow below 60 s. In milliseconds. */
  readonly restartAttemptPeriodMs?: number;
  /** Instead of the health check's interval, which ECS does not allow below 5 s. In milliseconds. */
  readonly healthIntervalMs?: number;
};

/** A deployed service whose tasks run on this machine. */
export interface RunningService {
  readonly name: string;
  /** The task definition that new tasks get. */
  definition(): TaskDefinition;
  /** Tasks that have not stopped. */
  tasks(): readonly TaskState[];
  /** Tasks that have stopped, oldest first. */
  stoppedTasks(): readonly TaskState[];
  /** Lines printed so far, the last 2,000. */
  lines(): readonly LogLine[];
  /**
   * Sends a signal to a container's program in the oldest task; resolves when the program has ended.
   *
   * @throws Error when no task runs such a container.
   */
  kill(container: string, signal: NodeJS.Signals): Promise<void>;
  /**
   * Waits until the condition holds: it is asked after every change and every line, and now and then.
   *
   * @throws Error after `timeoutMs` (default 30000); the text tells the tasks' states and the last lines.
   */
  waitFor(condition: (service: RunningService) => boolean | Promise<boolean>, options?: WaitOptions): Promise<void>;
  /** Reads the service again, as a deployment would: tasks of another definition or beyond the count are stopped. */
  update(): Promise<void>;
  /** Stops all tasks and removes their folders. */
  stop(): Promise<void>;
}

export interface WaitOptions {
  /** In milliseconds. @default 30000 */
  readonly timeoutMs?: number;
  /** What is waited for, for the error message. */
  readonly what?: string;
}

const keptLines = 2_000;
/** A task that ends sooner of itself is one that fails: the next one waits. */
const shortLifeMs = 5_000;
const longestBackoffMs = 60_000;

/**
 * Runs a deployed service's tasks as local programs, without containers, and replaces those that stop.
 *
 * @throws Error when the service is not deployed, or uses what cannot be played.
 */
export async function runService(options: RunServiceOptions): Promise<RunningService> {
  const { aws } = options;
  let deployed = await readService(aws, options);
  const folder = temporaryFolder('holdfast-ecs-');
  const binFolder = join(folder, 'bin');
  mkdirSync(binFolder);
  symlinkSync(process.execPath, join(binFolder, 'node'));

  const tasks = new Set<Task>();
  const stoppedTasks: TaskState[] = [];
  const lines: LogLine[] = [];
  const wishes = new Set<() => void>();
  const killed = new WeakSet<Task>();
  const ending = new AbortController();
  let failures = 0;
  const wake = () => wishes.forEach((ask) => ask());

  const metadata = await serveMetadata({
    cluster: deployed.cluster,
    definition: () => deployed.definition,
    task: (id) => [...tasks].map((task) => task.state()).find((state) => state.id === id),
  });

  const launch = () => {
    const startedAt = performance.now();
    const task = startTask(deployed.definition, {
      ...options,
      players: [...(options.players ?? []), ...players],
      cluster: deployed.cluster,
      folder,
      binFolder,
      metadataUrl: metadata.url,
      log: (line) => {
        lines.push(line);
        if (lines.length > keptLines) lines.shift();
        options.log?.(line);
        wake();
      },
      changed: (changedTask) => {
        options.onChange?.(changedTask.state());
        wake();
      },
    });
    tasks.add(task);
    void task.stopped.then(async () => {
      tasks.delete(task);
      stoppedTasks.push(task.state());
      const failed = !killed.has(task) && performance.now() - startedAt < shortLifeMs;
      failures = failed ? failures + 1 : 0;
      wake();
      if (failed) {
        const backoff = Math.min(longestBackoffMs, 1000 * 2 ** (failures - 1));
        await delay(backoff, undefined, { signal: ending.signal }).catch(() => undefined);
      }
      fill();
    });
  };
  const fill = () => {
    while (!ending.signal.aborted && tasks.size < deployed.desiredCount) launch();
  };
  const retire = (task: Task, reason: string) => {
    killed.add(task);
    return task.stop(reason);
  };

  const service: RunningService = {
    name: deployed.name,
    definition: () => deployed.definition,
    tasks: () => [...tasks].map((task) => task.state()),
    stoppedTasks: () => stoppedTasks,
    lines: () => lines,
    kill: async (container, signal) => {
      const task = [...tasks].find((candidate) => candidate.state().containers[container]?.status === 'RUNNING');
      if (task === undefined) throw new Error(`no task of ${deployed.name} runs a container ${container} now`);
      killed.add(task);
      await task.kill(container, signal);
    },
    waitFor: (condition, wait) => waitFor(service, condition, wishes, wait),
    update: async () => {
      deployed = await readService(aws, options);
      const outdated = [...tasks].filter(({ state }) => state().definitionArn !== deployed.definition.arn);
      const surplus = [...tasks].filter((task) => !outdated.includes(task)).slice(deployed.desiredCount);
      await Promise.all([...outdated, ...surplus].map((task) => retire(task, 'a deployment replaced it')));
      fill();
    },
    stop: async () => {
      ending.abort();
      await Promise.all([...tasks].map((task) => retire(task, 'the runner stops')));
      metadata.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  fill();
  return service;
}

async function waitFor(
  service: RunningService,
  condition: (service: RunningService) => boolean | Promise<boolean>,
  wishes: Set<() => void>,
  { timeoutMs = 30_000, what = 'the condition' }: WaitOptions = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const news = new AbortController();
    const ask = () => news.abort();
    wishes.add(ask);
    try {
      if (await condition(service)) return;
      if (performance.now() > deadline)
        throw new Error(report(service, `${what} did not come about within ${timeoutMs} ms`));
      // Conditions may ask what no change tells of, S3 say.
      await delay(50, undefined, { signal: news.signal }).catch(() => undefined);
    } finally {
      wishes.delete(ask);
    }
  }
}

function report(service: RunningService, what: string): string {
  const states = [...service.stoppedTasks().slice(-2), ...service.tasks()].map(
    ({ id, status, stoppedReason, containers }) => {
      const parts = Object.entries(containers).map(([name, { status: now, health, exitCode }]) =>
        [name, now, health, exitCode].filter((part) => part !== undefined).join(' '),
      );
      return `task ${id} ${status}${stoppedReason ? ` (${stoppedReason})` : ''}: ${parts.join('; ')}`;
    },
  );
  const lines = service
    .lines()
    .slice(-15)
    .map(({ container, line }) => `${container}: ${line}`);
  return [`${service.name}: ${what}`, ...states, ...lines].join('\n');
}
