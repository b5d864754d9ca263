import { SettingsError } from '../../../contract';
import { OperatorError } from '../../registry/operate';
import { bytesText, durationText } from './table';
import { iso, positionTime } from '../positions';
import { apiPosition } from '../sources/api/position';
import type { ContainerEntry, FileEntry, FlickerState, Position, SourceEntry } from '../state';

/** An edited state, and what a person should know of the edit. */
export interface Change {
  readonly state: FlickerState;
  readonly notes: readonly string[];
}

/**
 * Sets positions back to those of an older state, never forward. Files keep their names and sizes of now; numbers of S3
 * objects stay, so that what is shipped again goes into new objects.
 * @throws OperatorError when there is no such source
 */
export function rewound(now: FlickerState, then: FlickerState, thenTime: number, only: string | undefined): Change {
  const names = Object.keys(now.sources).filter((name) => only === undefined || name === only);
  if (only !== undefined && names.length === 0) throw new OperatorError(`there is no source "${only}"`);
  const state = structuredClone(now);
  const notes: string[] = [];
  for (const name of names) {
    const [entry, old] = [state.sources[name], then.sources[name]];
    if (!entry) continue;
    if (!old) {
      notes.push(`${name}: it was not there yet at ${iso(thenTime)}, and stays as it is`);
      continue;
    }
    switch (entry.kind) {
      case 'api': {
        const [from, to] = [positionTime(entry.position), positionTime(old.position)];
        if (from !== undefined && to !== undefined && to > from) {
          notes.push(`${name}: is at an earlier position already (${iso(from)}), and stays as it is`);
          continue;
        }
        entry.position = old.position;
        forgetAhead(entry);
        notes.push(`${name}: ${againText(from, to)}`);
        break;
      }
      case 'files':
        forgetAhead(entry);
        notes.push(`${name}: ${rewindFiles(state, then, name)}`);
        break;
      case 'docker':
        forgetAhead(entry);
        notes.push(`${name}: ${rewindContainers(state, then, thenTime, name)}`);
    }
  }
  return { state, notes };
}

/** What single destinations had beyond the position of the source is theirs again to take. */
function forgetAhead(entry: SourceEntry): void {
  for (const to of Object.values(entry.destinations ?? {})) delete to.ahead;
}

function againText(from: number | undefined, to: number | undefined): string {
  if (from === undefined || to === undefined) return 'events since then may be shipped again';
  return from === to
    ? 'events since its last whole walk may be shipped again'
    : `events of ${durationText(from - to)}, from ${iso(to)} to ${iso(from)}, may be shipped again`;
}

function rewindFiles(state: FlickerState, then: FlickerState, source: string): string {
  let [bytes, files, gone] = [0, 0, 0];
  for (const [key, entry] of Object.entries(state.files)) {
    if (entry.source !== source) continue;
    const old = then.files[key];
    const to = old?.offset ?? 0;
    if (to >= entry.offset) continue;
    if (entry.goneAt !== undefined) {
      gone++;
      continue;
    }
    bytes += entry.offset - to;
    files++;
    state.files[key] = at(entry, to, old);
  }
  const left = gone > 0 ? `; ${counted(gone, 'file')} gone, which cannot be read again` : '';
  return `${bytesText(bytes)} (${bytes} bytes) of ${counted(files, 'file')} may be shipped again${left}`;
}

/** `1 file`, `2 files`. */
function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** The entry of a file at another offset; what was known of the bytes before it holds only where it was known then. */
function at(entry: FileEntry, offset: number, known?: FileEntry): FileEntry {
  const moved: FileEntry = { ...entry, offset };
  delete moved.marker;
  delete moved.streams;
  if (known?.marker) moved.marker = known.marker;
  if (known?.streams) moved.streams = known.streams;
  return moved;
}

function rewindContainers(state: FlickerState, then: FlickerState, thenTime: number, source: string): string {
  let count = 0;
  for (const [key, entry] of Object.entries(state.docker ?? {})) {
    if (entry.source !== source || !state.docker) continue;
    // A container that was not known then has said nothing before.
    const old: Pick<ContainerEntry, 'ts' | 'streams'> = then.docker?.[key] ?? {
      ts: iso(thenTime).replace(/Z$/, '000000Z'),
      streams: {},
    };
    if (old.ts >= entry.ts) continue;
    count++;
    state.docker[key] = { ...entry, ts: old.ts, streams: old.streams };
  }
  return `lines of ${counted(count, 'container')} since ${iso(thenTime)} may be shipped again`;
}

