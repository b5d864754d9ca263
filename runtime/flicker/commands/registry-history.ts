import { SettingsError } from '../../../contract';
import { differences, pathText, type Difference } from '../../registry/difference';
import { parseDocument, type RegistryDocument } from '../../registry/format';
import { OperatorError } from '../../registry/operate';
import type { History, StoredVersion } from '../../registry/s3-history';
import { iso } from '../positions';
import type { Desktop } from './registry-desk';
import { agoText, shortened, table } from './table';

/** Versions that are read at the same time. */
const AT_ONCE = 10;

/** `flicker registry history`. */
export async function history(desk: Desktop, limitText: string): Promise<number> {
  const limit = Number(limitText);
  if (!Number.isInteger(limit) || limit < 1)
    throw new SettingsError('bad usage', ['--limit: expected a whole number from 1']);
  const kept = await desk.history();
  const versions = await newest(kept, limit, desk.signal);
  if (versions.length === 0) throw new OperatorError(`there is no version of ${desk.store.location}`);
  const rows: (StoredVersion & { readonly document?: Pick<RegistryDocument, 'lease' | 'savedAt'> | undefined })[] = [];
  for (let i = 0; i < versions.length; i += AT_ONCE) {
    const read = versions.slice(i, i + AT_ONCE).map(async (version) => {
      const document = await documentOf(kept, version, desk.signal);
      // Without the positions, which may be many megabytes in each.
      return { ...version, document: document && { lease: document.lease, savedAt: document.savedAt } };
    });
    rows.push(...(await Promise.all(read)));
  }
  if (desk.json) {
    const listed = rows.map(({ id, storedAt, deleted, document }) => ({
      id,
      storedAt: iso(storedAt),
      ...(deleted
        ? { deleted }
        : document
          ? { savedAt: document.savedAt, lease: document.lease }
          : { unreadable: true }),
    }));
    desk.print(`${JSON.stringify(listed, null, 2)}\n`);
    return 0;
  }
  const now = desk.clock.now();
  desk.print(
    table(
      ['VERSION', 'STORED', '', 'EPOCH', 'SEQ', 'OWNER', 'HOST', 'STATE'],
      rows.map(({ id, storedAt, deleted, document }) => {
        const when = [id, iso(storedAt), agoText(storedAt, now)];
        if (deleted) return [...when, '', '', '', '', 'deleted'];
        if (!document) return [...when, '', '', '', '', 'not a registry of this format'];
        const { epoch, seq, owner, host, state } = document.lease;
        return [...when, String(epoch), String(seq), shortened(owner, 12), host, state];
      }),
    ),
  );
  return 0;
}

/** `flicker registry diff`. */
export async function diff(desk: Desktop, older: string | undefined, newer: string | undefined): Promise<number> {
  const kept = await desk.history();
  const [before, after] = await chosen(kept, older, newer, desk);
  const [from, to] = await Promise.all([before, after].map((version) => readVersion(kept, version, desk)));
  if (!from || !to) throw new OperatorError('a version is missing');
  const changes = differences(asStored(from.document), asStored(to.document));
  if (desk.json) {
    const listed = changes.map(({ path, ...values }) => ({ path: pathText(path), ...values }));
    desk.print(`${JSON.stringify({ before: from.id, after: to.id, changes: listed }, null, 2)}\n`);
    return 0;
  }
  desk.print(`${from.id}, ${iso(from.storedAt)}\n${to.id}, ${iso(to.storedAt)}\n\n${changesTable(changes)}`);
  return 0;
}

/** The fields as they stand in the object. */
function asStored({ state, ...own }: RegistryDocument): object {
  return { ...own, ...state };
}

/** Before and after, one row for each value. */
export function changesTable(changes: readonly Difference[]): string {
  if (changes.length === 0) return 'nothing differs\n';
  return table(
    ['VALUE', 'BEFORE', 'AFTER'],
    changes.map(({ path, before, after }) => [pathText(path), valueText(before), valueText(after)]),
  );
}

/** Numbers that can only be times in milliseconds are shown as times, too. */
function valueText(value: unknown): string {
  if (value === undefined) return '-';
  const text = shortened(JSON.stringify(value), 60);
  return typeof value === 'number' && value > 1e12 && value < 1e13 ? `${text} (${iso(value)})` : text;
}

/** The newest version that S3 stored at a time or before. @throws OperatorError when there is none to read */
export async function versionAt(desk: Desktop, time: number): Promise<StoredVersion & { document: RegistryDocument }> {
  const kept = await desk.history();
  let oldest: StoredVersion | undefined;
  for await (const version of kept.versions(desk.signal)) {
    oldest = version;
    if (version.storedAt > time) continue;
    if (version.deleted)
      throw new OperatorError(`at ${iso(time)} there was no registry: it was deleted ${iso(version.storedAt)}`);
    return readVersion(kept, version, desk);
  }
  const left = oldest ? `the oldest version that is kept is of ${iso(oldest.storedAt)}` : 'there is no version';
  throw new OperatorError(`there is no version of ${desk.store.location} from ${iso(time)} or before: ${left}`);
}

async function chosen(
  kept: History,
  older: string | undefined,
  newer: string | undefined,
  desk: Desktop,
): Promise<[StoredVersion, StoredVersion]> {
  if (older !== undefined && newer !== undefined)
    return [await named(kept, older, desk), await named(kept, newer, desk)];
  const [last, before] = (await newest(kept, 10, desk.signal)).filter(({ deleted }) => !deleted);
  if (older !== undefined && last) return [await named(kept, older, desk), last];
  if (last && before) return [before, last];
  throw new OperatorError(`there are no two versions of ${desk.store.location}`);
}

/** @throws OperatorError when there is no such version, or it cannot be used */
export async function versionById(desk: Desktop, id: string): Promise<StoredVersion & { document: RegistryDocument }> {
  const kept = await desk.history();
  return readVersion(kept, await named(kept, id, desk), desk);
}

async function named(kept: History, id: string, desk: Desktop): Promise<StoredVersion> {
  for await (const version of kept.versions(desk.signal)) {
    if (version.id === id) return version;
  }
  throw new OperatorError(`${desk.store.location} has no version ${id}; see "registry history"`);
}

async function newest(kept: History, limit: number, signal: AbortSignal): Promise<StoredVersion[]> {
  const versions: StoredVersion[] = [];
  for await (const version of kept.versions(signal)) {
    versions.push(version);
    if (versions.length === limit) break;
  }
  return versions;
}

async function readVersion(
  kept: History,
  version: StoredVersion,
  desk: Desktop,
): Promise<StoredVersion & { document: RegistryDocument }> {
  const document = version.deleted ? undefined : await documentOf(kept, version, desk.signal);
  if (document) return { ...version, document };
  const what = version.deleted ? 'a deletion' : 'not a registry of this format';
  throw new OperatorError(`the version ${version.id} of ${desk.store.location} is ${what}`);
}

async function documentOf(
  kept: History,
  version: StoredVersion,
  signal: AbortSignal,
): Promise<RegistryDocument | undefined> {
  if (version.deleted) return undefined;
  const parsed = parseDocument(await kept.read(version, signal));
  return parsed.kind === 'current' ? parsed.document : undefined;
}
