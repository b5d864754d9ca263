import type { S3Client } from '@aws-sdk/client-s3';
import {
  flickerEvents,
  layoutOfKey,
  nodesPrefix,
  REGISTRY_KEY_PATTERN,
  type HaTiming,
  type RegistryLayout,
} from '../../contract';
import type { Clock } from '../core/clock';
import { errorText } from '../core/errors';
import type { Logger } from '../core/log';
import type { Claim } from '../registry/base';
import { LeaseEndedError } from '../registry/errors';
import { parseDocument, type Lease, type RegistryDocument } from '../registry/format';
import type { Registry } from '../registry/registry';
import { createS3Store } from '../registry/s3-store';
import { standBy, type Watched } from '../registry/standby';
import type { ObjectStore } from '../registry/store';
import { haPatience, withTimeout } from '../registry/timing';
import type { Commits } from './commits';
import { MAX_SPILLED } from './outlets/backlog';
import { readState, type FlickerState, type SpillEntry } from './state';

/** Longest time between two looks at the registries of all nodes. */
const LOOK_MS = 15 * 60_000;
/** Longest time that one takeover may take. */
const TAKE_MS = 30_000;

export interface AdoptOptions {
  readonly s3: () => Promise<S3Client>;
  readonly bucket: string;
  /** Where the registry of the cluster is, and of this node. */
  readonly main: RegistryLayout;
  readonly own: RegistryLayout;
  readonly vanishedMs: number;
  /** What this process holds of the registry of the cluster, if it does. Undefined: no instance ever does. */
  readonly cluster: (() => Held | undefined) | undefined;
  readonly ha: HaTiming;
  /** A claim of its own for each registry that is taken over. */
  readonly claim: () => Claim;
  /** Whether this node sends what is spilled for a destination of a source. */
  readonly sends: (entry: SpillEntry) => boolean;
  readonly state: FlickerState;
  readonly commits: Commits;
  readonly clock: Clock;
  readonly log: Logger;
  /** From 0 up to 1: when it looks. @default Math.random */
  readonly random?: () => number;
}

/** The state in a registry, while its lease is held. */
export interface Held {
  readonly state: FlickerState;
  readonly commits: Commits;
}

/**
 * Takes over what vanished nodes have spilled and not sent, from time to time, until `signal`; and what the registry of the
 * cluster still lists of such sources, from before nodes had their own. A batch is listed here and saved before it is no
 * longer listed there: what a kill leaves in both lists is sent by one of them, or twice.
 */
export async function adoptSpill(options: AdoptOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, vanishedMs, random = Math.random } = options;
  /** What was written until then has been looked at, by the clock of S3. */
  let seenUpTo = Number.NEGATIVE_INFINITY;
  for (;;) {
    let failed = false;
    const attempt = async <T>(what: () => Promise<T>): Promise<T | undefined> => {
      try {
        return await what();
      } catch (error) {
        if (signal.aborted || error instanceof LeaseEndedError) throw error;
        log.warn(flickerEvents.failed, `what a vanished node has spilled is not sent yet: ${errorText(error)}`);
        failed = true;
        return undefined;
      }
    };
    try {
      await clock.sleep(LOOK_MS * (0.5 + random() / 2), signal);
      await attempt(() => adoptOfCluster(options, signal));
      const found = (await attempt(() => registries(options, signal))) ?? [];
      // This node's own was written just now: no clock of a machine is compared with that of S3.
      const upTo = found.reduce((newest, { written }) => Math.max(newest, written), 0) - vanishedMs;
      for (const { key, written } of found) {
        const looksVanished = key !== options.own.key && written > seenUpTo && written <= upTo;
        if (looksVanished) await attempt(() => adopt(options, key, signal));
      }
      if (!failed) seenUpTo = upTo;
    } catch {
      return; // told to stop, or the lease has ended
    }
  }
}

/** The registries of all nodes, and that of the cluster where nobody holds it, and when each was written last. */
async function registries(
  { s3, bucket, main, cluster }: AdoptOptions,
  abortSignal: AbortSignal,
): Promise<{ readonly key: string; readonly written: number }[]> {
  const [client, { paginateListObjectsV2 }] = await Promise.all([s3(), import('@aws-sdk/client-s3')]);
  const found: { readonly key: string; readonly written: number }[] = [];
  for (const Prefix of [nodesPrefix(main), ...(cluster ? [] : [main.key])]) {
    for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix }, { abortSignal })) {
      for (const { Key: key = '', LastModified } of page.Contents ?? []) {
        const isRegistry = key === main.key || (Prefix !== main.key && key.endsWith(REGISTRY_KEY_PATTERN.slice(1)));
        if (isRegistry) found.push({ key, written: LastModified?.getTime() ?? 0 });
      }
    }
  }
  return found;
}

