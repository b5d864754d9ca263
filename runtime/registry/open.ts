import { createHash } from 'node:crypto';
import { registryEvents } from '../../contract/registry';
import { fullJitter } from '../core/retry';
import { RegistryError, type RegistryProblem } from './errors';
import { parseDocument, serializeDocument, type RegistryDocument, type State } from './format';
import { Registry, type HeldVersion, type LeaseContext } from './registry';
import type { WriteCondition } from './store';
import { defaultTiming, withTimeout, type RegistryTiming } from './timing';

export interface OpenRegistryOptions extends Omit<LeaseContext, 'timing' | 'random'> {
  /** Whose registry it must be. @default the stored one is adopted */
  readonly clusterId?: string;
  /** Information only. */
  readonly configHash: string;
  /** A UUID of this process; never used by another one. */
  readonly owner: string;
  /** Where this process runs, for people. */
  readonly host: string;
  readonly writerVersion: string;
  /** Begin without positions where the registry was deleted. @default false */
  readonly allowReset?: boolean;
  /** Makes a state of a file of version 1. @default such a file is refused */
  readonly upgrade?: (json: Readonly<Record<string, unknown>>) => State;
  /** Looks at the stored state before anything is written over it, and throws when the program cannot use it. */
  readonly check?: (state: State) => unknown;
  readonly timing?: Partial<RegistryTiming>;
  /** @default Math.random */
  readonly random?: () => number;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** How long a lease lasts and how often it is renewed. Stored for a standby; without one nothing depends on them. */
const LEASE_TTL_MS = 180_000;
const LEASE_RENEW_MS = 60_000;

/** What the next write would replace. */
interface Base {
  readonly condition: WriteCondition;
  readonly document: RegistryDocument;
  readonly won: { readonly event: keyof typeof registryEvents; readonly text: string };
}

/**
 * Creates the registry, or takes it over at once from whoever holds it: the compare-and-swap fences the old owner at its
 * next save.
 * @throws RegistryError when it cannot be used; it is never overwritten then
 */
export async function openRegistry(options: OpenRegistryOptions): Promise<Registry> {
  const { store, clock, log, signal } = options;
  const timing = { ...defaultTiming, ...options.timing };
  const context: LeaseContext = { store, clock, log, timing, random: options.random ?? Math.random };
  const refuse = (problem: RegistryProblem) => new RegistryError(store.location, problem);
  let existed = false;
  let won: Base['won'] | undefined;
  let problem: RegistryProblem = { kind: 'unreachable', reason: 'no attempt was allowed' };

  for (let failures = 0; failures < timing.attempts; failures++) {
    if (failures > 0) {
      await clock.sleep(fullJitter(failures - 1, timing.backoff, context.random), signal);
    }
    const reply = await withTimeout(clock, timing.attemptTimeoutMs, signal, (limit) => store.read(limit));
    let base: Base;
    switch (reply.kind) {
      case 'failed':
        problem = { kind: 'unreachable', reason: reply.reason };
        continue;
      case 'denied':
        problem = { kind: 'denied', reason: reply.reason };
        continue;
      case 'missing':
      case 'deleted':
        if ((existed || reply.kind === 'deleted') && !options.allowReset) throw refuse({ kind: 'deleted' });
        base = createBase(options);
        break;
      case 'found': {
        existed = true;
        const own = ownVersion(reply.body, reply.etag, options.owner);
        if (own && won) return opened(context, own, won);
        const next = nextBase(reply.body, reply.etag, options);
        if ('kind' in next) throw refuse(next);
        if (next.won.event === 'upgraded') {
          const kept = await keepVersion1(context, reply.body, signal);
          if (kept !== undefined) {
            problem = { kind: 'not-upgraded', reason: kept };
            continue;
          }
        }
        base = next;
      }
    }
    won = base.won;
    const body = serializeDocument(base.document);
    const written = await withTimeout(clock, timing.attemptTimeoutMs, signal, (limit) =>
      store.write(body, base.condition, limit),
    );
    switch (written.kind) {
      case 'committed':
        return opened(context, { document: base.document, etag: written.etag }, won);
      case 'denied':
        problem = { kind: 'denied', reason: written.reason };
        break;
      case 'failed':
      case 'unknown':
        problem = { kind: 'unreachable', reason: written.reason };
        break;
      case 'precondition-failed':
      case 'conflict':
      case 'missing':
        problem = { kind: 'unreachable', reason: `other writers keep changing it (${written.kind})` };
    }
    log.debug(registryEvents.saveRetried, 'the registry is read again: its first write was not confirmed', {
      answer: written.kind,
    });
  }
  signal?.throwIfAborted();
  throw refuse(problem);
}

function opened(context: LeaseContext, held: HeldVersion, { event, text }: Base['won']): Registry {
  const { epoch, seq } = held.document.lease;
  context.log.info(registryEvents[event], text, { location: context.store.location, epoch, seq });
  return new Registry(context, held);
}

/** The stored version when it is this process's own: a write whose answer was lost. */
function ownVersion(body: Uint8Array, etag: string, owner: string): HeldVersion | undefined {
  const parsed = parseDocument(body);
  return parsed.kind === 'current' && parsed.document.lease.owner === owner
    ? { document: parsed.document, etag }
    : undefined;
}

function createBase(options: OpenRegistryOptions): Base {
  return {
    condition: { ifNoneMatch: '*' },
    document: documentOf(options, {}),
    won: { event: 'created', text: 'created the registry' },
  };
}

function nextBase(body: Uint8Array, etag: string, options: OpenRegistryOptions): Base | RegistryProblem {
  const parsed = parseDocument(body);
  switch (parsed.kind) {
    case 'invalid':
      return { kind: 'unparsable', reason: parsed.reason };
    case 'newer':
      return { kind: 'newer-format', format: parsed.format };
    case 'version-1': {
      if (!options.upgrade) return { kind: 'not-upgraded', reason: 'this program knows no such file' };
      let state: State;
      try {
        state = options.upgrade(parsed.json);
      } catch (error) {
        return { kind: 'not-upgraded', reason: error instanceof Error ? error.message : String(error) };
      }
      const won = { event: 'upgraded', text: 'upgraded a registry of version 1; the original is kept beside' } as const;
      return { condition: { ifMatch: etag }, document: documentOf(options, state), won };
    }
    case 'current': {
      const { document } = parsed;
      const expected = options.clusterId;
      if (expected !== undefined && document.clusterId !== '' && document.clusterId !== expected) {
        return { kind: 'other-cluster', stored: document.clusterId, expected };
      }
      try {
        options.check?.(document.state);
      } catch (error) {
        return { kind: 'unparsable', reason: error instanceof Error ? error.message : String(error) };
      }
      const { host, owner, state } = document.lease;
      const text =
        state === 'released'
          ? `took the registry over; ${host} had released it`
          : `took the registry over from ${owner} on ${host}, which had not released it`;
      return {
        condition: { ifMatch: etag },
        document: documentOf(options, document.state, document),
        won: { event: 'takenOver', text },
      };
    }
  }
}

function documentOf(options: OpenRegistryOptions, state: State, from?: RegistryDocument): RegistryDocument {
  return {
    // An empty id is one that nobody has named yet.
    clusterId: options.clusterId ?? from?.clusterId ?? '',
    configHash: options.configHash,
    lease: {
      ...from?.lease,
      epoch: (from?.lease.epoch ?? 0) + 1,
      owner: options.owner,
      host: options.host,
      seq: (from?.lease.seq ?? 0) + 1,
      state: 'held',
      ttlMs: LEASE_TTL_MS,
      renewMs: LEASE_RENEW_MS,
    },
    writerVersion: options.writerVersion,
    savedAt: new Date(options.clock.now()).toISOString(),
    state,
  };
}

/** Keeps the original bytes; a second, different original gets a name of its own. Tells why it could not. */
async function keepVersion1(
  { store, clock, timing }: LeaseContext,
  body: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 16);
  for (const name of ['registry.v1.json', `registry.v1-${hash}.json`]) {
    const reply = await withTimeout(clock, timing.attemptTimeoutMs, signal, (limit) =>
      store.putBeside(name, body, limit),
    );
    if (reply.kind === 'kept') return undefined;
    if (reply.kind === 'failed') return `its original cannot be kept: ${reply.reason}`;
  }
  return undefined; // the name says its content: it is there already
}
