import { errorText } from '../../core/errors';
import type { RegistryDocument } from '../../registry/format';
import { look, OperatorError } from '../../registry/operate';
import { nodeOf } from '../node-state';
import { summarize, summaryText } from '../positions';
import { upgradeV1, type FlickerState } from '../state';
import { stateOf, type Desktop } from './registry-desk';
import { agoText, bytesText, printable, table } from './table';

const MOST_FILES = 40;

/** `flicker registry show`. */
export async function show(desk: Desktop, only: string | undefined): Promise<number> {
  const { store, print } = desk;
  const stored = await look(store, desk);
  if (stored.kind === 'missing') throw new OperatorError(`there is no registry at ${store.location}`);
  if (stored.kind === 'deleted') {
    throw new OperatorError(`the registry ${store.location} was deleted; "registry history" lists what is left of it`);
  }
  if (stored.kind === 'version-1') {
    const state = upgraded(stored.json, store.location);
    if (desk.json) print(`${JSON.stringify({ location: store.location, format: 1, ...stored.json }, null, 2)}\n`);
    else print(`${store.location}\nformat 1, upgraded at the next start: ${legacyText(state)}\n`);
    return 0;
  }
  const { document, bytes } = stored;
  const state = stateOf(document, store.location);
  if (only !== undefined && !state.sources[only]) throw unknownSource(state, only, store.location);
  if (desk.json) {
    const { state: kept, ...header } = document;
    print(
      `${JSON.stringify({ location: store.location, bytes, ...header, ...(only === undefined ? kept : part(state, only)) }, null, 2)}\n`,
    );
    return 0;
  }
  print(`${header(document, store.location, bytes, desk.clock.now())}\n\n`);
  const sources = summarize(state).filter(({ name }) => only === undefined || name === only);
  print(
    table(
      ['SOURCE', 'KIND', 'DELIVERED', 'FIRST STARTED'],
      sources.map((source) => [source.name, source.kind, summaryText(source), source.startedAt]),
    ),
  );
  printFiles(desk, state, only);
  printSpilled(desk, state, only);
  if (state.legacy) print(`\nof format 1, until each source has started: ${legacyText(state)}\n`);
  return 0;
}

/** @throws OperatorError when the file of format 1 cannot be read */
function upgraded(json: Readonly<Record<string, unknown>>, location: string): FlickerState {
  try {
    return upgradeV1(json);
  } catch (error) {
    throw new OperatorError(`the registry ${location} is a file of version 1 that cannot be used: ${errorText(error)}`);
  }
}

/** @returns the error that names the sources that there are */
export function unknownSource(state: FlickerState, name: string, location: string): OperatorError {
  const names = Object.keys(state.sources).join(', ');
  return new OperatorError(`there is no source "${name}" in ${location}; there ${names ? `are: ${names}` : 'is none'}`);
}

/** Whose it is, who holds it, and since when. */
export function header(
  { clusterId, lease, savedAt, writerVersion }: RegistryDocument,
  location: string,
  bytes: number,
  now: number,
): string {
  const { owner, host, epoch, seq, state, movedTo } = lease;
  const by = `${owner} on ${host}`;
  const held = state === 'held' ? `held by ${by}` : state === 'released' ? `released by ${by}` : `closed by ${by}`;
  return [
    printable(location),
    `cluster  ${clusterId ? printable(clusterId) : '(not named)'}`,
    `lease    ${printable(held)}, epoch ${epoch}, seq ${seq}${movedTo === undefined ? '' : `; moved to ${printable(movedTo)}`}`,
    `saved    ${savedAt}, ${agoText(Date.parse(savedAt), now)}, ${bytesText(bytes)}, by version ${printable(writerVersion)}`,
  ].join('\n');
}

function printFiles({ print }: Desktop, state: FlickerState, only: string | undefined): void {
  const files = Object.entries(state.files).filter(([, { source }]) => only === undefined || source === only);
  const containers = Object.entries(state.docker ?? {}).filter(
    ([, { source }]) => only === undefined || source === only,
  );
  const shown = only === undefined ? files.slice(0, MOST_FILES) : files;
  if (shown.length > 0) {
    const rows = shown.map(([key, { source, path, offset, size, goneAt, seenAt }]) => [
      source,
      path,
      nodeOf(key, source),
      `${offset}${size === undefined ? '' : ` of ${size}`}`,
      goneAt === undefined ? seenAt : `gone ${goneAt}`,
    ]);
    print(`\n${table(['SOURCE', 'FILE', 'NODE', 'BYTES', 'SEEN'], rows)}`);
  }
  if (shown.length < files.length) print(`… and ${files.length - shown.length} more; see --source or --json\n`);
  if (containers.length > 0) {
    const rows = containers.map(([key, { source, name, ts, seenAt }]) => [
      source,
      name,
      nodeOf(key, source),
      ts,
      seenAt,
    ]);
    print(`\n${table(['SOURCE', 'CONTAINER', 'NODE', 'READ UP TO', 'SEEN'], rows)}`);
  }
}

function printSpilled({ print }: Desktop, { spill = [] }: FlickerState, only: string | undefined): void {
  const waiting = new Map<string, { source: string; destination: string; batches: number; events: number }>();
  for (const { source, destination, events } of spill) {
    if (only !== undefined && source !== only) continue;
    const key = JSON.stringify([source, destination]);
    const sum = waiting.get(key) ?? { source, destination, batches: 0, events: 0 };
    waiting.set(key, { ...sum, batches: sum.batches + 1, events: sum.events + events });
  }
  if (waiting.size === 0) return;
  const rows = [...waiting.values()].map(({ source, destination, batches, events }) => [
    source,
    destination,
    String(batches),
    String(events),
  ]);
  print(`\n${table(['SOURCE', 'SPILLED FOR', 'BATCHES', 'EVENTS'], rows)}`);
}

function part(state: FlickerState, only: string): object {
  const own = <Entry extends { readonly source: string }>(entries: Readonly<Record<string, Entry>>) =>
    Object.fromEntries(Object.entries(entries).filter(([, { source }]) => source === only));
  return {
    sources: { [only]: state.sources[only] },
    files: own(state.files),
    docker: own(state.docker ?? {}),
    spill: (state.spill ?? []).filter(({ source }) => source === only),
  };
}

function legacyText({ legacy }: FlickerState): string {
  const count = (entries: object | undefined, what: string) => `${Object.keys(entries ?? {}).length} ${what}`;
  return [
    count(legacy?.files, 'files'),
    count(legacy?.containers, 'containers'),
    count(legacy?.api_sources, 'API sources'),
  ].join(', ');
}
