import {
  deadLetterLocation,
  destinationName,
  destinationsOf,
  dockerSourceName,
  flickerEvents,
  includesId,
  spillAfterMs,
  spillLocation,
  type DestinationConfig,
  type ApiSourceConfig,
  type DockerSourceConfig,
  type FlickerConfig,
  type LogFileConfig,
} from '../../contract';
import type { AwsClients } from '../core/aws-clients';
import type { Clock } from '../core/clock';
import type { Logger } from '../core/log';
import { LeaseEndedError } from '../registry/errors';
import type { Commits } from './commits';
import { createDeadLetters, NoDeadLetterLocationError } from './delivery';
import { createSpillStore } from './delivery/spill-store';
import { createDestination } from './destinations';
import type { Destination } from './destination';
import type { FlickerMetrics } from './metrics';
import type { OutletSettings } from './outlets/outlet';
import type { Source, SourceContext } from './source';
import { createApiSource } from './sources/api';
import { createDockerSource } from './sources/docker';
import { createFileSource } from './sources/files';
import { SHARED_NODE } from './node-state';
import type { FlickerState } from './state';
import { runWorker } from './worker';
import type { WorkerContext, WorkerSignals, WorkerStatus } from './worker-context';

/** What the sources of one process share. */
export interface CrewContext {
  readonly config: FlickerConfig;
  /** Location of the registry, when there is one. */
  readonly registry: string | undefined;
  readonly clusterId: string | undefined;
  readonly nodeId: string;
  /** Instances on other nodes ship the same sources at the same time. */
  readonly oneOfSeveral: boolean;
  readonly aws: AwsClients;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: FlickerMetrics;
  readonly once: boolean;
  readonly dryRun: boolean;
}

/** A source that is ready to run. */
export interface Member {
  readonly name: string;
  readonly kind: Source['kind'];
  /** `node`: what it reads is on this node alone. */
  readonly scope: Scope;
  /** Names of the destinations whose batches are spilled. */
  readonly spills: readonly string[];
  readonly status: WorkerStatus;
  /** Runs until it is told to stop, has shipped everything (`once`), or cannot go on. */
  run(commits: Commits, state: FlickerState, signals: WorkerSignals): Promise<void>;
  close(): Promise<void>;
}

export type Scope = 'cluster' | 'node';

interface Plan {
  readonly name: string;
  readonly scope: Scope;
  readonly kind: Source['kind'];
  readonly config: LogFileConfig | DockerSourceConfig | ApiSourceConfig;
  readonly create: (context: SourceContext) => Source;
}

/**
 * Makes every source with its destination, so that what is wrong with a config is found before anything runs.
 * @throws Error naming the source whose patterns, files or destination cannot be used
 */
export async function assemble(context: CrewContext): Promise<Member[]> {
  const plans: Plan[] = [
    ...context.config.log_files.map((config): Plan => {
      const create = (source: SourceContext) => createFileSource(config, source);
      const scope = config.shared ? 'cluster' : 'node';
      return { name: config.name ?? config.path, scope, kind: 'files', config, create };
    }),
    ...context.config.docker_containers.map((config): Plan => {
      const create = (source: SourceContext) => createDockerSource(config, source);
      return { name: dockerSourceName(config), scope: 'node', kind: 'docker', config, create };
    }),
    ...context.config.api_sources.map((config): Plan => {
      // `--once` ships all that is there, however many pages that takes.
      const max_pages = context.once ? Number.MAX_SAFE_INTEGER : config.max_pages;
      const create = (source: SourceContext) => createApiSource({ ...config, max_pages }, source);
      return { name: config.name, scope: 'cluster', kind: 'api', config, create };
    }),
  ];
  return Promise.all(plans.map((plan) => member(plan, context)));
}

