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

/** A node whose registry was not written for this long has vanished: a live one writes it every minute. */
const VANISHED_MS = 15 * 60_000;
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

/**
 * Takes over what vanished nodes have spilled and not sent, from time to time, until `signal`. A batch is listed here and
 * saved before it is no longer listed there: what a kill leaves in both lists is sent by one of them, or twice.
 */
export async function adoptSpill(options: AdoptOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, random = Math.random } = options;
  /** What was written until then has been looked at. */
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
      const upTo = clock.now() - VANISHED_MS;
      const keys = await attempt(() => vanished(options, seenUpTo, upTo, signal));
      for (const key of keys ?? []) await attempt(() => adopt(options, key, signal));
      if (!failed) seenUpTo = upTo;
    } catch {
      return; // told to stop, or the lease has ended
    }
  }
}

/** Keys of the registries that were written last within a time, by the clock of S3. */
async function vanished(
  { s3, bucket, main, own }: AdoptOptions,
  after: number,
  upTo: number,
  abortSignal: AbortSignal,
): Promise<string[]> {
  const [client, { paginateListObjectsV2 }] = await Promise.all([s3(), import('@aws-sdk/client-s3')]);
  const keys: string[] = [];
  const list = { Bucket: bucket, Prefix: nodesPrefix(main) };
  for await (const page of paginateListObjectsV2({ client }, list, { abortSignal })) {
    for (const { Key: key = '', LastModified } of page.Contents ?? []) {
      const written = LastModified?.getTime() ?? 0;
      const isRegistry = key.endsWith(REGISTRY_KEY_PATTERN.slice(1)) && key !== own.key;
      if (isRegistry && written > after && written <= upTo) keys.push(key);
    }
  }
  return keys;
}

async function adopt(options: AdoptOptions, key: string, signal: AbortSignal): Promise<void> {
  const { s3, bucket, sends, state, commits, log, ha } = options;
  const store = await createS3Store({ client: await s3(), bucket, layout: layoutOfKey(key) });
  const found = await readRegistry(store, options, signal);
  if (!found || !readState(found.state).spill?.some(sends)) return;
  const listed = state.spill ?? [];
  if (listed.length >= MAX_SPILLED) throw new Error(`${listed.length} batches wait here already`);

  const registry = await takeOver(store, found.lease, options, signal);
  if (!registry) return;
  const theirs = readState(registry.loaded);
  try {
    const known = new Set(listed.map((entry) => entry.key));
    const { spill = [] } = theirs;
    const taken = spill.filter(sends);
    state.spill = [...(state.spill ?? []), ...taken.filter((entry) => !known.has(entry.key))];
    await commits.commit(signal);
    theirs.spill = spill.filter((entry) => !sends(entry));
    const events = taken.reduce((sum, entry) => sum + entry.events, 0);
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
