import { randomUUID } from 'node:crypto';
import type { Clock } from '../core/clock';
import { fullJitter } from '../core/retry';
import type { ObjectStore, ReadReply, WriteCondition, WriteReply } from './store';
import { defaultTiming, withTimeout } from './timing';

/** What a store did with the requests that the registry depends on. */
export type SelfTest =
  | { readonly kind: 'honoured' }
  /** It does not do what a lease needs. */
  | { readonly kind: 'ignored'; readonly call: string; readonly expected: string; readonly got: string }
  /** It cannot be told: the store does not answer, or refuses. */
  | { readonly kind: 'untested'; readonly reason: string };

/** The ETag of no version. */
export const NO_ETAG = '"00000000000000000000000000000000"';

/** What a store answered that did as it was told without looking at the condition. */
const TAKEN = '200';
const SAME_ETAG = 'the ETag of before';

/** Another instance wrote in between, and what the store answered is right for that. */
type Found = SelfTest | { readonly kind: 'overtaken' };

/**
 * Tries on an object of its own whether a store honours conditional requests: creates it only once, replaces only the
 * version that was read, and tells an unchanged one. A store that does not know the headers ignores them and writes.
 */
export async function testStore(store: ObjectStore, clock: Clock, signal?: AbortSignal): Promise<SelfTest> {
  let result: SelfTest = { kind: 'untested', reason: 'no attempt was made' };
  // Other instances may test the same object at the same moment, and a store may fail for a while.
  for (let round = 0; round < defaultTiming.attempts; round++) {
    if (round > 0) await clock.sleep(fullJitter(round, defaultTiming.backoff), signal);
    const found = await testOnce(store, clock, signal);
    signal?.throwIfAborted();
    if (found.kind === 'honoured') return found;
    // What it took once although it should not, no later answer makes good.
    if (found.kind === 'ignored' && (found.got === TAKEN || found.got === SAME_ETAG)) return found;
    // Where many start at once that may happen each time. Then its refusals and what it told of the change must do.
    result = found.kind === 'overtaken' ? { kind: 'honoured' } : found;
  }
  return result;
}

async function testOnce(store: ObjectStore, clock: Clock, signal: AbortSignal | undefined): Promise<Found> {
  const request = <T>(send: (limit: AbortSignal) => Promise<T>) =>
    withTimeout(clock, defaultTiming.attemptTimeoutMs, signal, send);
  // Never the same bytes: an ETag may be made of them.
  const put = (condition: WriteCondition) =>
    request((limit) => store.write(Buffer.from(JSON.stringify({ test: randomUUID() })), condition, limit));

  const before = await request((limit) => store.read(limit));
  if (before.kind === 'denied' || before.kind === 'failed') return untested('GET', before.reason);
  if (before.kind !== 'found') {
    const call = 'PUT with If-None-Match: * where nothing is';
    const created = await put({ ifNoneMatch: '*' });
    if (created.kind !== 'committed') return wrong(call, '200', created);
  }
  const again = await put({ ifNoneMatch: '*' });
  if (again.kind !== 'precondition-failed') return wrong('PUT with If-None-Match: * over an object', '412', again);
  const stale = await put({ ifMatch: NO_ETAG });
  if (stale.kind !== 'precondition-failed') return wrong('PUT with the If-Match of another version', '412', stale);
  const read = await request((limit) => store.read(limit));
  if (read.kind !== 'found') return wrong('GET', '200', read);
  const replaced = await put({ ifMatch: read.etag });
  if (replaced.kind === 'precondition-failed') {
    const now = await request((limit) => store.readUnless(read.etag, limit));
    if (now.kind === 'found' && now.etag !== read.etag) return { kind: 'overtaken' };
  }
  if (replaced.kind !== 'committed')
    return wrong('PUT with the If-Match of the version that is there', '200', replaced);
  if (replaced.etag === read.etag) {
    return { kind: 'ignored', call: 'PUT of other bytes', expected: 'a new ETag', got: SAME_ETAG };
  }
  const watched = await request((limit) => store.readUnless(replaced.etag, limit));
  if (watched.kind === 'found' && watched.etag !== replaced.etag) return { kind: 'overtaken' };
  if (watched.kind !== 'unchanged') return wrong('GET with If-None-Match of the version that is there', '304', watched);
  return { kind: 'honoured' };
}

function wrong(call: string, expected: string, reply: WriteReply | ReadReply | { kind: 'unchanged' }): SelfTest {
  const got = {
    committed: TAKEN,
    found: TAKEN,
    'precondition-failed': '412',
    conflict: '409',
    missing: '404',
    deleted: '404',
    unchanged: '304',
    denied: '',
    failed: '',
    unknown: '',
  }[reply.kind];
  if ('reason' in reply) return untested(call, reply.reason);
  return { kind: 'ignored', call, expected, got };
}

const untested = (call: string, reason: string): SelfTest => ({ kind: 'untested', reason: `${call}: ${reason}` });
