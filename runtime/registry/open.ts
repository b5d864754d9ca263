import { registryEvents } from '../../contract/registry';
import { fullJitter } from '../core/retry';
import { createBase, keepVersion1, nextBase, type Base, type Claim, type LeaseTimes, type Won } from './base';
import { RegistryError, type RegistryProblem } from './errors';
import { parseDocument, serializeDocument } from './format';
import { Registry, type HeldVersion, type LeaseContext } from './registry';
import { defaultTiming, momentOf, withTimeout, type Moment, type RegistryTiming } from './timing';

export interface OpenRegistryOptions extends Claim, Omit<LeaseContext, 'timing' | 'random'> {
  readonly timing?: Partial<RegistryTiming>;
  /** Longest time between two saves. @default 60000 */
  readonly renewMs?: number;
  /** @default Math.random */
  readonly random?: () => number;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

/** What the lease of a single instance says. A standby waits that long for its next save, as its heartbeat may be slow. */
const singleTimes = (renewMs: number): LeaseTimes => ({ ttlMs: Math.max(180_000, 3 * renewMs), renewMs });

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
  const now = () => clock.now();
  const times = singleTimes(options.renewMs ?? 60_000);
  let existed = false;
  let won: Won | undefined;
  let sent: Moment | undefined;
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
        base = createBase(options, times, now);
        break;
      case 'found': {
        existed = true;
        const own = ownVersion(reply.body, reply.etag, options.owner, sent);
        if (own && won) return opened(context, own, won);
        const next = nextBase(reply.body, reply.etag, options, times, now);
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
    const document = base.document();
    const started = momentOf(clock);
    sent ??= started;
    const written = await withTimeout(clock, timing.attemptTimeoutMs, signal, (limit) =>
      store.write(serializeDocument(document), base.condition, limit),
    );
    switch (written.kind) {
      case 'committed':
        return opened(context, { document, etag: written.etag, renewed: started }, won);
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

export function opened(context: LeaseContext, held: HeldVersion, { event, text }: Won): Registry {
  const { epoch, seq } = held.document.lease;
  context.log.info(registryEvents[event], text, { location: context.store.location, epoch, seq });
  return new Registry(context, held);
}

/** The stored version when it is this term's own: a write whose answer was lost. It counts from the first that was sent. */
export function ownVersion(
  body: Uint8Array,
  etag: string,
  owner: string,
  sent: Moment | undefined,
): HeldVersion | undefined {
  if (!sent) return undefined;
  const parsed = parseDocument(body);
  return parsed.kind === 'current' && parsed.document.lease.owner === owner
    ? { document: parsed.document, etag, renewed: sent }
    : undefined;
}