/** What the registry of the cluster lists of sources of the nodes: this instance holds both. */
async function adoptOfCluster(
  { cluster, sends, state, commits, log }: AdoptOptions,
  signal: AbortSignal,
): Promise<void> {
  const held = cluster?.();
  const taken = (held?.state.spill ?? []).filter(sends);
  if (!held || taken.length === 0) return;
  list(state, taken);
  await commits.commit(signal);
  held.state.spill = (held.state.spill ?? []).filter((entry) => !taken.includes(entry));
  held.commits.acknowledged(0);
  const text = `sends ${taken.length} batches that were spilled before this node had a registry of its own`;
  log.info(flickerEvents.spillAdopted, text, { batches: taken.length, events: eventsOf(taken) });
}

/** Lists what is not listed yet. */
function list(state: FlickerState, taken: readonly SpillEntry[]): void {
  const listed = state.spill ?? [];
  const keys = new Set(listed.map(({ key }) => key));
  state.spill = [...listed, ...taken.filter(({ key }) => !keys.has(key))];
}

const eventsOf = (entries: readonly SpillEntry[]) => entries.reduce((sum, { events }) => sum + events, 0);

async function adopt(options: AdoptOptions, key: string, signal: AbortSignal): Promise<void> {
  const { s3, bucket, sends, state, commits, log, ha } = options;
  const store = await createS3Store({ client: await s3(), bucket, layout: layoutOfKey(key) });
  const found = await readRegistry(store, options, signal);
  if (!found || !readState(found.state).spill?.some(sends)) return;
  const waiting = state.spill?.length ?? 0;
  if (waiting >= MAX_SPILLED) throw new Error(`${waiting} batches wait here already`);

  const registry = await takeOver(store, found.lease, options, signal);
  if (!registry) return;
  const theirs = readState(registry.loaded);
  try {
    const { spill = [] } = theirs;
    const taken = spill.filter(sends);
    list(state, taken);
    await commits.commit(signal);
    theirs.spill = spill.filter((entry) => !sends(entry));
    const events = eventsOf(taken);
    const text = `sends ${taken.length} batches that a vanished node has spilled: ${events} events`;
    log.info(flickerEvents.spillAdopted, text, { location: store.location, batches: taken.length, events });
  } finally {
    await registry.release(() => theirs, AbortSignal.timeout(ha.deadline_ms));
  }
}

/** Takes over the version that was read; undefined when another instance has, or the node writes again. */
async function takeOver(
  store: ObjectStore,
  { owner, epoch, seq }: Lease,
  { claim, clock, log, ha }: AdoptOptions,
  signal: AbortSignal,
): Promise<Registry | undefined> {
  const mine = (lease: Lease) => lease.owner === owner && lease.epoch === epoch && lease.seq === seq;
  const changed = new AbortController();
  const onWatch = (seen: Watched) => {
    if (seen.kind === 'held' && !mine(seen.lease)) changed.abort();
  };
  const until = [signal, changed.signal];
  try {
    return await withTimeout(clock, TAKE_MS, until, (limit) =>
      standBy({ ...claim(), store, clock, log, ha, mine, onWatch, signal: limit }),
    );
  } catch (error) {
    if (changed.signal.aborted) return undefined;
    throw error;
  }
}

/** The registry of a node; undefined when it is gone, or of another format. @throws Error when it cannot be read now */
async function readRegistry(
  store: ObjectStore,
  { clock, log, ha }: AdoptOptions,
  signal: AbortSignal,
): Promise<RegistryDocument | undefined> {
  const reply = await withTimeout(clock, haPatience(ha).attemptTimeoutMs, signal, (limit) => store.read(limit));
  if ('reason' in reply) throw new Error(`${store.location}: ${reply.reason}`);
  if (reply.kind !== 'found') return undefined;
  const parsed = parseDocument(reply.body);
  if (parsed.kind === 'current') return parsed.document;
  log.warn(flickerEvents.failed, `what a vanished node has spilled is not known: ${store.location} cannot be used`);
  return undefined;
}
