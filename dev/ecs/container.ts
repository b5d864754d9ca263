import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerDefinition, HealthCheck } from './definition';
import type { ContainerProcess, Exit } from './program';

/** What is seen of a container from outside. */
export interface ContainerState {
  readonly status: 'PENDING' | 'RUNNING' | 'STOPPED';
  readonly health: 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY';
  /** Restarts within this task, by the restart policy. */
  readonly restarts: number;
  /** Process id of its program while it runs; the copying of a bundle has none. */
  readonly pid?: number;
  /** Exit code of the last program that ended; absent when none ever ran. */
  readonly exitCode?: number;
  /** Why it stopped, or why its health check failed. */
  readonly reason?: string;
}

/** A container within a task: its program, restarts and health checks. */
export interface Container {
  readonly definition: ContainerDefinition;
  state(): ContainerState;
  /** Starts its program, once. */
  start(): void;
  /** Stops it before it ever ran. */
  refuse(reason: string): void;
  /** Sends a signal to its program; resolves when the program has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** SIGTERM, and SIGKILL after the stop time-out; no restart. */
  stop(): Promise<void>;
}

export interface ContainerHost {
  launch(): ContainerProcess;
  /** Runs a health check in the container's environment; `log` gets what it prints. */
  probe(argv: readonly string[], log: (line: string) => void): ContainerProcess;
  /** Called after each change of state. */
  changed(): void;
  /** Instead of the definition's, in milliseconds. */
  readonly restartAttemptPeriodMs?: number;
  readonly healthIntervalMs?: number;
}

export function createContainer(definition: ContainerDefinition, host: ContainerHost): Container {
  let state: ContainerState = { status: 'PENDING', health: 'UNKNOWN', restarts: 0 };
  let program: ContainerProcess | undefined;
  let stopping = false;
  const become = (change: Partial<ContainerState>) => {
    state = { ...state, ...change };
    host.changed();
  };

  const run = (restarts: number) => {
    const startedAt = performance.now();
    const started = host.launch();
    program = started;
    const checks = new AbortController();
    become({ status: 'RUNNING', health: 'UNKNOWN', restarts, pid: started.pid, reason: undefined });
    if (definition.healthCheck) void checkHealth(definition.healthCheck, host, checks.signal, become);
    void started.exited.then((exit) => {
      checks.abort();
      if (mayRestart(exit, performance.now() - startedAt)) run(restarts + 1);
      else
        become({
          status: 'STOPPED',
          exitCode: exit.reason === undefined ? exit.code : undefined,
          reason: exit.reason,
          pid: undefined,
        });
    });
  };
  /** As the ECS agent: a program that ends before the period is over is not started again. */
  const mayRestart = ({ code, reason }: Exit, ranMs: number): boolean => {
    const policy = definition.restartPolicy;
    if (stopping || !policy?.enabled || reason !== undefined || policy.ignoredExitCodes.includes(code)) return false;
    return ranMs >= (host.restartAttemptPeriodMs ?? policy.restartAttemptPeriod * 1000);
  };

  return {
    definition,
    state: () => state,
    start: () => run(0),
    refuse: (reason) => become({ status: 'STOPPED', reason }),
    kill: async (signal) => {
      if (program === undefined || state.status !== 'RUNNING')
        throw new Error(`container ${definition.name} does not run`);
      const { exited } = program;
      program.kill(signal);
      await exited;
    },
    stop: async () => {
      stopping = true;
      if (state.status === 'PENDING') become({ status: 'STOPPED', reason: 'its task stopped before it started' });
      if (program === undefined || state.status !== 'RUNNING') return;
      const { exited } = program;
      program.kill('SIGTERM');
      const patience = new AbortController();
      const late = delay(definition.stopTimeout * 1000, 'late' as const, { signal: patience.signal }).catch(
        () => 'ended',
      );
      if ((await Promise.race([exited, late])) === 'late') program.kill('SIGKILL');
      await exited;
      patience.abort();
    },
  };
}

/** Checks until the signal: the first time after one interval; failures in the start period do not count. */
async function checkHealth(
  check: HealthCheck,
  host: ContainerHost,
  signal: AbortSignal,
  become: (change: Partial<ContainerState>) => void,
): Promise<void> {
  const argv = probeCommand(check.command);
  if (argv === undefined) return;
  const startedAt = performance.now();
  let failures = 0;
  let healthy = false;
  for (;;) {
    await delay(host.healthIntervalMs ?? check.interval * 1000, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const failure = await probe(argv, check.timeout, host, signal);
    if (signal.aborted) return;
    if (failure === undefined) {
      failures = 0;
      if (!healthy) become({ health: 'HEALTHY', reason: undefined });
      healthy = true;
      continue;
    }
    if (!healthy && performance.now() - startedAt < check.startPeriod * 1000) continue;
    failures++;
    if (failures === check.retries) become({ health: 'UNHEALTHY', reason: `health check: ${failure}` });
    if (failures >= check.retries) healthy = false;
  }
}

function probeCommand([kind, ...rest]: readonly string[]): readonly string[] | undefined {
  if (kind === 'NONE') return undefined;
  if (kind === 'CMD-SHELL') return ['/bin/sh', '-c', rest.join(' ')];
  return kind === 'CMD' ? rest : ['/bin/sh', '-c', [kind, ...rest].join(' ')];
}

/** Why a health check failed, or undefined when it did not. */
async function probe(
  argv: readonly string[],
  timeoutSeconds: number,
  host: ContainerHost,
  signal: AbortSignal,
): Promise<string | undefined> {
  let last = '';
  const process = host.probe(argv, (line) => (last = line));
  const over = new AbortController();
  const abort = () => over.abort();
  signal.addEventListener('abort', abort);
  const late = delay(timeoutSeconds * 1000, 'late' as const, { signal: over.signal }).catch(() => 'stopped' as const);
  const first = await Promise.race([process.exited, late]);
  if (typeof first === 'string') process.kill('SIGKILL');
  const { code, reason } = await process.exited;
  over.abort();
  signal.removeEventListener('abort', abort);
  if (first === 'late') return `no answer within ${timeoutSeconds} s`;
  if (code === 0) return undefined;
  return [reason ?? `exit code ${code}`, last].filter(Boolean).join(': ');
}
