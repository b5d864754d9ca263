import { createHash } from 'node:crypto';
import type { registryEvents } from '../../contract/registry';
import type { RegistryProblem } from './errors';
import { parseDocument, type Lease, type RegistryDocument, type State } from './format';
import type { LeaseContext } from './registry';
import type { WriteCondition } from './store';
import { withTimeout } from './timing';

/** What is written into a registry that is created or taken over, and what must be true of one that is there. */
export interface Claim {
  /** Whose registry it must be. @default the stored one is adopted */
  readonly clusterId?: string;
  /** Information only. */
  readonly configHash: string;
  /** A UUID of this term; never used by another process, nor for another term of this one. */
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
  /** The state of a registry that was never there. @default an empty one */
  readonly initial?: State;
}

/** What a lease says of how long it lasts. */
export type LeaseTimes = Pick<Lease, 'ttlMs' | 'renewMs' | 'ha'>;

/** What the next write would replace. */
export interface Base {
  readonly condition: WriteCondition;
  /** The lease that is there; undefined when there is none. */
  readonly lease: Lease | undefined;
  /** What would be written now. */
  readonly document: () => RegistryDocument;
  readonly won: Won;
}

export interface Won {
  readonly event: keyof typeof registryEvents;
  readonly text: string;
}

export function createBase(claim: Claim, times: LeaseTimes, now: () => number): Base {
  return {
    condition: { ifNoneMatch: '*' },
    lease: undefined,
    document: () => documentOf(claim, times, now(), claim.initial ?? {}),
    won: { event: 'created', text: 'created the registry' },
  };
}

export function nextBase(
  body: Uint8Array,
  etag: string,
  claim: Claim,
  times: LeaseTimes,
  now: () => number,
): Base | RegistryProblem {
  const parsed = parseDocument(body);
  switch (parsed.kind) {
    case 'invalid':
      return { kind: 'unparsable', reason: parsed.reason };
    case 'newer':
      return { kind: 'newer-format', format: parsed.format };
    case 'version-1': {
      if (!claim.upgrade) return { kind: 'not-upgraded', reason: 'this program knows no such file' };
      let state: State;
      try {
        state = claim.upgrade(parsed.json);
      } catch (error) {
        return { kind: 'not-upgraded', reason: error instanceof Error ? error.message : String(error) };
      }
      return {
        condition: { ifMatch: etag },
        lease: undefined,
        document: () => documentOf(claim, times, now(), state),
        won: { event: 'upgraded', text: 'upgraded a registry of version 1; the original is kept beside' },
      };
    }
    case 'current': {
      const { document } = parsed;
      const expected = claim.clusterId;
      if (expected !== undefined && document.clusterId !== '' && document.clusterId !== expected) {
        return { kind: 'other-cluster', stored: document.clusterId, expected };
      }
      if (document.lease.state === 'closed') {
        return { kind: 'closed', movedTo: document.lease.movedTo, copyOf: document.lease.copyOf?.location };
      }
      try {
        claim.check?.(document.state);
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
        lease: document.lease,
        document: () => documentOf(claim, times, now(), document.state, document),
        won: { event: 'takenOver', text },
      };
    }
  }
}

function documentOf(
  claim: Claim,
  { ttlMs, renewMs, ha }: LeaseTimes,
  now: number,
  state: State,
  from?: RegistryDocument,
): RegistryDocument {
  return {
    // An empty id is one that nobody has named yet.
    clusterId: claim.clusterId ?? from?.clusterId ?? '',
    configHash: claim.configHash,
    lease: {
      ...from?.lease,
      epoch: (from?.lease.epoch ?? 0) + 1,
      owner: claim.owner,
      host: claim.host,
      seq: (from?.lease.seq ?? 0) + 1,
      state: 'held',
      ttlMs,
      renewMs,
      // Undefined removes what an owner before has said.
      ha,
    },
    writerVersion: claim.writerVersion,
    savedAt: new Date(now).toISOString(),
    state,
  };
}

/** Keeps the original bytes; a second, different original gets a name of its own. Tells why it could not. */
export async function keepVersion1(
  { store, clock, timing }: Pick<LeaseContext, 'store' | 'clock' | 'timing'>,
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
