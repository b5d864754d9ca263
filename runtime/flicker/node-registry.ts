import { flickerEvents, type HaTiming } from '../../contract';
import type { Clock } from '../core/clock';
import type { Logger } from '../core/log';
import { fullJitter } from '../core/retry';
import type { Claim } from '../registry/base';
import { RegistryError } from '../registry/errors';
import { openRegistry, type OpenRegistryOptions } from '../registry/open';
import { parseDocument, type RegistryDocument } from '../registry/format';
import type { Registry } from '../registry/registry';
import { standBy } from '../registry/standby';
import type { ObjectStore, ReadReply } from '../registry/store';
import { defaultTiming, haPatience, withTimeout } from '../registry/timing';
import type { Node } from './node-id';
import { dropOwnPart, ownPart, startedBefore, type NodeSources } from './node-state';
import { readState, type FlickerState } from './state';

/** The registry of the cluster, as a node looks at it. */
export interface MainRegistry {
  readonly claim: Claim;
  readonly place: { readonly store: ObjectStore; readonly clock: Clock; readonly log: Logger };
  readonly ha: HaTiming;
  /** Some instance holds it, or will: nobody else needs to. */
  readonly hasHolder: boolean;
}

/**
 * Opens the registry of a node, at once. When there is none yet it begins with what the cluster's has of this node, in
 * one write: until then that is where the positions are, from then on here.
 * @throws RegistryError
 */
export async function openNodeRegistry(
  options: OpenRegistryOptions,
  main: MainRegistry,
  node: Node,
  sources: NodeSources,
): Promise<Registry> {
  const { store, clock, log, signal } = options;
  // Only an answer tells whether there is one: taken for there, it would begin without what the cluster's has of this node.
  const found = await readPatiently(store, clock, main.ha, signal);
  const gone = found.kind === 'deleted';
  if (found.kind !== 'missing' && !gone) return openRegistry(options);
  if (gone) {
    log.warn(
      flickerEvents.nodeForgotten,
      'the registry of this node was deleted, as that of a node which was away for long may be: its files are read from their beginning',
      { location: store.location },
    );
  }
  const { state, done } = await partOfMain(main, node, sources, signal);
  const initial = node.young || gone ? startedBefore(state, sources, clock.now()) : state;
  const registry = await openRegistry({ ...options, initial, allowReset: gone || (options.allowReset ?? false) });
  await done();
  return registry;
}

interface Part {
  readonly state: FlickerState;
  /** Called when the node's own registry has it. */
  readonly done: () => Promise<void>;
}

/**
 * What the cluster's registry has of a node. It does not change any more: an instance without standbys that still holds
 * it, and may ship these very files, is waited for.
 */
async function partOfMain(
  main: MainRegistry,
  node: Node,
  sources: NodeSources,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const { clock, log } = main.place;
  const part = (state: FlickerState, done = () => Promise.resolve()): Part => ({
    state: ownPart(state, node.id, sources),
    done,
  });
  for (let told = false; ; told = true) {
    const stored = await readMain(main, signal);
    if (!stored) return part(readState({}));
    const { lease, state } = stored;
    if (lease && (lease.state === 'released' || lease.ha)) return part(readState(state));
    if (!main.hasHolder) return await retire(main, part, node, sources, signal);
    if (!told) {
      const holder = lease ? `${lease.owner} on ${lease.host}, which runs without ha` : 'the upgrade of its registry';
      log.info(flickerEvents.nodeWaits, `the files of this node wait for ${holder}`);
    }
    await clock.sleep(main.ha.poll_ms, signal);
  }
}

/** Takes the registry of the cluster over from an instance without standbys, which is fenced by that, and gives it back. */
async function retire(
  { claim, place, ha }: MainRegistry,
  part: (state: FlickerState, done: () => Promise<void>) => Part,
  node: Node,
  sources: NodeSources,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const registry = await standBy({ ...claim, ...place, ha, ...(signal && { signal }) });
  const state = readState(registry.loaded);
  const { clock } = place;
  return part(state, async () => {
    dropOwnPart(state, node.id, sources, clock.now());
    await registry.release(() => state, AbortSignal.timeout(ha.deadline_ms));
  });
}

/** The registry of the cluster: its lease and state; without lease one of version 1; undefined when there is none. */
async function readMain(
  { place, ha }: MainRegistry,
  signal: AbortSignal | undefined,
): Promise<{ readonly lease?: RegistryDocument['lease']; readonly state: unknown } | undefined> {
  const { store, clock } = place;
  const reply = await readPatiently(store, clock, ha, signal);
  if (reply.kind !== 'found') return undefined;
  const parsed = parseDocument(reply.body);
  if (parsed.kind === 'current') return parsed.document;
  if (parsed.kind === 'version-1') return { state: parsed.json };
  throw new Error(`the registry ${store.location} cannot be used: it is of another format or damaged`);
}

/** Reads until there is an answer. @throws RegistryError after some attempts */
async function readPatiently(
  store: ObjectStore,
  clock: Clock,
  ha: HaTiming,
  signal: AbortSignal | undefined,
): Promise<Exclude<ReadReply, { readonly reason: string }>> {
  for (let failures = 1; ; failures++) {
    const reply = await withTimeout(clock, haPatience(ha).attemptTimeoutMs, signal, (limit) => store.read(limit));
    signal?.throwIfAborted();
    if (!('reason' in reply)) return reply;
    if (failures >= defaultTiming.attempts) {
      const kind = reply.kind === 'denied' ? 'denied' : 'unreachable';
      throw new RegistryError(store.location, { kind, reason: reply.reason });
    }
    await clock.sleep(Math.min(ha.poll_ms, 1 + fullJitter(failures - 1, defaultTiming.backoff)), signal);
  }
}
