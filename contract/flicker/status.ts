import { z } from 'zod';

const count = z.number().min(0);
const time = z.string().describe('RFC 3339.');
const health = z.object({ ok: z.boolean(), detail: z.string() });

const destination = z.object({
  name: z.string(),
  /** Type and place, without path, query or credentials of a URL. */
  label: z.string(),
  /** False: what it does not take in time is spilled. */
  waitedFor: z.boolean(),
  /** It failed so often, or in such a way, that it is tried at long intervals. */
  paused: z.boolean(),
  /** Why the last attempt failed; empty after a good one. */
  problem: z.string(),
  delivered: count,
  retries: count,
  lastDeliveryAt: time.optional(),
});

const source = z.object({
  name: z.string(),
  kind: z.enum(['files', 'docker', 'api']),
  /**
   * `running`; `paused`: a destination fails, and nothing is lost while the source waits; `failing`: it cannot be read now;
   * `stopped`: for good; `idle`: not run by this instance now.
   */
  state: z.enum(['running', 'paused', 'failing', 'stopped', 'idle']),
  /** Why it fails, waits or has stopped; empty when all is well. */
  problem: z.string(),
  /** Everything before this time was delivered, where a source counts by time. */
  readUpTo: time.optional(),
  /** Files or containers that have a position. */
  followed: count.optional(),
  /** Bytes that are there and not delivered, where that is known. */
  lagBytes: count.optional(),
  lastReadAt: time.optional(),
  /** Events delivered a second, over the last minute. */
  eventsPerSecond: count,
  /** All of these: since the start of this instance. */
  read: count,
  delivered: count,
  filtered: count,
  resent: count,
  retries: count,
  deadLettered: count,
  bytesMissed: count,
  destinations: z.array(destination),
});

const registry = z.object({
  location: z.string(),
  clusterId: z.string(),
  /** What this instance is to the registry. `ended`: it held it, and has not got it back. */
  role: z.enum(['starting', 'holder', 'standby', 'ended']),
  /** Who holds the lease, as far as this instance knows. */
  holder: z.object({ owner: z.string(), host: z.string(), epoch: count }).optional(),
  lastSavedAt: time.optional(),
  saves: count,
  saveFailures: count,
  conflicts: count,
  /** Events sent and not yet saved: what a kill would repeat. */
  unsaved: count,
  /** Batches spilled beside the registry that wait for their destination. */
  spilledBatches: count,
  spilledBytes: count,
});

/** What `/status.json` answers: how one instance stands. Names and numbers, never a payload, a cursor or a secret. */
export const flickerStatusSchema = z.object({
  version: z.string(),
  node: z.string(),
  startedAt: time,
  now: time,
  live: health,
  ready: health,
  /** Most events that may be sent and not saved, for each registry. */
  maxUnsaved: count,
  /** None without `--track`. With `ha` the one of the cluster comes first, then that of the node. */
  registries: z.array(registry),
  sources: z.array(source),
});

export type FlickerStatus = z.output<typeof flickerStatusSchema>;
export type SourceStatus = FlickerStatus['sources'][number];
export type RegistryStatus = z.output<typeof registry>;