async function member(plan: Plan, context: CrewContext): Promise<Member> {
  const { config, clock, log, metrics, once } = context;
  const told = destinationsOf(plan.config, config);
  if (told.length === 0) throw new Error(`${plan.name} has no destination`);
  const includeId = told.every(includesId);
  const series = context.oneOfSeveral && plan.scope === 'node' ? `${plan.name}@${context.nodeId}` : plan.name;
  const opened = context.dryRun ? [await dryOutlet(context)] : await openOutlets(plan.name, told, context);
  const outlets = series === plan.name ? opened : opened.map((outlet) => inSeries(outlet, series));
  const shared = plan.kind === 'files' && plan.scope === 'cluster';
  const nodeId = shared ? SHARED_NODE : context.nodeId;
  const source: SourceContext = { clock, log, metrics, nodeId, includeId, once };
  plan.create(source);
  const status: WorkerStatus = {
    movesBy: Number.POSITIVE_INFINITY,
    problem: '',
    failed: false,
    stopped: '',
    destinations: [],
  };
  const spillAt = spillLocation(context.registry);
  const spill = spillAt && createSpillStore(spillAt, context.aws.registryS3);
  const deadLetters = createDeadLetters(context.dryRun ? undefined : deadLetterLocation(config, context.registry), {
    s3: config.dead_letter ? context.aws.s3 : context.aws.registryS3,
    clock,
  });
  // Two batches, one accepted and one under way, must stay within the cap.
  const halfOfCap = Math.max(1, Math.floor(config.registry.max_unsaved_events / 2));
  return {
    name: plan.name,
    kind: plan.kind,
    scope: plan.scope,
    spills: outlets.filter(({ spillAfterMs }) => spillAfterMs !== undefined).map((outlet) => outlet.name),
    status,
    run: (commits, state, signals) =>
      keepRunning(
        {
          name: plan.name,
          series,
          kind: plan.kind,
          settings: { ...plan.config, batch_max_events: Math.min(plan.config.batch_max_events, halfOfCap) },
          createSource: () => plan.create(source),
          outlets,
          deadLetters,
          spill,
          retry: config.retry,
          commits,
          state,
          clock,
          log,
          metrics,
          once,
        },
        signals,
        status,
        config.retry.max_delay_ms,
      ).finally(() => {
        // What has ended is not stuck: a fenced instance stays live, or its restart would fence the new owner.
        status.movesBy = Number.POSITIVE_INFINITY;
      }),
    close: () => closeAll(outlets),
  };
}

/** Makes the destinations of a source, all or none. @throws Error saying which one cannot be used */
async function openOutlets(
  source: string,
  told: readonly DestinationConfig[],
  context: CrewContext,
): Promise<OutletSettings[]> {
  const outlets: OutletSettings[] = [];
  try {
    for (const config of told) {
      const name = destinationName(config);
      const after = spillAfterMs(config);
      if (after !== undefined && context.registry === undefined) {
        throw new Error(
          `${source}: what its destination ${name} does not take in time is kept beside the registry, and there is none: ` +
            'run with --track, or let the source wait (required: true, no spill_after_ms)',
        );
      }
      const destination = await createDestination(config, destinationContext(context));
      outlets.push({ name, destination, spillAfterMs: after });
    }
    return outlets;
  } catch (error) {
    await closeAll(outlets).catch(() => {}); // the reason why they are closed is told
    throw error;
  }
}

/** Numbers its objects apart from those of other nodes, which count for themselves. */
function inSeries(outlet: OutletSettings, series: string): OutletSettings {
  const { destination } = outlet;
  const { recover, read } = destination;
  if (!recover) return outlet;
  return {
    ...outlet,
    destination: {
      ...destination,
      send: (shipment, signal) => destination.send({ ...shipment, source: series }, signal),
      recover: (_source, from, signal) => recover.call(destination, series, from, signal),
      ...(read && { read: (_source, number, signal) => read.call(destination, series, number, signal) }),
    },
  };
}

async function dryOutlet(context: CrewContext): Promise<OutletSettings> {
  const { type } = { type: 'stdout' } as const;
  const config = { type, required: true, include_id: true };
  return {
    name: type,
    destination: await createDestination(config, destinationContext(context)),
    spillAfterMs: undefined,
  };
}

const destinationContext = ({ aws, clusterId, nodeId, clock }: CrewContext) => ({ ...aws, clusterId, nodeId, clock });

async function closeAll(outlets: readonly OutletSettings[]): Promise<void> {
  await Promise.all(outlets.map(({ destination }) => destination.close()));
}

/** A source that fails where nobody expected it starts again from its saved position; the others go on. */
async function keepRunning(
  context: WorkerContext,
  signals: WorkerSignals,
  status: WorkerStatus,
  pauseMs: number,
): Promise<void> {
  const { clock, log, name, once } = context;
  for (;;) {
    try {
      return await runWorker(context, signals, status);
    } catch (error) {
      if (signals.abort.aborted || error instanceof LeaseEndedError) return;
      const reason = error instanceof Error ? error.message : String(error);
      status.problem = reason;
      status.failed = true;
      if (error instanceof NoDeadLetterLocationError || once) {
        status.stopped = reason;
        log.error(flickerEvents.sourceFailed, `source stopped: ${reason}`, { source: name });
        return;
      }
      log.error(flickerEvents.sourceFailed, `source starts again from its saved position: ${reason}`, { source: name });
      context.metrics.sourceErrors.inc({ source: name });
      try {
        await clock.sleep(pauseMs, signals.drain);
      } catch {
        return; // told to stop
      }
    }
  }
}

/** Closes every destination; a failure to close is reported and harms nothing that was accepted. */
export async function dismiss(
  members: readonly { readonly close: Destination['close'] }[],
  log: Logger,
): Promise<void> {
  const results = await Promise.allSettled(members.map((one) => one.close()));
  for (const result of results) {
    if (result.status === 'rejected') log.warn(flickerEvents.failed, `cannot close: ${String(result.reason)}`);
  }
}
