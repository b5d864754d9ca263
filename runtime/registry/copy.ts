import { REGISTRY_OPERATOR } from '../../contract/registry';
import { differences } from './difference';
import type { Lease, RegistryDocument, State } from './format';
import {
  documentOf,
  look,
  notUpgraded,
  OperatorError,
  operatorLease,
  replace,
  type Desk,
  type Stored,
} from './operate';
import type { ObjectStore } from './store';

export interface CopyOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly desk: Desk;
  /** Whose registry the copy is. @default that of the original */
  readonly clusterId?: string | undefined;
  /** Replace a registry that is at the target. @default false */
  readonly overwrite?: boolean;
  /**
   * Carries over what the state refers to beside the registry; called with the original closed, before the copy is opened,
   * and again when a copy that was interrupted is run again.
   */
  readonly carry?: (state: State) => Promise<void>;
  /** Is told each step that is done, also those of an earlier run. */
  readonly onStep?: (step: CopyStep, text: string) => void;
}

export type CopyStep = 'fenced' | 'copied' | 'verified' | 'handed-over';

/**
 * Moves a registry, so that at no time two instances may write positions that count, and none is lost: closes the original,
 * which fences its holder and lets nobody take it over; writes the copy, closed; reads it back and compares; opens it.
 * Interrupted at any point and run again, it goes on.
 * @throws RegistryError, OperatorError
 */
export async function copyRegistry(options: CopyOptions): Promise<RegistryDocument> {
  const { from, to, onStep = () => {} } = options;
  if (from.location === to.location) throw new OperatorError(`${from.location} cannot be copied onto itself`);
  const target = await look(to, options.desk);
  const original = checkOriginal(await look(from, options.desk), from, to);
  // Before anything is changed, and again with what is there when it is written.
  checkTarget(target, original, options);

  const closed = await close(options, original);
  onStep('fenced', `${from.location} is closed with epoch ${closed.lease.epoch}: whoever held it can save no more`);
  if (isHandedOver(documentOf(target), from, closed)) {
    onStep('handed-over', `${to.location} was copied and handed over before`);
    return documentOf(target) ?? closed;
  }
  await options.carry?.(closed.state);
  await write(options, closed);
  onStep('copied', `copied to ${to.location}, closed`);
  const copy = documentOf(await look(to, options.desk));
  if (isHandedOver(copy, from, closed)) throw handedOver(to);
  verify(closed, copy, options);
  onStep('verified', 'read back: the positions are the same');
  const opened = await open(options, closed);
  onStep('handed-over', `${to.location} is released with epoch ${opened.lease.epoch}: an instance may take it over`);
  return opened;
}

/** @throws OperatorError when there is nothing to copy, or it was moved elsewhere */
function checkOriginal(stored: Stored, from: ObjectStore, to: ObjectStore): RegistryDocument {
  if (stored.kind === 'version-1') throw notUpgraded(from.location);
  if (stored.kind !== 'current') throw new OperatorError(`there is no registry at ${from.location}`);
  const { state, movedTo } = stored.document.lease;
  if (state === 'closed' && movedTo === undefined) {
    throw new OperatorError(`${from.location} is a copy that is not complete; run the copy that makes it again`);
  }
  if (state === 'closed' && movedTo !== to.location) {
    throw new OperatorError(`${from.location} was moved to ${movedTo}; copy that one`);
  }
  return stored.document;
}

/** @throws OperatorError when another registry is at the target */
function checkTarget(target: Stored, original: RegistryDocument, { from, to, overwrite }: CopyOptions): void {
  if (target.kind === 'missing' || target.kind === 'deleted' || overwrite) return;
  if (isCopy(documentOf(target), from, original)) return;
  throw new OperatorError(
    `there is a registry at ${to.location} already, and it is no copy of ${from.location}; ` +
      'its positions would be lost. Choose another place, or say --overwrite.',
  );
}

async function close({ from, to, desk }: CopyOptions, original: RegistryDocument): Promise<RegistryDocument> {
  if (original.lease.state === 'closed') return original;
  const { after } = await replace(from, desk, (stored) => {
    const document = checkOriginal(stored, from, to);
    const lease: Lease = { ...operatorLease(desk, document.lease), state: 'closed', movedTo: to.location };
    return { ...document, lease };
  });
  return after;
}

/** The copy was handed over in another run: instances may have saved to it since, or it may have been moved on. */
function isHandedOver(copy: RegistryDocument | undefined, from: ObjectStore, closed: RegistryDocument): boolean {
  return isCopy(copy, from, closed) && (copy?.lease.state !== 'closed' || copy.lease.movedTo !== undefined);
}

function handedOver(to: ObjectStore): OperatorError {
  return new OperatorError(`another run has handed ${to.location} over meanwhile`);
}

function isCopy(copy: RegistryDocument | undefined, from: ObjectStore, original: RegistryDocument): boolean {
  const made = copy?.lease.copyOf;
  return made?.location === from.location && made.epoch === original.lease.epoch;
}

async function write({ from, to, desk, clusterId, overwrite }: CopyOptions, closed: RegistryDocument): Promise<void> {
  await replace(to, desk, (stored) => {
    const there = documentOf(stored);
    if (stored.kind === 'damaged') throw new OperatorError(`something else was written to ${to.location} meanwhile`);
    if (isHandedOver(there, from, closed)) throw handedOver(to);
    if (there && !overwrite && !isCopy(there, from, closed)) {
      throw new OperatorError(`somebody else has created ${to.location} meanwhile; ${from.location} stays closed`);
    }
    const { ttlMs, renewMs, epoch } = closed.lease;
    const last = Math.max(epoch, there?.lease.epoch ?? 0);
    const lease: Lease = {
      epoch: last + 1,
      owner: REGISTRY_OPERATOR,
      host: desk.host,
      seq: Math.max(closed.lease.seq, there?.lease.seq ?? 0) + 1,
      state: 'closed',
      ttlMs,
      renewMs,
      copyOf: { location: from.location, epoch },
    };
    return { ...closed, clusterId: clusterId ?? closed.clusterId, lease };
  });
}

function verify(closed: RegistryDocument, copy: RegistryDocument | undefined, { from, to }: CopyOptions): void {
  const differing = copy ? differences(closed.state, copy.state).length : undefined;
  if (differing === 0) return;
  throw new OperatorError(
    `the copy at ${to.location} is not what was written (${differing === undefined ? 'nothing is there' : `${differing} values differ`}); ` +
      `it stays closed, and so does ${from.location}. Run the copy again.`,
  );
}

async function open({ to, from, desk }: CopyOptions, closed: RegistryDocument): Promise<RegistryDocument> {
  const { after } = await replace(to, desk, (stored) => {
    const copy = documentOf(stored);
    if (!copy || !isCopy(copy, from, closed)) {
      throw new OperatorError(`somebody else has written ${to.location} meanwhile; ${from.location} stays closed`);
    }
    if (isHandedOver(copy, from, closed)) throw handedOver(to);
    return { ...copy, lease: operatorLease(desk, copy.lease) };
  });
  return after;
}
