import { simTiming, type HaSabotage } from '../../../dev/sim/simulate-ha';
import type { Lease } from '../../../runtime/registry/format';
import type { ObjectStore } from '../../../runtime/registry/store';
import { leaseOf, withLease } from './mutations';

/** What a wrong implementation would do, and what its schedules break. */
export const haMutations: Readonly<Record<string, { readonly sabotage: HaSabotage; readonly breaks: RegExp }>> = {
  'takeover before the lease is over': {
    sabotage: { timing: { lease_ms: simTiming.lease_ms / 4 } },
    breaks: /^T /,
  },
  'self-fence at the end of the lease, not at the deadline': {
    sabotage: { timing: { deadline_ms: simTiming.lease_ms } },
    breaks: /^D /,
  },
  '412 ignored': { sabotage: { store: ignoring412 }, breaks: /^(I[1-6]|T) / },
  'epoch not raised': { sabotage: { store: withEpochOne }, breaks: /^I3 / },
  'saving after fenced': { sabotage: { store: adopting }, breaks: /^(I[234]|seq)/ },
  'a lost save taken as a renewal': { sabotage: { store: takingLostAsSaved }, breaks: /^(I6|D) / },
};

function ignoring412(store: ObjectStore): ObjectStore {
  return {
    ...store,
    write: async (body, condition, signal) => {
      const reply = await store.write(body, condition, signal);
      return reply.kind === 'precondition-failed' && 'ifMatch' in condition
        ? { kind: 'committed', etag: condition.ifMatch }
        : reply;
    },
  };
}

function withEpochOne(store: ObjectStore): ObjectStore {
  const believed = new Map<string, number>();
  const seen = (body: Uint8Array) => withLease(body, ({ owner, epoch }) => ({ epoch: believed.get(owner) ?? epoch }));
  return {
    ...store,
    write: (body, condition, signal) => {
      const { owner, epoch } = leaseOf(body);
      believed.set(owner, epoch);
      return store.write(
        withLease(body, () => ({ epoch: 1 })),
        condition,
        signal,
      );
    },
    read: async (signal) => {
      const reply = await store.read(signal);
      return reply.kind === 'found' ? { ...reply, body: seen(reply.body) } : reply;
    },
    readUnless: async (etag, signal) => {
      const reply = await store.readUnless(etag, signal);
      return reply.kind === 'found' ? { ...reply, body: seen(reply.body) } : reply;
    },
  };
}

/** Whatever is stored, the holder takes it for its own and goes on from there. */
function adopting(store: ObjectStore): ObjectStore {
  let own: Lease | undefined;
  return {
    ...store,
    write: (body, condition, signal) => {
      own = leaseOf(body);
      return store.write(body, condition, signal);
    },
    read: async (signal) => {
      const reply = await store.read(signal);
      const mine = own;
      if (reply.kind !== 'found' || !mine) return reply;
      return { ...reply, body: withLease(reply.body, () => ({ owner: mine.owner, epoch: mine.epoch })) };
    },
  };
}

function takingLostAsSaved(store: ObjectStore): ObjectStore {
  return {
    ...store,
    write: async (body, condition, signal) => {
      const reply = await store.write(body, condition, signal);
      return reply.kind === 'unknown' && 'ifMatch' in condition
        ? { kind: 'committed', etag: condition.ifMatch }
        : reply;
    },
  };
}
