import { plainKey, type FlickerState, type SourceEntry } from './state';

/** Whose files those on storage are that every instance sees. */
export const SHARED_NODE = 'shared';
/** Entries of nodes that have not been seen for this long are dropped. */
export const FORGET_NODE_MS = 7 * 24 * 3_600_000;

/** A node whose registry was not written for this long has vanished: a live one writes it at each heartbeat. */
export const vanishedAfterMs = (heartbeatMs: number) => Math.max(15 * 60_000, 3 * heartbeatMs);

interface NodeEntry {
  readonly source: string;
  readonly seenAt: string;
}

/** The node of an entry. */
export function nodeOf(key: string, source: string): string {
  const plain = plainKey(key, source);
  return plain.slice(0, Math.max(0, plain.lastIndexOf('/')));
}

/**
 * When the node of an entry was seen last, in milliseconds. That of the entry itself does not tell: what does not grow is
 * not written again.
 */
export function nodeSeenIn({
  files,
  docker = {},
}: Pick<FlickerState, 'files' | 'docker'>): (key: string, entry: NodeEntry) => number {
  const seen = new Map<string, number>();
  for (const [key, entry] of [...Object.entries(files), ...Object.entries(docker)]) {
    const node = nodeOf(key, entry.source);
    seen.set(node, Math.max(seen.get(node) ?? 0, Date.parse(entry.seenAt)));
  }
  return (key, entry) => seen.get(nodeOf(key, entry.source)) ?? 0;
}

/** The sources of one node's own, by name, as they would be entered when they are first started. */
export type NodeSources = ReadonlyMap<string, SourceEntry['kind']>;

/**
 * What a node takes with it into its own registry from that of the cluster, where it was kept before there was one: what
 * is known of its sources, of its files and containers, and what they have spilled.
 */
export function ownPart(main: FlickerState, nodeId: string, sources: NodeSources): FlickerState {
  const files = own(main.files, nodeId, sources);
  const docker = own(main.docker ?? {}, nodeId, sources);
  const here = Object.keys(files).length + Object.keys(docker).length > 0;
  return {
    sources: Object.fromEntries(Object.entries(main.sources).filter(([name]) => sources.has(name))),
    files,
    ...(main.docker && { docker }),
    ...(here && main.spill && { spill: main.spill.filter(({ source }) => sources.has(source)) }),
    ...(main.legacy && { legacy: main.legacy }),
  };
}

/**
 * Removes from the cluster's state what a node keeps in its own registry by now, and what nodes have left behind that
 * were not seen for a week. Their sources stay: a new node learns from them that they are not started for the first time.
 * @returns whether something was removed
 */
export function dropOwnPart(main: FlickerState, nodeId: string, sources: NodeSources, now: number): boolean {
  const before = count(main);
  const spilled = ownPart(main, nodeId, sources).spill;
  const nodeSeen = nodeSeenIn(main);
  for (const entries of [main.files, main.docker ?? {}]) {
    for (const [key, entry] of Object.entries(entries)) {
      if (!sources.has(entry.source)) continue;
      if (key.startsWith(`${nodeId}/`) || now - nodeSeen(key, entry) > FORGET_NODE_MS) delete entries[key];
    }
  }
  if (spilled && main.spill) main.spill = main.spill.filter((entry) => !spilled.includes(entry));
  return count(main) < before;
}

const count = ({ files, docker = {}, spill = [] }: FlickerState) =>
  Object.keys(files).length + Object.keys(docker).length + spill.length;

/** A node that is as young as its files has no older ones to leave out: all of them are read from their beginning. */
export function startedBefore(state: FlickerState, sources: NodeSources, now: number): FlickerState {
  const startedAt = new Date(now).toISOString();
  const started = [...sources].map(([name, kind]) => [name, { kind, startedAt, batchNo: 1, position: {} }] as const);
  return { ...state, sources: { ...Object.fromEntries(started), ...state.sources } };
}

/**
 * Files that every instance sees belong to no node. What was entered under one, before the source was said to be shared,
 * goes on under the name of all; of several entries of one inode the one seen last.
 */
export function shareFiles(state: FlickerState, shared: ReadonlySet<string>): boolean {
  const found = Object.entries(state.files).filter(
    ([key, { source }]) => shared.has(source) && !key.startsWith(`${SHARED_NODE}/`),
  );
  found.sort(([, a], [, b]) => Date.parse(a.seenAt) - Date.parse(b.seenAt));
  for (const [key, entry] of found) {
    delete state.files[key];
    state.files[`${SHARED_NODE}/${key.replace(/^.*?\/(?=\d+-\d+-\d+(@|$))/s, '')}`] = entry;
  }
  return found.length > 0;
}

function own<Entry extends { readonly source: string }>(
  entries: Readonly<Record<string, Entry>>,
  nodeId: string,
  sources: NodeSources,
): Record<string, Entry> {
  return Object.fromEntries(
    Object.entries(entries).filter(([key, { source }]) => key.startsWith(`${nodeId}/`) && sources.has(source)),
  );
}
