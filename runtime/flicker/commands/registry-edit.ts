import { SettingsError } from '../../../contract';
import { differences, pathText } from '../../registry/difference';
import type { RegistryDocument } from '../../registry/format';
import { edit, editable, look } from '../../registry/operate';
import { iso } from '../positions';
import type { FlickerState } from '../state';
import { rewound, withValues, type Change } from './registry-changes';
import { stateOf, type Desktop } from './registry-desk';
import { changesTable, versionAt } from './registry-history';
import { header, unknownSource } from './registry-show';
import { printable } from './table';

/** `flicker registry rewind`. */
export async function rewind(desk: Desktop, to: string, only: string | undefined): Promise<number> {
  const version = await versionAt(desk, timeOf(to, desk.clock.now()));
  const then = stateOf(version.document, desk.store.location);
  if (!desk.json) desk.print(`back to version ${version.id}, stored ${iso(version.storedAt)}\n\n`);
  return change(desk, (now) => {
    if (only !== undefined && !now.sources[only]) throw unknownSource(now, only, desk.store.location);
    return rewound(now, then, version.storedAt, only);
  });
}

/** `flicker registry set`. */
export function set(
  desk: Desktop,
  source: string,
  values: readonly string[],
  file: string | undefined,
): Promise<number> {
  return change(desk, (now) => withValues(now, source, values, file));
}

/** Shows what an edit would change, asks, and makes it on whatever is stored then. */
export async function change(desk: Desktop, make: (state: FlickerState) => Change): Promise<number> {
  const { store } = desk;
  const stored = await look(store, desk);
  const document = editable(stored, store.location);
  const { state, notes } = make(stateOf(document, store.location));
  const planned = differences(document.state, state);
  if (planned.length === 0) {
    desk.print(desk.json ? `${JSON.stringify({ changes: [] })}\n` : [...notes, 'nothing to change'].join('\n') + '\n');
    return 0;
  }
  if (!desk.json) {
    const bytes = stored.kind === 'current' ? stored.bytes : 0;
    desk.print(`${header(document, store.location, bytes, desk.clock.now())}\n\n${changesTable(planned)}\n`);
    desk.print(notes.map((note) => `${printable(note)}\n`).join(''));
    desk.print(`${holderText(document)}\n`);
  }
  await desk.confirm(`Write this to ${store.location}?`);
  let made: Change = { state, notes };
  const { before, after } = await edit(store, desk, (latest) => {
    made = make(stateOf({ ...document, state: latest }, store.location));
    return made.state;
  });
  report(desk, before, after, made.notes);
  return 0;
}

/** Tells what was written. */
export function report(
  desk: Desktop,
  before: RegistryDocument | undefined,
  after: RegistryDocument,
  notes: readonly string[],
): void {
  const changes = differences(before?.state, after.state);
  if (desk.json) {
    const listed = changes.map(({ path, ...values }) => ({ path: pathText(path), ...values }));
    desk.print(
      `${JSON.stringify({ location: desk.store.location, before: before?.lease, after: after.lease, notes, changes: listed }, null, 2)}\n`,
    );
    return;
  }
  const what = before ? `${changes.length} value${changes.length === 1 ? '' : 's'} changed` : 'created';
  desk.print(`saved with epoch ${after.lease.epoch}: ${what}\n`);
}

/** What the edit does to whoever holds the registry. */
export function holderText({ lease }: RegistryDocument): string {
  if (lease.state !== 'held') return 'Nobody holds the registry: the next instance starts with what is written.';
  const holder = `${printable(lease.owner)} on ${printable(lease.host)}`;
  return `${holder} holds the registry: the edit fences it, and it takes the registry over again with what is written.`;
}

const AGO = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A time, or how long ago it was. @throws SettingsError */
export function timeOf(text: string, now: number): number {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const ago = unit === 's' || unit === 'm' || unit === 'h' || unit === 'd' ? Number(count) * AGO[unit] : undefined;
  const told = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  // Beyond what a date can be there is no time either.
  const time = new Date(ago === undefined ? told : now - ago).getTime();
  if (Number.isNaN(time)) {
    throw new SettingsError('bad usage', [
      `--to ${text}: expected a time such as 2026-01-31T12:00:00Z, or 90m, 12h, 2d`,
    ]);
  }
  return time;
}
