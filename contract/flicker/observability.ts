import type { MetricSpec, PortSpec } from '../program';
import { registryEvents } from '../registry';

/** Metrics of flicker, on `/metrics`. */
export const flickerMetrics = {
  eventsRead: counter('flicker_events_read_total', 'Events read from the source.', ['source']),
  eventsFiltered: counter('flicker_events_filtered_total', 'Events dropped by match_on or exclude_on.', ['source']),
  eventsDelivered: counter('flicker_events_delivered_total', 'Events that the destination accepted.', ['source']),
  eventsResent: counter('flicker_events_resent_total', 'Events sent again because an answer was lost.', ['source']),
  eventsDeadLettered: counter('flicker_events_dead_lettered_total', 'Events written to the dead letters.', ['source']),
  bytesDelivered: counter('flicker_bytes_delivered_total', 'Bytes of accepted requests, before compression.', [
    'source',
  ]),
  bytesMissed: counter('flicker_bytes_missed_total', 'Bytes cut or deleted before they could be read.', ['source']),
  deliveryRetries: counter('flicker_delivery_retries_total', 'Failed attempts to deliver.', ['source']),
  sourcePaused: gauge('flicker_source_paused', '1 while a destination refuses or fails and the source waits.', [
    'source',
  ]),
  sourceErrors: counter('flicker_source_errors_total', 'Polls that failed.', ['source']),
  sourceLagBytes: gauge('flicker_source_lag_bytes', 'Bytes not yet delivered of the files of a source.', ['source']),
  sourceLastSuccess: gauge('flicker_source_last_success_timestamp_seconds', 'Time of the last good poll.', ['source']),
  timestampsUnreadable: counter('flicker_timestamps_unreadable_total', 'Entries whose time could not be read.', [
    'source',
  ]),
  linesUnparsed: counter(
    'flicker_lines_unparsed_total',
    'Lines that are not what `format` or `parse_json` says. They are shipped as they are.',
    ['source'],
  ),
  apiGaps: counter('flicker_source_gaps_total', 'Time ranges whose events may be missing or come twice.', ['source']),
  apiRequests: counter('flicker_api_requests_total', 'Requests to the API, by status class.', ['source', 'status']),
  registrySaves: counter('flicker_registry_saves_total', 'Saves of the registry, by result.', ['result']),
  registrySaveSeconds: {
    name: 'flicker_registry_save_duration_seconds',
    type: 'histogram',
    help: 'How long a save of the registry takes.',
    labels: [],
  },
  registryConflicts: counter('flicker_registry_conflicts_total', 'Conditional writes that met another version.', []),
  registryUnsaved: gauge('flicker_registry_unsaved_events', 'Events sent and not yet saved.', []),
  registryLastSave: gauge('flicker_registry_last_save_timestamp_seconds', 'Time of the last save.', []),
  registryEpoch: gauge('flicker_registry_epoch', 'Epoch of the lease that this instance holds.', []),
  registryRenewalAge: gauge(
    'flicker_registry_renewal_age_seconds',
    'How long ago the last good save of a held registry was started.',
    [],
  ),
  leader: gauge('flicker_leader', '1 while this instance holds the lease of the registry.', []),
  fenced: gauge('flicker_fenced', '1 after a new owner has taken over, until this instance holds a lease again.', []),
  fencedTotal: counter(
    'flicker_fenced_total',
    'Leases that ended because of a new owner, or because they ran out.',
    [],
  ),
  takeoverSeconds: gauge(
    'flicker_takeover_seconds',
    'From the last sign of the previous holder to the last takeover by this instance.',
    [],
  ),
  duplicatesPossible: counter(
    'flicker_duplicates_possible_total',
    'Events that were sent and not saved when a lease ended: the next holder may send them again.',
    [],
  ),
} as const satisfies Record<string, MetricSpec>;

function counter(name: string, help: string, labels: readonly string[]) {
  return { name, type: 'counter', help, labels } as const;
}

function gauge(name: string, help: string, labels: readonly string[]) {
  return { name, type: 'gauge', help, labels } as const;
}

/** Log events of flicker. Their fields are numbers and names, never payloads. */
export const flickerEvents = {
  ...registryEvents,
  /** Fields: version, sources, node. */
  started: 'program.started',
  /** What the config does not promise. */
  configWarning: 'config.warning',
  draining: 'program.draining',
  stopped: 'program.stopped',
  failed: 'program.failed',
  /** One line a minute and one at the end; fields are the counts since the line before: see `progressFields`. */
  progress: 'program.progress',
  sourceStarted: 'source.started',
  sourceFailed: 'source.failed',
  sourcePaused: 'source.paused',
  sourceResumed: 'source.resumed',
  /** Fields: source, file, from, to: bytes that were cut or deleted before they could be read. */
  bytesMissed: 'source.bytes_missed',
  fileOpened: 'source.file_opened',
  containerFound: 'source.container_found',
  fileRotated: 'source.file_rotated',
  timestampUnreadable: 'source.timestamp_unreadable',
  rateLimited: 'source.rate_limited',
  /** Fields: source, from, to: a time range whose events may be missing or come twice; a vendor cursor has expired, say. */
  gap: 'source.gap',
  deliveryRetried: 'delivery.retried',
  /** The registry of a node that was away for long is gone. */
  nodeForgotten: 'node.forgotten',
  /** The files of a node are not read yet: an instance without standbys may still ship them. */
  nodeWaits: 'node.waits',
  /** Fields: source, events, reason. */
  deadLetterWritten: 'dead_letter.written',
  /** Fields: source, destination, events: a batch that a destination did not take in time is kept beside the registry. */
  spilled: 'spill.written',
  /** Fields: source, destination: what was spilled is sent. */
  spillDrained: 'spill.drained',
  /** Fields: location, batches, events: this node sends what a vanished one has spilled. */
  spillAdopted: 'spill.adopted',
} as const;

/** Numbers in a `program.progress` line. */
export const progressFields = {
  read: 'read',
  delivered: 'delivered',
  filtered: 'filtered',
  resent: 'resent',
  deadLettered: 'deadLettered',
  bytesDelivered: 'bytesDelivered',
  bytesMissed: 'bytesMissed',
  saves: 'saves',
  saveFailures: 'saveFailures',
  unsaved: 'unsaved',
  lagBytes: 'lagBytes',
  pausedSources: 'pausedSources',
} as const;

/** Metrics that are counted from log lines: one for each number of a progress line, and these, one for each event. */
export const flickerEventMetrics = {
  starts: flickerEvents.started,
  deadLetters: flickerEvents.deadLetterWritten,
} as const;

/** CloudWatch namespace of the metrics that one instance's log lines are counted in. */
export function logMetricNamespace(program: string, stage: string, name: string): string {
  return `Holdfast/${program}/${stage}/${name}`;
}

/** How often a `program.progress` line is written, in milliseconds. */
export const PROGRESS_INTERVAL_MS = 60_000;

export const flickerPort = {
  name: 'http',
  port: 8080,
  paths: ['/livez', '/readyz', '/metrics', '/', '/status.json'],
} as const satisfies PortSpec;
