import { REGISTRY_OPERATOR } from '../../contract/registry';
import type { Clock } from '../core/clock';
import { fullJitter } from '../core/retry';
import { RegistryError, type RegistryProblem } from './errors';
import { parseDocument, serializeDocument, type Lease, type RegistryDocument, type State } from './format';
import type { ObjectStore } from './store';
import { defaultTiming, withTimeout, type RegistryTiming } from './timing';

/** What an operator works with: a person at a command line, beside whatever instances run. */
export interface Desk {
  readonly clock: Clock;
  /** Where the operator works, for people. */
  readonly host: string;
  readonly writerVersion: string;
  readonly timing?: Partial<RegistryTiming>;
  /** @default Math.random */
  readonly random?: () => number;
  readonly signal?: AbortSignal;
}

/** What is stored at the place of a registry. */
export type Stored =
  | { readonly kind: 'current'; readonly document: RegistryDocument; readonly etag: string; readonly bytes: number }
  | { readonly kind: 'version-1'; readonly json: Readonly<Record<string, unknown>>; readonly bytes: number }
  | { readonly kind: 'missing' }
  | { readonly kind: 'deleted' }
  /** Something that is no registry. */
  | { readonly kind: 'damaged'; readonly reason: string; readonly etag: string };

/** What one edit did. */
export interface Edited {
  /** The version that it replaced; undefined where there was none. */
  readonly before: RegistryDocument | undefined;
  readonly after: RegistryDocument;
  readonly etag: string;
  /** Versions that others wrote meanwhile: the edit was made anew on each. */
  readonly conflicts: number;
}

/** An operator's change met something that it does not go with. The message is for people. */
export class OperatorError extends Error {
  override readonly name = 'OperatorError';
}

/** Reads what is stored. @throws RegistryError when it cannot be read, or is no registry */
export async function look(store: ObjectStore, desk: Desk): Promise<Exclude<Stored, { readonly kind: 'damaged' }>> {
  const stored = await peek(store, desk);
  if (stored.kind === 'damaged') throw damaged(store.location, stored.reason);
  return stored;
}

/** Reads what is stored, be it a registry or not. @throws RegistryError when it cannot be read */
export async function peek(store: ObjectStore, desk: Desk): Promise<Stored> {
  const { stored } = await read(store, desk);
  return stored;
}

function damaged(location: string, reason: string): RegistryError {
  return new RegistryError(location, { kind: 'unparsable', reason });
}

/**
 * Replaces what is stored, and only what `make` has seen: when somebody else writes meanwhile, it is called again with
 * what they wrote. Whoever held the lease is fenced.
 * @throws RegistryError, and what `make` throws; nothing was written then, or surely not by the last attempt
 */
export async function replace(
  store: ObjectStore,
  desk: Desk,
  make: (stored: Stored) => Omit<RegistryDocument, 'writerVersion' | 'savedAt'>,
): Promise<Edited> {
  const timing = { ...defaultTiming, ...desk.timing };
  const refuse = (problem: RegistryProblem) => new RegistryError(store.location, problem);
  let problem: RegistryProblem = { kind: 'unreachable', reason: 'no attempt was allowed' };
  let sent: { readonly body: Uint8Array; readonly after: RegistryDocument; readonly before: Stored } | undefined;
  let conflicts = 0;
  for (let failures = 0; failures < timing.attempts; failures++) {
    if (failures > 0) await pause(desk, failures);
    const { stored, body } = await read(store, desk);
    if (sent && body && Buffer.compare(sent.body, body) === 0 && stored.kind === 'current') {
      // Its answer was lost.
      return { before: documentOf(sent.before), after: sent.after, etag: stored.etag, conflicts };
    }
    const after: RegistryDocument = {
      ...make(stored),
      writerVersion: desk.writerVersion,
      savedAt: new Date(desk.clock.now()).toISOString(),
    };
    const bytes = serializeDocument(after);
    sent = { body: bytes, after, before: stored };
    const condition = 'etag' in stored ? { ifMatch: stored.etag } : ({ ifNoneMatch: '*' } as const);
    const reply = await withTimeout(desk.clock, timing.attemptTimeoutMs, desk.signal, (limit) =>
      store.write(bytes, condition, limit),
    );
    switch (reply.kind) {
      case 'committed':
        return { before: documentOf(stored), after, etag: reply.etag, conflicts };
      case 'denied':
        throw refuse({ kind: 'denied', reason: reply.reason });
      case 'failed':
      case 'unknown':
        problem = { kind: 'unreachable', reason: reply.reason };
        break;
      case 'precondition-failed':
      case 'conflict':
      case 'missing':
        conflicts++;
        problem = { kind: 'unreachable', reason: `other writers keep changing it (${reply.kind})` };
    }
  }
  throw refuse(problem);
}

