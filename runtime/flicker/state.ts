import { z } from 'zod';

/**
 * How far one file was delivered. Its key is `<nodeId>/<dev>-<ino>-<generation>`; when several sources follow one file,
 * the keys of all but one of them end in `@<source>`.
 */
const fileEntry = z.looseObject({
  source: z.string(),
  path: z.string(),
  /** Counts truncations and reuses of the inode. */
  generation: z.int().min(0),
  /** Everything before this byte was accepted by the destination. */
  offset: z.int().min(0),
  /** Streams within the file that were accepted beyond `offset`, or whose next piece goes on with a line that was cut. */
  streams: z.record(z.string(), z.object({ offset: z.int().min(0), continued: z.literal(true).optional() })).optional(),
  /** Hash that event ids of this file begin with. */
  idHash: z.string(),
  /** Hash of the first `bytes` bytes; verifies that the file is still the same, never identifies it. */
  fingerprint: z.object({ bytes: z.int().min(0), hash: z.string() }),
  /** Hash of the last `bytes` bytes before `offset`: tells a file that was cut and grew again. */
  marker: z.object({ bytes: z.int().min(0), hash: z.string() }).optional(),
  /** Size when it was last looked at: what was missed when the file is gone. */
  size: z.int().min(0).optional(),
  /** When the file was written last, by the file system's clock, in milliseconds. */
  modified: z.number().optional(),
  /** When the file was found gone. The entry stays for a while, so that a reuse of the inode is told apart. */
  goneAt: z.string().optional(),
  seenAt: z.string(),
});

/** How far one container was delivered. Its key is `<nodeId>/<containerId>`, or that and `@<source>` as with files. */
const containerEntry = z.looseObject({
  source: z.string(),
  /** The container's name. */
  name: z.string(),
  /** Everything older was accepted: RFC 3339 in UTC with nine decimals. */
  ts: z.string(),
  /** Each stream's last line that was accepted, and how many of its lines have that time. */
  streams: z
    .record(
      z.string(),
      z.object({ ts: z.string(), sameTsCount: z.int().min(0), continued: z.literal(true).optional() }),
    )
    .default({}),
  seenAt: z.string(),
});

/** What one destination of a source has beside what the position of the source covers. */
const destinationEntry = z.looseObject({
  /** Number of the next object of a numbered destination, where the source has more than one destination. */
  batchNo: z.int().min(1).optional(),
  /** Ids, hashed, of events that it has and the position does not cover. */
  ahead: z.string().optional(),
  /** Batches that were spilled so far: what the next one is named by. */
  spilled: z.int().min(0).optional(),
  /** Events that it refused for good, and the key or path of the last of them. */
  deadLetters: z.object({ events: z.int().min(0), last: z.string() }).optional(),
});

/** A batch that a destination did not take in time: an object beside the registry. */
const spillEntry = z.looseObject({
  source: z.string(),
  destination: z.string(),
  /** Below the spill prefix of the registry. */
  key: z.string(),
  events: z.int().min(0),
  bytes: z.int().min(0),
  /** Ids, hashed, of its events that the destination has taken since. */
  sent: z.string().optional(),
});

/** How far one source was delivered; an API source keeps its walk in `position`. */
const sourceEntry = z.looseObject({
  kind: z.enum(['files', 'docker', 'api']),
  /** When the source was first started: later files are read from their beginning. */
  startedAt: z.string(),
  /** Number of the next object of a numbered destination. */
  batchNo: z.int().min(1),
  position: z.record(z.string(), z.json()).default({}),
  /** By their names; those with nothing to tell have none. */
  destinations: z.record(z.string(), destinationEntry).optional(),
});

/** Positions in a version 1 registry; each source takes over what is its own at its first start. */
const legacyState = z.object({
  files: z.record(z.string(), z.looseObject({ position: z.int().min(0), inode: z.number() })).default({}),
  containers: z.record(z.string(), z.looseObject({ last_timestamp: z.string() })).optional(),
  api_sources: z
    .record(z.string(), z.looseObject({ last_timestamp: z.string(), cursor: z.string().nullish() }))
    .default({}),
});

/** The state of flicker in the registry. Fields that this version does not know are kept. */
export const flickerState = z.looseObject({
  sources: z.record(z.string(), sourceEntry).default({}),
  files: z.record(z.string(), fileEntry).default({}),
  /** In the order in which they are to be sent. */
  spill: z.array(spillEntry).optional(),
  docker: z.record(z.string(), containerEntry).optional(),
  legacy: legacyState.optional(),
});

export type FileEntry = z.output<typeof fileEntry>;
export type ContainerEntry = z.output<typeof containerEntry>;
export type SourceEntry = z.output<typeof sourceEntry>;
export type DestinationEntry = z.output<typeof destinationEntry>;
export type SpillEntry = z.output<typeof spillEntry>;
export type Position = SourceEntry['position'];
export type LegacyState = z.output<typeof legacyState>;
export type FlickerState = z.output<typeof flickerState>;

/** The state in a registry. @throws Error naming the first field that is wrong */
export function readState(state: unknown): FlickerState {
  return parsed(flickerState, state);
}

function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value, { reportInput: false });
  if (result.success) return result.data;
  const [fault] = result.error.issues;
  throw new Error(`${fault?.path.join('.') || 'the object'}: ${fault?.message ?? 'not a state of flicker'}`);
}

/** What a settled batch changes in the state. `null` removes a file or container. */
export const stateChange = z.object({
  files: z.record(z.string(), fileEntry.nullable()).optional(),
  docker: z.record(z.string(), containerEntry.nullable()).optional(),
  position: z.record(z.string(), z.json()).optional(),
});
export type StateChange = z.output<typeof stateChange>;

/** Applies what a source's settled batch changed. */
export function applyChange(state: FlickerState, source: string, change: StateChange): void {
  merge(state.files, source, change.files);
  if (change.docker) merge((state.docker ??= {}), source, change.docker);
  const entry = state.sources[source];
  if (entry && change.position) entry.position = change.position;
}

function merge<Entry extends { readonly source: string }>(
  entries: Record<string, Entry>,
  source: string,
  changes: Readonly<Record<string, Entry | null>> = {},
): void {
  for (const [key, entry] of Object.entries(changes)) {
    const own = ownKey(entries, source, key);
    if (entry === null) delete entries[own];
    else entries[own] = entry;
  }
}

/** The key without what tells apart the entries of several sources that follow the same file or container. */
export function plainKey(key: string, source: string): string {
  return key.endsWith(`@${source}`) ? key.slice(0, -source.length - 1) : key;
}

/** Where a source keeps its entry: beside that of another source which follows the same file or container. */
function ownKey(entries: Readonly<Record<string, { readonly source: string }>>, source: string, key: string): string {
  const beside = `${key}@${source}`;
  if (entries[beside]) return beside;
  const holder = entries[key];
  return holder && holder.source !== source ? beside : key;
}

const v1 = z.looseObject({ version: z.literal(1), ...legacyState.shape });

/** The state that a version 1 registry stands for. @throws Error naming the first field that is wrong */
export function upgradeV1(registry: unknown): FlickerState {
  const { files, containers, api_sources } = parsed(v1, registry);
  return { sources: {}, files: {}, legacy: { files, ...(containers && { containers }), api_sources } };
}
