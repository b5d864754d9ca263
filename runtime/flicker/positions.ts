import { apiPosition } from './sources/api/position';
import type { FlickerState, Position, SourceEntry } from './state';

/** How far one source was delivered, in few words. */
export interface SourceSummary {
  readonly name: string;
  readonly kind: SourceEntry['kind'];
  readonly startedAt: string;
  /** Everything before this time was read, as far as the source counts by time. RFC 3339. */
  readonly readUpTo?: string;
  /** An API source is between two pages. */
  readonly walking?: boolean;
  /** Files or containers that have a position. */
  readonly followed?: number;
  /** Bytes of these files that were delivered. */
  readonly bytes?: number;
}

/** The sources of a state, by name. */
export function summarize(state: FlickerState): SourceSummary[] {
  const files = grouped(Object.values(state.files));
  const containers = grouped(Object.values(state.docker ?? {}));
  return Object.entries(state.sources)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { kind, startedAt, position }]): SourceSummary => {
      const own = { name, kind, startedAt };
      switch (kind) {
        case 'api': {
          const time = positionTime(position);
          return { ...own, walking: 'walk' in position, ...(time !== undefined && { readUpTo: iso(time) }) };
        }
        case 'files': {
          const entries = files.get(name) ?? [];
          return { ...own, followed: entries.length, bytes: entries.reduce((sum, { offset }) => sum + offset, 0) };
        }
        case 'docker': {
          const entries = containers.get(name) ?? [];
          const newest = entries
            .map(({ ts }) => ts)
            .sort()
            .at(-1);
          return { ...own, followed: entries.length, ...(newest !== undefined && { readUpTo: newest }) };
        }
      }
    });
}

/** A summary on one line. */
export function summaryText(summary: SourceSummary): string {
  const { kind, readUpTo, walking, followed = 0, bytes } = summary;
  const upTo = readUpTo === undefined ? 'nothing read yet' : `read up to ${readUpTo}`;
  switch (kind) {
    case 'api':
      return walking ? `${upTo}, between two pages` : upTo;
    case 'files':
      return `${followed} file${followed === 1 ? '' : 's'}, ${bytes} bytes`;
    case 'docker':
      return `${followed} container${followed === 1 ? '' : 's'}, ${upTo}`;
  }
}

/** Up to when the events of an API were read, in milliseconds; undefined when that cannot be told. */
export function positionTime(position: Position): number | undefined {
  const parsed = apiPosition.safeParse(position);
  if (!parsed.success) return undefined;
  const { closed, watermark, floor } = parsed.data;
  return closed ?? watermark ?? floor ?? undefined;
}

export function iso(time: number): string {
  return new Date(time).toISOString();
}

function grouped<Entry extends { readonly source: string }>(entries: readonly Entry[]): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.source);
    if (group) group.push(entry);
    else groups.set(entry.source, [entry]);
  }
  return groups;
}
