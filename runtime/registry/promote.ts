import type { RegistryDocument } from './format';
import { documentOf, look, OperatorError, operatorLease, replace, type Desk } from './operate';
import type { ObjectStore } from './store';

export interface PromoteOptions {
  /** A copy that replication made. It is read and never written: late replication would overwrite what is written there. */
  readonly replica: ObjectStore;
  /** Where instances are to find the registry from now on. */
  readonly to: ObjectStore;
  readonly desk: Desk;
  /** Replace a registry that is at the target. @default false */
  readonly overwrite?: boolean;
  /** Carries over what the state refers to beside the registry, before anybody can take the registry over. */
  readonly carry?: (document: RegistryDocument) => Promise<void>;
}

/** What a promotion came to. `again`: it was made before, and nothing was written now. */
export interface Promoted {
  readonly document: RegistryDocument;
  readonly again: boolean;
}

/**
 * Makes a registry of the replica of one that is lost. The original cannot be fenced: its instances must be stopped, or they
 * ship what the promoted ones ship too.
 * @throws RegistryError, OperatorError
 */
export async function promoteRegistry({ replica, to, desk, overwrite, carry }: PromoteOptions): Promise<Promoted> {
  if (replica.location === to.location) {
    throw new OperatorError(`${to.location} is the replica itself: replication would overwrite what is saved there`);
  }
  const copy = documentOf(await look(replica, desk));
  if (!copy) throw new OperatorError(`there is no registry at ${replica.location}, or one of an earlier format`);
  if (copy.lease.state === 'closed') {
    throw new OperatorError(`${replica.location} was moved to ${copy.lease.movedTo ?? 'another place'}; use that one`);
  }
  const { epoch } = copy.lease;
  const before = documentOf(await look(to, desk));
  if (before?.lease.copyOf?.location === replica.location && before.lease.state !== 'closed' && !overwrite) {
    return { document: before, again: true };
  }
  const refuseOther = (found: RegistryDocument | undefined) => {
    if (!found || overwrite) return;
    const { state, movedTo } = found.lease;
    if (state === 'closed' && movedTo !== undefined) {
      throw new OperatorError(
        `the registry ${to.location} was moved to ${movedTo}. To promote once more, say --overwrite.`,
      );
    }
    throw new OperatorError(
      `there is a registry at ${to.location} already; its positions would be lost. Choose another place, or say --overwrite.`,
    );
  };
  refuseOther(before);
  await carry?.(copy);
  const { after } = await replace(to, desk, (stored) => {
    const there = documentOf(stored);
    refuseOther(there);
    const last = there && there.lease.epoch > epoch ? there.lease : copy.lease;
    return { ...copy, lease: { ...operatorLease(desk, last), copyOf: { location: replica.location, epoch } } };
  });
  return { document: after, again: false };
}
