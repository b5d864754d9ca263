import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { layoutOfKey, nodeRegistryLayout, type FlickerConfig, type HaTiming, type S3Location } from '../../contract';
import type { AwsClients } from '../core/aws-clients';
import { systemClock as clock } from '../core/clock';
import type { Logger } from '../core/log';
import type { Claim } from '../registry/base';
import { openRegistry } from '../registry/open';
import { createS3Store } from '../registry/s3-store';
import { standBy } from '../registry/standby';
import type { ObjectStore } from '../registry/store';
import { adoptSpill } from './adopt';
import type { Member } from './crew';
import type { FlickerMetrics } from './metrics';
import type { Node } from './node-id';
import { openNodeRegistry } from './node-registry';
import { dropOwnPart, shareFiles, vanishedAfterMs, type NodeSources } from './node-state';
import { Post } from './post';
import { readState, upgradeV1, type FlickerState, type SpillEntry } from './state';

/** What an instance keeps its positions with. */
export interface PostsContext {
  readonly members: readonly Member[];
  readonly config: FlickerConfig;
  readonly configHash: string;
  readonly clusterId: string | undefined;
  readonly writerVersion: string;
  readonly allowReset: boolean;
  readonly node: Node;
  readonly store: ObjectStore;
  readonly log: Logger;
  readonly metrics: FlickerMetrics;
  readonly once: boolean;
}

/** One registry for all sources, taken over at once from whoever holds it. */
export function singlePost(context: PostsContext): Post {
  const renewMs = context.config.registry.heartbeat_interval_ms;
  return new Post({
    ...context,
    location: context.store.location,
    standsBy: false,
    maxUnsavedEvents: context.config.registry.max_unsaved_events,
    renewMs: () => renewMs,
    win: ({ signal }) => openRegistry({ ...claimOf(context), ...placeOf(context), renewMs, signal }),
    prepare: (state, commits) => {
      if (shareFiles(state, sharedFiles(context))) commits.acknowledged(0);
    },
  });
}

/**
 * The registry of the cluster, with its lease, for what every instance could ship; and one of this node alone, without
 * contention, for what only this node sees. Each only where the config has such sources.
 */
export function haPosts(context: PostsContext, ha: HaTiming, at: S3Location, aws: AwsClients): Post[] {
  const { config, members, node } = context;
  const own = members.filter(({ scope }) => scope === 'node');
  const common = members.filter(({ scope }) => scope === 'cluster');
  const sources: NodeSources = new Map(own.map(({ name, kind }) => [name, kind]));
  // A kill repeats what both have sent and not saved.
  const shares = own.length > 0 && common.length > 0 ? 2 : 1;
  const maxUnsavedEvents = Math.max(1, Math.floor(config.registry.max_unsaved_events / shares));
  const posts: Post[] = [];
  const main = layoutOfKey(at.key);
  const layout = nodeRegistryLayout(main, node.id);
  const vanishedMs = vanishedAfterMs(config.registry.heartbeat_interval_ms);
  const cluster = common.length > 0 ? () => posts.find((post) => post !== nodePost)?.term : undefined;
  const nodePost = new Post({
    ...context,
    location: `s3://${at.bucket}/${layout.key}`,
    members: own,
    standsBy: true,
    maxUnsavedEvents,
    renewMs: (registry) => (registry.hasDeadline ? ha.renew_ms : config.registry.heartbeat_interval_ms),
    win: async ({ again, mine, onWatch, signal }) => {
      const store = await createS3Store({ client: await aws.registryS3(), bucket: at.bucket, layout });
      const claim = claimOf(context);
      const place = { ...placeOf(context), store, signal };
      // After another process on this node: it may live, and has the turn.
      if (again) return standBy({ ...claim, ...place, ha, mine, onWatch, patient: true });
      const main = { claim, place: placeOf(context), ha, hasHolder: common.length > 0 };
      return openNodeRegistry(
        { ...claim, ...place, renewMs: config.registry.heartbeat_interval_ms },
        main,
        node,
        sources,
      );
    },
    prepare: (state, commits, signal) => {
      if (context.once || !own.some(({ spills }) => spills.length > 0)) return;
      const sends = (entry: SpillEntry) =>
        own.some(({ name, spills }) => name === entry.source && spills.includes(entry.destination));
      const claim = () => claimOf(context);
      const where = { s3: aws.registryS3, bucket: at.bucket, main, own: layout, cluster };
      void adoptSpill({ ...where, vanishedMs, ha, claim, sends, state, commits, clock, log: context.log }, signal);
    },
  });
  if (common.length > 0) {
    posts.push(
      new Post({
        ...context,
        location: context.store.location,
        members: common,
        standsBy: true,
        maxUnsavedEvents,
        renewMs: () => ha.renew_ms,
        win: ({ again, mine, onWatch, signal }) =>
          standBy({ ...claimOf(context), ...placeOf(context), ha, mine, onWatch, patient: again, signal }),
        prepare: (state, commits, signal) => {
          const changed = () => commits.acknowledged(0);
          if (shareFiles(state, sharedFiles(context))) changed();
          // What this node has in a registry of its own by now is not needed here any more.
          const drop = () => !signal.aborted && dropOwnPart(state, node.id, sources, clock.now()) && changed();
          if (own.length > 0) void nodePost.held.then(drop);
        },
      }),
    );
  }
  if (own.length > 0) posts.push(nodePost);
  return posts;
}

function claimOf({ configHash, clusterId, writerVersion, allowReset }: PostsContext): Claim {
  return {
    configHash,
    owner: randomUUID(),
    host: hostname(),
    writerVersion,
    allowReset,
    upgrade: upgradeV1,
    check: (state): FlickerState => readState(state),
    ...(clusterId !== undefined && { clusterId }),
  };
}

const placeOf = ({ store, log }: PostsContext) => ({ store, log, clock });

const sharedFiles = ({ members }: PostsContext) =>
  new Set(members.filter(({ kind, scope }) => kind === 'files' && scope === 'cluster').map(({ name }) => name));