/** Changes the state of a registry that is there. @throws RegistryError, OperatorError, and what `change` throws */
export function edit(store: ObjectStore, desk: Desk, change: (state: State) => State): Promise<Edited> {
  return replace(store, desk, (stored) => {
    const document = editable(stored, store.location);
    return { ...document, lease: operatorLease(desk, document.lease), state: change(document.state) };
  });
}

/** The document of a registry that may be edited. @throws OperatorError */
export function editable(stored: Stored, location: string): RegistryDocument {
  switch (stored.kind) {
    case 'missing':
      throw new OperatorError(`there is no registry at ${location}`);
    case 'damaged':
      throw damaged(location, stored.reason);
    case 'deleted':
      throw new OperatorError(`the registry ${location} was deleted; restore a version of it by "registry import"`);
    case 'version-1':
      throw notUpgraded(location);
    case 'current': {
      const { state, movedTo, copyOf } = stored.document.lease;
      if (state !== 'closed') return stored.document;
      throw new RegistryError(location, { kind: 'closed', movedTo, copyOf: copyOf?.location });
    }
  }
}

export function notUpgraded(location: string): OperatorError {
  return new OperatorError(`the registry ${location} has format 1; start the program once to upgrade it`);
}

/** The lease after an edit: it fences the holder, and the next instance takes over at once. */
export function operatorLease(desk: Desk, from: Lease | undefined): Lease {
  const lease: Lease = {
    ttlMs: 0,
    renewMs: 0,
    ...from,
    epoch: (from?.epoch ?? 0) + 1,
    owner: REGISTRY_OPERATOR,
    host: desk.host,
    seq: (from?.seq ?? 0) + 1,
    state: 'released',
  };
  delete lease.movedTo;
  return lease;
}

export function documentOf(stored: Stored): RegistryDocument | undefined {
  return stored.kind === 'current' ? stored.document : undefined;
}

async function read(store: ObjectStore, desk: Desk): Promise<{ stored: Stored; body?: Uint8Array }> {
  const timing = { ...defaultTiming, ...desk.timing };
  let problem: RegistryProblem = { kind: 'unreachable', reason: 'no attempt was allowed' };
  for (let failures = 0; failures < timing.attempts; failures++) {
    if (failures > 0) await pause(desk, failures);
    const reply = await withTimeout(desk.clock, timing.attemptTimeoutMs, desk.signal, (limit) => store.read(limit));
    switch (reply.kind) {
      case 'missing':
      case 'deleted':
        return { stored: { kind: reply.kind } };
      case 'found':
        return { stored: parse(reply.body, reply.etag, store.location), body: reply.body };
      case 'denied':
        throw new RegistryError(store.location, { kind: 'denied', reason: reply.reason });
      case 'failed':
        problem = { kind: 'unreachable', reason: reply.reason };
    }
  }
  throw new RegistryError(store.location, problem);
}

function parse(body: Uint8Array, etag: string, location: string): Stored {
  const parsed = parseDocument(body);
  switch (parsed.kind) {
    case 'current':
      return { kind: 'current', document: parsed.document, etag, bytes: body.length };
    case 'version-1':
      return { kind: 'version-1', json: parsed.json, bytes: body.length };
    case 'newer':
      throw new RegistryError(location, { kind: 'newer-format', format: parsed.format });
    case 'invalid':
      return { kind: 'damaged', reason: parsed.reason, etag };
  }
}

async function pause({ clock, timing, random = Math.random, signal }: Desk, failures: number): Promise<void> {
  await clock.sleep(fullJitter(failures - 1, timing?.backoff ?? defaultTiming.backoff, random), signal);
}
