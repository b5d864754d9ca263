import type { Sabotage } from '../../../dev/sim/sabotage';
import { parseDocument, serializeDocument, type Lease } from '../../../runtime/registry/format';
import type { ObjectStore, WriteReply } from '../../../runtime/registry/store';

/** What a wrong implementation would do, done from outside to the right one. */
export const mutations: Readonly<Record<string, Sabotage>> = {
  'If-Match left out': {
    request: (request) => {
      const headers = { ...request.headers };
      delete headers['if-match'];
      return { ...request, headers };
    },
  },
  '412 after a retry taken as fenced': { store: (store) => fencedBy(store, 'precondition-failed') },
  '409 taken as fenced': { store: (store) => fencedBy(store, 'conflict') },
  'save before acknowledgement': { saved: (_acknowledged, sent) => sent },
  'seq reused': { store: reusingSeq },
};

/** After such an answer the program sees what it would conclude: somebody else owns the registry. */
function fencedBy(store: ObjectStore, answer: WriteReply['kind']): ObjectStore {
  let concluded = false;
  return {
    ...store,
    write: async (body, condition, signal) => {
      const reply = await store.write(body, condition, signal);
      concluded = reply.kind === answer;
      return reply;
    },
    read: async (signal) => {
      const reply = await store.read(signal);
      if (reply.kind !== 'found' || !concluded) return reply;
      return { ...reply, body: withLease(reply.body, () => ({ owner: 'somebody else' })) };
    },
  };
}

/** A write that follows one without an answer goes out under the same seq; the program cannot tell them apart. */
function reusingSeq(store: ObjectStore): ObjectStore {
  let owner = '';
  let sent: { epoch: number; seq: number; settled: boolean } | undefined;
  /** What the program believes that a stored seq stands for. */
  const believed = new Map<number, number>();
  return {
    ...store,
    write: async (body, condition, signal) => {
      const lease = leaseOf(body);
      const again = sent?.epoch === lease.epoch;
      const seq = !sent || !again ? lease.seq : sent.settled ? sent.seq + 1 : sent.seq;
      owner = lease.owner;
      believed.set(seq, lease.seq);
      const mine = { epoch: lease.epoch, seq, settled: false };
      sent = mine;
      const reply = await store.write(
        withLease(body, () => ({ seq })),
        condition,
        signal,
      );
      mine.settled = reply.kind === 'committed';
      return reply;
    },
    read: async (signal) => {
      const reply = await store.read(signal);
      if (reply.kind !== 'found' || leaseOf(reply.body).owner !== owner) return reply;
      if (sent && leaseOf(reply.body).seq === sent.seq) sent.settled = true;
      return { ...reply, body: withLease(reply.body, ({ seq }) => ({ seq: believed.get(seq) ?? seq })) };
    },
  };
}

export function withLease(body: Uint8Array, change: (lease: Lease) => Partial<Lease>): Uint8Array {
  const parsed = parseDocument(body);
  if (parsed.kind !== 'current') throw new Error('not a registry');
  const { lease } = parsed.document;
  return serializeDocument({ ...parsed.document, lease: { ...lease, ...change(lease) } });
}

export function leaseOf(body: Uint8Array): Lease {
  const parsed = parseDocument(body);
  if (parsed.kind !== 'current') throw new Error('not a registry');
  return parsed.document.lease;
}
