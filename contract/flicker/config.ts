import { z } from 'zod';
import { haSchema } from '../high-availability';
import { duration, strictObject, type SettingsMode } from '../settings';
import { destinationKeys, destinationName, includesId, type destinationSchema } from './destinations';
import { apiSourceSchema, dockerContainerSchema, dockerSourceName, logFileSchema } from './sources';

/** The config file of flicker. Keys are those of the original flicker; keys it only documented work too. */
export function flickerConfigSchema(mode: SettingsMode) {
  return strictObject({
    log_files: z.array(logFileSchema(mode)).default([]).describe('Files to follow.'),
    docker_containers: z
      .array(dockerContainerSchema(mode))
      .default([])
      .describe('Containers of the Docker daemon on this machine.'),
    api_sources: z.array(apiSourceSchema(mode)).default([]).describe('HTTP APIs to poll.'),
    ...destinationKeys(mode, 'Destination of every source that has none of its own.'),
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
    ha: haSchema(mode).describe(
      'Several instances on one registry in S3, one active and the others ready to take over (`--track`): `true`, or a timing. Each instance ships the files of its own node.',
    ),
    dead_letter: z
      .union([
        strictObject({ path: z.string().min(1).describe('Folder.') }),
        strictObject({
          bucket: z.string().min(1).describe('Bucket.'),
          prefix: z.string().default('').describe('Prefix of every key.'),
        }),
      ])
      .optional()
      .describe('Where refused events are kept; the prefix beside the registry by default. Needed without `--track`.'),
    shutdown_timeout_ms: duration(mode, { min: 3000, max: 115_000 })
      .prefault(10_000)
      .describe('How long a stop may take. The last 2 s belong to the final save.'),
  }).superRefine((config, context) => {
    const sources = allSources(config);
    const report = (path: PropertyKey[], message: string) =>
      context.addIssue({ code: 'custom', path, input: undefined, message });
    const checkDestinations = ({ destination, destinations = [] }: Destinations, path: readonly PropertyKey[]) => {
      const at = [...path, 'destinations'];
      if (destination && destinations.length > 0) report(at, 'there is a destination too: move it into destinations');
      const names = destinations.map(destinationName);
      const twice = names.find((name, i) => names.indexOf(name) !== i);
      if (twice !== undefined) report(at, `two destinations are named "${twice}": give them names of their own`);
      if (new Set(destinations.map(includesId)).size > 1) {
        report(at, 'a record is the same for all destinations: include_id must be false for all of them, or for none');
      }
    };
    checkDestinations(config, []);
    if (sources.length === 0) report([], 'there is no source: add log_files, docker_containers or api_sources');
    const seen = new Set<string>();
    for (const { source, path, name } of sources) {
      checkDestinations(source, path);
      if (destinationsOf(source, config).length === 0) {
        report([...path, 'destination'], 'no destination: give the source one, or set the top-level destination');
      }
      if (seen.has(name)) report([...path, 'name'], `two sources are named "${name}": names must be unique`);
      seen.add(name);
    }
  });
}

/** Where the events of a source go, or those of every source that does not tell. */
interface Destinations {
  readonly destination?: DestinationConfig | undefined;
  readonly destinations?: readonly DestinationConfig[] | undefined;
}

/** The destinations of a source: its own, else those of the config. */
export function destinationsOf(source: Destinations, config: Destinations): readonly DestinationConfig[] {
  const told = (of: Destinations) => of.destinations ?? (of.destination ? [of.destination] : undefined);
  return told(source) ?? told(config) ?? [];
}

/** Every source of a config, with its place in it and its name. */
export function allSources<
  File extends { readonly name?: string | undefined; readonly path: string },
  Docker extends Parameters<typeof dockerSourceName>[0],
  Api extends { readonly name: string },
>(config: {
  readonly log_files: readonly File[];
  readonly docker_containers: readonly Docker[];
  readonly api_sources: readonly Api[];
}): { readonly source: File | Docker | Api; readonly path: readonly [string, number]; readonly name: string }[] {
  return [
    ...config.log_files.map((source, i) => ({
      source,
      path: ['log_files', i] as const,
      name: source.name ?? source.path,
    })),
    ...config.docker_containers.map((source, i) => ({
      source,
      path: ['docker_containers', i] as const,
      name: dockerSourceName(source),
    })),
    ...config.api_sources.map((source, i) => ({ source, path: ['api_sources', i] as const, name: source.name })),
  ];
}

/** A config as a person writes it: defaults left out, durations and sizes as numbers or text. */
export type FlickerConfigInput = z.input<ReturnType<typeof flickerConfigSchema>>;
/** A parsed config: defaults filled in, durations in milliseconds, sizes in bytes. */
export type FlickerConfig = z.output<ReturnType<typeof flickerConfigSchema>>;
export type LogFileConfig = FlickerConfig['log_files'][number];
export type DockerSourceConfig = FlickerConfig['docker_containers'][number];
export type ApiSourceConfig = FlickerConfig['api_sources'][number];
export type DestinationConfig = z.output<ReturnType<typeof destinationSchema>>;
export type MaskingConfig = NonNullable<LogFileConfig['masking']>;
export type RetryConfig = FlickerConfig['retry'];
export type DeadLetterConfig = NonNullable<FlickerConfig['dead_letter']>;