/**
 * Sets values of one source.
 * @throws SettingsError for a text that is no key=value, OperatorError for what does not fit the source
 */
export function withValues(
  now: FlickerState,
  source: string,
  values: readonly string[],
  file: string | undefined,
): Change {
  const entry = Object.hasOwn(now.sources, source) ? now.sources[source] : undefined;
  if (!entry) {
    const names = Object.keys(now.sources).join(', ');
    throw new OperatorError(`there is no source "${source}"; there ${names ? `are: ${names}` : 'is none'}`);
  }
  const state = structuredClone(now);
  const notes: string[] = [];
  for (const text of values) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (key === undefined || value === undefined) {
      throw new SettingsError('bad usage', [`"${text}": expected key=value`]);
    }
    if (file !== undefined) notes.push(...setInFile(state, source, file, key, value));
    else if (entry.kind === 'api' && key === 'watermark') notes.push(...setWatermark(state, source, value));
    else setInPosition(state, source, key, value);
  }
  if (state.sources[source]) forgetAhead(state.sources[source]);
  const position = state.sources[source]?.position;
  if (entry.kind === 'api' && position) {
    const parsed = apiPosition.safeParse(position, { reportInput: false });
    const issue = parsed.error?.issues[0];
    if (issue) {
      throw new OperatorError(`${source}: the position would not be one: ${issue.path.join('.')}: ${issue.message}`);
    }
  }
  return { state, notes };
}

/** Starts an API source again at a time: pages and ids of before mean nothing then. */
function setWatermark(state: FlickerState, source: string, value: string): string[] {
  const time = watermarkOf(value);
  if (time === undefined) {
    throw new SettingsError('bad usage', [
      `watermark=${value}: expected a time such as 2026-01-31T12:00:00Z, or milliseconds since 1970`,
    ]);
  }
  const entry = state.sources[source];
  if (!entry) return [];
  const from = positionTime(entry.position);
  const { closed, notBefore, rate } = entry.position;
  const kept = { notBefore, rate, ...(closed !== undefined && { closed: time }) };
  entry.position = withoutUndefined({ watermark: time, floor: time, ...kept });
  if (from === undefined || from === time) return [];
  return time < from
    ? [`${source}: ${againText(from, time)}`]
    : [`${source}: events of ${durationText(time - from)}, from ${iso(from)} to ${iso(time)}, will NOT be shipped`];
}

/** Milliseconds of before 1973 are seconds that somebody meant. */
const LEAST_MS = 1e11;

function watermarkOf(value: string): number | undefined {
  const ms = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  const time = new Date(/^\d{4}-\d\d-\d\d/.test(value) ? value : ms).getTime();
  return Number.isNaN(time) || ms < LEAST_MS ? undefined : time;
}

function setInPosition(state: FlickerState, source: string, key: string, value: string): void {
  const entry = state.sources[source];
  if (entry) entry.position = { ...entry.position, [key]: jsonOrText(value) };
}

function setInFile(state: FlickerState, source: string, path: string, key: string, value: string): string[] {
  const found = Object.entries(state.files).filter(
    ([id, entry]) => entry.source === source && (entry.path === path || id === path) && entry.goneAt === undefined,
  );
  const [first] = found;
  if (!first || found.length > 1) {
    const keys = found.map(([id]) => id).join(', ');
    throw new OperatorError(
      first
        ? `several files of "${source}" have the path ${path}; name one by its key: ${keys}`
        : `"${source}" follows no file ${path}`,
    );
  }
  const [id, entry] = first;
  if (key !== 'offset') throw new OperatorError(`of a file only offset can be set, not ${key}`);
  const offset = Number(value);
  if (!Number.isInteger(offset) || offset < 0 || offset > (entry.size ?? Number.MAX_SAFE_INTEGER)) {
    throw new OperatorError(`offset=${value}: expected bytes from 0 to ${entry.size ?? 'the size of the file'}`);
  }
  state.files[id] = at(entry, offset);
  const moved = offset - entry.offset;
  if (moved === 0) return [];
  return moved < 0
    ? [`${path}: ${bytesText(-moved)} may be shipped again`]
    : [`${path}: ${bytesText(moved)} will NOT be shipped`];
}

function jsonOrText(value: string): Position[string] {
  try {
    const parsed: Position[string] = JSON.parse(value);
    return parsed;
  } catch {
    return value;
  }
}

function withoutUndefined(values: Readonly<Record<string, Position[string] | undefined>>): Position {
  const kept: Position = {};
  for (const [name, value] of Object.entries(values)) if (value !== undefined) kept[name] = value;
  return kept;
}
