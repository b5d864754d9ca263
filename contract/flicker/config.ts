import { z } from 'zod';
import { duration, strictObject, type SettingsMode } from '../settings';
import { destinationSchema } from './destinations';
import { apiSourceSchema, logFileSchema } from './sources';

const keysToCome = {
  docker_containers: 'docker_containers is not available in this version; available sources: log_files, api_sources',
};

/** The config file of flicker. Keys are those of the original flicker; keys it only documented work too. */
export function flickerConfigSchema(mode: SettingsMode) {
  return strictObject(
    {
      log_files: z.array(logFileSchema(mode)).default([]).describe('Files to follow.'),
      api_sources: z.array(apiSourceSchema(mode)).default([]).describe('HTTP APIs to poll.'),
      destination: destinationSchema(mode).optional().describe('Destination of every source that has none of its own.'),
      retry: strictObject({
        max_retries: z
          .int()
          .min(0)
          .default(5)
          .describe('Failed attempts before a source is reported as paused. Never drops.'),
        initial_delay_ms: duration(mode, { min: 1 })
          .prefault(1000)
          .describe('Longest first wait; doubles each time, with full jitter.'),
        max_delay_ms: duration(mode, { min: 1 }).prefault(60_000).describe('Longest wait between attempts.'),
        max_queue_size: z
          .int()
          .min(1)
          .default(100)
          .describe(
            'Batches that may wait for a destination. A source holds two at most, one under way and one being filled, and then stops reading. Never drops.',
          ),
      })
        .prefault({})
        .describe('How failed deliveries are retried.'),
      registry: strictObject({
        save_interval_ms: duration(mode, { min: 10 })
          .prefault(5000)
          .describe('The registry is saved this long after the first unsaved acknowledgement.'),
        heartbeat_interval_ms: duration(mode, { min: 10 })
          .prefault(60_000)
          .describe('An idle registry is saved this often.'),
        max_unsaved_events: z
          .int()
          .min(2)
          .default(100_000)
          .describe('Most events sent but not yet saved, over all sources: the bound of duplicates after a kill.'),
      })
        .prefault({})
        .describe('When positions are saved (`--track`).'),
      dead_letter: z
        .union([
          strictObject({ path: z.string().min(1).describe('Folder.') }),
          strictObject({
            bucket: z.string().min(1).describe('Bucket.'),
            prefix: z.string().default('').describe('Prefix of every key.'),
          }),
        ])
        .optional()
        .describe(
          'Where refused events are kept; the prefix beside the registry by default. Needed without `--track`.',
        ),
      shutdown_timeout_ms: duration(mode, { min: 3000, max: 115_000 })
        .prefault(10_000)
        .describe('How long a stop may take. The last 2 s belong to the final save.'),
    },
    keysToCome,
  ).superRefine((config, context) => {
    const sources = [
      ...config.log_files.map((source, i) => ({ source, path: ['log_files', i], name: source.name ?? source.path })),
      ...config.api_sources.map((source, i) => ({ source, path: ['api_sources', i], name: source.name })),
    ];
    const report = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, input: undefined, message });
    if (sources.length === 0) report([], 'there is no source: add log_files or api_sources');
    const seen = new Set<string>();
    for (const { source, path, name } of sources) {
      if (!source.destination && !config.destination) {
        report([...path, 'destination'], 'no destination: give the source one, or set the top-level destination');
      }
      if (seen.has(name)) report([...path, 'name'], `two sources are named "${name}": names must be unique`);
      seen.add(name);
    }
  });
}

/** A config as a person writes it: defaults left out, durations and sizes as numbers or text. */
export type FlickerConfigInput = z.input<ReturnType<typeof flickerConfigSchema>>;
/** A parsed config: defaults filled in, durations in milliseconds, sizes in bytes. */
export type FlickerConfig = z.output<ReturnType<typeof flickerConfigSchema>>;
export type LogFileConfig = FlickerConfig['log_files'][number];
export type ApiSourceConfig = FlickerConfig['api_sources'][number];
export type DestinationConfig = z.output<ReturnType<typeof destinationSchema>>;
export type MaskingConfig = NonNullable<LogFileConfig['masking']>;
export type RetryConfig = FlickerConfig['retry'];
export type DeadLetterConfig = NonNullable<FlickerConfig['dead_letter']>;
