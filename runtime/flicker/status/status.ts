import type { FlickerStatus, RegistryStatus, SourceStatus } from '../../../contract/flicker';
import type { Health } from '../../core/server';
import type { SaverStats } from '../../registry/saver';
import type { FlickerMetrics } from '../metrics';
import { iso, summarize, type SourceSummary } from '../positions';
import type { FlickerState } from '../state';
import type { WorkerStatus } from '../worker-context';

/** What the status of an instance is made of. */
export interface StatusInputs {
  readonly version: string;
  readonly node: string;
  /** Wall clock, milliseconds. */
  readonly startedAt: number;
  readonly live: Health;
  readonly ready: Health;
  readonly maxUnsaved: number;
  readonly members: readonly StatusMember[];
  readonly metrics: FlickerMetrics;
  /** None without `--track`: then all members run. */
  readonly posts: readonly StatusPost[];
}

/** A source, as far as its status needs it. */
export interface StatusMember {
  readonly name: string;
  readonly kind: SourceStatus['kind'];
  readonly status: Pick<WorkerStatus, 'problem' | 'stopped' | 'destinations'>;
}

/** A registry, and what this instance is to it. */
export interface StatusPost {
  readonly location: string;
  readonly role: RegistryStatus['role'];
  readonly holder: RegistryStatus['holder'];
  readonly clusterId: string | undefined;
  readonly stats: SaverStats;
  /** While it is held. */
  readonly state: FlickerState | undefined;
  /** The sources that run while it is held. */
  readonly members: readonly StatusMember[];
}

/** How an instance stands. @param perSecond events a second of a source, of which so many were delivered */
export function statusOf(
  inputs: StatusInputs,
  now: number,
  perSecond: (source: string, delivered: number) => number,
): FlickerStatus {
  const { version, node, startedAt, live, ready, maxUnsaved, posts, members } = inputs;
  const summaries = new Map(
    posts.flatMap(({ state }) => (state ? summarize(state) : [])).map((summary) => [summary.name, summary]),
  );
  return {
    version,
    node,
    startedAt: iso(startedAt),
    now: iso(now),
    live,
    ready,
    maxUnsaved,
    registries: posts.map(registryStatus),
    sources: members.map((member) => {
      const post = posts.find((one) => one.members.includes(member));
      const working = posts.length === 0 || post?.role === 'holder';
      return sourceStatus(member, working, inputs.metrics, summaries.get(member.name), perSecond);
    }),
  };
}

function sourceStatus(
  { name, kind, status }: StatusMember,
  working: boolean,
  metrics: FlickerMetrics,
  summary: SourceSummary | undefined,
  perSecond: (source: string, delivered: number) => number,
): SourceStatus {
  const labels = { source: name };
  const delivered = metrics.eventsDelivered.of(labels);
  const lagBytes = kind === 'files' ? metrics.sourceLagBytes.of(labels) : undefined;
  const lastSuccess = metrics.sourceLastSuccess.of(labels);
  return {
    name,
    kind,
    ...stateOf(status, working),
    ...(summary?.readUpTo !== undefined && { readUpTo: summary.readUpTo }),
    ...(summary?.followed !== undefined && { followed: summary.followed }),
    ...(lagBytes !== undefined && { lagBytes }),
    ...(lastSuccess !== undefined && { lastReadAt: iso(lastSuccess * 1000) }),
    eventsPerSecond: perSecond(name, delivered),
    read: metrics.eventsRead.of(labels),
    delivered,
    filtered: metrics.eventsFiltered.of(labels),
    resent: metrics.eventsResent.of(labels),
    retries: metrics.deliveryRetries.of(labels),
    deadLettered: metrics.eventsDeadLettered.of(labels),
    bytesMissed: metrics.bytesMissed.of(labels),
    destinations: status.destinations.map(({ lastDelivery, ...one }) => ({
      name: one.name,
      label: one.label,
      waitedFor: one.waitedFor,
      paused: one.paused,
      problem: one.problem,
      delivered: one.delivered,
      retries: one.retries,
      ...(lastDelivery !== undefined && { lastDeliveryAt: iso(lastDelivery) }),
    })),
  };
}

function stateOf(
  { problem, stopped, destinations }: StatusMember['status'],
  working: boolean,
): Pick<SourceStatus, 'state' | 'problem'> {
  if (stopped) return { state: 'stopped', problem: stopped };
  if (!working) return { state: 'idle', problem: '' };
  const held = destinations.find(({ waitedFor, paused }) => waitedFor && paused);
  if (held) return { state: 'paused', problem: held.problem };
  if (problem) return { state: 'failing', problem };
  return { state: 'running', problem: destinations.find((one) => one.problem)?.problem ?? '' };
}

function registryStatus({ location, role, holder, clusterId, stats, state }: StatusPost): RegistryStatus {
  const spill = state?.spill ?? [];
  return {
    location,
    clusterId: clusterId ?? '',
    role,
    ...(holder && { holder: { owner: holder.owner, host: holder.host, epoch: holder.epoch } }),
    ...(stats.lastSavedAt !== undefined && { lastSavedAt: iso(stats.lastSavedAt) }),
    saves: stats.saves,
    saveFailures: stats.failures,
    conflicts: stats.conflicts,
    unsaved: stats.unsavedEvents,
    spilledBatches: spill.length,
    spilledBytes: spill.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
