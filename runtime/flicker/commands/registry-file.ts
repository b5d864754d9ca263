import { readFile, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { SettingsError } from '../../../contract';
import { errorText } from '../../core/errors';
import { differences } from '../../registry/difference';
import { parseDocument, serializeDocument, type RegistryDocument } from '../../registry/format';
import { look, notUpgraded, OperatorError, operatorLease, peek, replace, type Stored } from '../../registry/operate';
import type { FlickerState } from '../state';
import { stateOf, type Desktop } from './registry-desk';
import { holderText, report } from './registry-edit';
import { changesTable, versionById } from './registry-history';

/** `flicker registry export`. */
export async function exportRegistry(
  desk: Desktop,
  file: string | undefined,
  versionId: string | undefined,
): Promise<number> {
  const document = await exported(desk, versionId);
  const json: unknown = JSON.parse(Buffer.from(serializeDocument(document)).toString());
  const content = `${JSON.stringify(json, null, 2)}\n`;
  if (file === undefined || file === '-') {
    desk.print(content);
    return 0;
  }
  try {
    await writeFile(file, content, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new OperatorError(`cannot write ${file}: ${errorText(error)}`);
  }
  if (desk.json) desk.print(`${JSON.stringify({ file, bytes: content.length })}\n`);
  else desk.print(`wrote ${file}, epoch ${document.lease.epoch}, seq ${document.lease.seq}\n`);
  return 0;
}

async function exported(desk: Desktop, versionId: string | undefined): Promise<RegistryDocument> {
  if (versionId !== undefined) return (await versionById(desk, versionId)).document;
  const stored = await look(desk.store, desk);
  if (stored.kind === 'current') return stored.document;
  throw new OperatorError(`there is no registry to export at ${desk.store.location} (${stored.kind})`);
}

/** `flicker registry import`. */
export async function importRegistry(desk: Desktop, file: string, overwrite: boolean): Promise<number> {
  const { store } = desk;
  const given = await documentIn(file);
  stateOf(given, file);
  const stored = await peek(store, desk);
  check(stored, given, store.location, overwrite);
  const before = stored.kind === 'current' ? stored.document : undefined;
  const planned = differences(before?.state, given.state);
  if (!desk.json) {
    const what = before ? changesTable(planned) : `writes ${store.location}\n`;
    desk.print(`${what}\n${before ? holderText(before) : 'The next instance starts with what is written.'}\n`);
  }
  if (!before) await checkSpilled(desk, stateOf(given, file));
  const lastEpoch = before ? 0 : await lastKnownEpoch(desk);
  await desk.confirm(`Write this to ${store.location}?`);
  const done = await replace(store, desk, (latest) => {
    check(latest, given, store.location, overwrite);
    const there = latest.kind === 'current' ? latest.document.lease : undefined;
    const lease = operatorLease(desk, there ?? given.lease);
    // Whoever held a registry that was deleted must not take the restored one for its own.
    return { ...given, lease: { ...lease, epoch: Math.max(lease.epoch, lastEpoch + 1) } };
  });
  report(desk, done.before, done.after, []);
  return 0;
}

/** @throws OperatorError where the import would undo what it does not know of */
function check(stored: Stored, given: RegistryDocument, location: string, overwrite: boolean): void {
  if (stored.kind === 'version-1') throw notUpgraded(location);
  if (stored.kind === 'damaged' && !overwrite) {
    throw new OperatorError(
      `there is something at ${location} that is no registry (${stored.reason}); say --overwrite to put the file in its place`,
    );
  }
  if (stored.kind !== 'current') return;
  const { clusterId, lease } = stored.document;
  if (clusterId !== given.clusterId && clusterId !== '' && given.clusterId !== '') {
    throw new OperatorError(`${location} belongs to "${clusterId}", and the file to "${given.clusterId}"`);
  }
  if (overwrite) return;
  if (lease.state === 'closed') {
    const where = lease.movedTo === undefined ? 'is a copy that is not complete' : `was moved to ${lease.movedTo}`;
    throw new OperatorError(`${location} ${where}; say --overwrite to open it again with what the file holds`);
  }
  if (lease.epoch !== given.lease.epoch || lease.seq !== given.lease.seq) {
    throw new OperatorError(
      `${location} was saved since the export: it has epoch ${lease.epoch} and seq ${lease.seq}, the file ` +
        `${given.lease.epoch} and ${given.lease.seq}. Stop the instances and export again, or say --overwrite ` +
        'to go back to the file: what was shipped since is shipped again.',
    );
  }
}

/** A batch that is listed and not there counts as sent: somewhere else that would be a loss. @throws OperatorError */
async function checkSpilled({ spill, signal, store }: Desktop, state: FlickerState): Promise<void> {
  for (const { key } of state.spill ?? []) {
    if ((await spill.get(key, signal)) !== undefined) continue;
    throw new OperatorError(
      `the file lists batches that were spilled, and ${key} is not beside ${store.location}: copy the objects below spill/ ` +
        'there first, or use "registry copy", which does',
    );
  }
}

/** The epoch of the newest version that can be read of a registry that is gone or damaged; 0 where none is kept. */
async function lastKnownEpoch(desk: Desktop): Promise<number> {
  if (!desk.store.location.startsWith('s3://')) return 0;
  const kept = await desk.history();
  for await (const version of kept.versions(desk.signal)) {
    if (version.deleted) continue;
    const parsed = parseDocument(await kept.read(version, desk.signal));
    if (parsed.kind === 'current') return parsed.document.lease.epoch;
  }
  return 0;
}

async function documentIn(file: string): Promise<RegistryDocument> {
  let content: string;
  try {
    content = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new SettingsError('nothing was written', [`cannot read ${file}: ${errorText(error)}`]);
  }
  const parsed = parseDocument(Buffer.from(content));
  if (parsed.kind === 'current') return parsed.document;
  const reason = parsed.kind === 'invalid' ? parsed.reason : 'it has another format';
  throw new SettingsError('nothing was written', [`${file} is no exported registry: ${reason}`]);
}
