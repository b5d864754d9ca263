import { z } from 'zod';
import { haProfiles, type HaTiming } from '../high-availability';
import { strictObject } from '../settings';
import { flickerConfigSchema, type FlickerConfig, type FlickerConfigInput } from './config';
import type { SettingsMode } from '../settings';

/** Name of the program: of its bundle, its container, and the first part of its keys. */
export const FLICKER = 'flicker';

/** How flicker is started. Each setting is an environment variable, and a flag that wins over it. */
export const flickerSettings = {
  config: {
    env: 'FLICKER_CONFIG',
    flag: undefined,
    describe: 'The config itself, as JSON or YAML text; used when there is no --config.',
  },
  configFile: { env: 'FLICKER_CONFIG_FILE', flag: '-c, --config <file>', describe: 'Config file, YAML or JSON.' },
  track: { env: 'FLICKER_TRACK', flag: '--track', describe: 'Keep positions in the registry.' },
  registryFile: {
    env: 'FLICKER_REGISTRY_FILE',
    flag: '--registry-file <location>',
    describe: 'The registry: s3://bucket/key, or a local file.',
  },
  registryRegion: {
    env: 'FLICKER_REGISTRY_REGION',
    flag: '--registry-region <region>',
    describe: "Region of the registry's bucket, and of what is kept beside it; the program's own by default.",
  },
  clusterId: {
    env: 'FLICKER_CLUSTER_ID',
    flag: '--cluster-id <id>',
    describe:
      'Whose registry it is; start is refused on the registry of another. By default the stored one is adopted.',
  },
  ha: {
    env: 'FLICKER_HA',
    flag: '--ha',
    describe:
      'Stand by when another instance holds the registry, with the timing of the config, or its profile default.',
  },
  nodeId: {
    env: 'FLICKER_NODE_ID',
    flag: '--node-id <id>',
    describe: 'Where the files are: the task id on ECS, else the machine id, by default.',
  },
  port: {
    env: 'FLICKER_PORT',
    flag: '--port <number>',
    describe: 'Port of the status page, /livez, /readyz and /metrics; 0 takes a free one.',
  },
  host: { env: 'FLICKER_HOST', flag: '--host <address>', describe: 'Address that the port is bound to.' },
  logLevel: { env: 'FLICKER_LOG_LEVEL', flag: '--log-level <level>', describe: 'debug, info, warn or error.' },
  logFormat: {
    env: 'FLICKER_LOG_FORMAT',
    flag: '--log-format <format>',
    describe: 'json, text, or auto: text on a terminal, else json.',
  },
} as const;

/** Flags that belong to one call and have no variable. */
export const flickerCallFlags = {
  validate: { flag: '--validate', describe: 'Check the config and exit.' },
  dryRun: { flag: '--dry-run', describe: 'Read and print; send and save nothing.' },
  once: { flag: '--once', describe: 'Ship what is there now, save and exit; 1 when something could not be delivered.' },
  allowUnset: { flag: '--allow-unset', describe: 'With --validate: accept variables that are not set.' },
  allowReset: { flag: '--allow-reset', describe: 'Start over when the registry was deleted.' },
  debug: { flag: '--debug', describe: 'Log at level debug, and print stack traces.' },
} as const;

/** Exit codes of flicker. */
export const flickerExit = { ok: 0, failed: 1, usage: 2, fenced: 3 } as const;

const flagText = z.union([z.boolean(), z.enum(['true', 'false', '1', '0'])], { error: 'expected true or false' });

const isTrue = (value: boolean | string) => value === true || value === 'true' || value === '1';

/** The process settings, from variables and flags (texts) or from code (values). The config is parsed apart. */
export const flickerProcessSchema = strictObject({
  track: flagText.default(false).transform(isTrue),
  registryFile: z
    .string()
    .regex(/^(?!s3:\/\/)|^s3:\/\/[^/]+\/./, { error: 'expected s3://bucket/key or a path' })
    .min(1)
    .default('.flicker-registry.json'),
  registryRegion: z.string().min(1).optional(),
  clusterId: z.string().min(1).optional(),
  ha: flagText.optional().transform((value) => (value === undefined ? undefined : isTrue(value))),
  nodeId: z.string().min(1).optional(),
  port: z.coerce.number().int().min(0).max(65_535).default(8080),
  host: z.string().min(1).default('0.0.0.0'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  logFormat: z.enum(['auto', 'json', 'text']).default('auto'),
});

export type FlickerProcessSettings = z.output<typeof flickerProcessSchema>;

/** Everything that flicker is told. */
export interface FlickerSettings extends FlickerProcessSettings {
  readonly config: FlickerConfig;
}

export interface FlickerSettingsInput extends z.input<typeof flickerProcessSchema> {
  readonly config: FlickerConfigInput;
}

/** The environment variables that carry these settings; `toJson` turns the config into text. */
export function renderFlickerSettings(
  settings: FlickerSettingsInput,
  toJson: (config: FlickerConfigInput) => string = (config) => JSON.stringify(config),
): Record<string, string> {
  const { config, ...process } = settings;
  const rendered = Object.entries(process)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [flickerSettings[key as keyof typeof process].env, String(value)]);
  return { ...Object.fromEntries(rendered), [flickerSettings.config.env]: toJson(config) };
}

/** The settings texts that an environment holds, by setting. */
export function readFlickerEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Partial<Record<keyof typeof flickerSettings, string>> {
  return Object.fromEntries(
    Object.entries(flickerSettings)
      .map(([key, { env: name }]) => [key, env[name]] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  );
}

/** The timing of an instance that is one of several: what the config says, or the default when only the setting asks for it. */
export function effectiveHa(config: Pick<FlickerConfig, 'ha'>, ha: boolean | undefined): HaTiming | false {
  if (ha === undefined) return config.ha;
  return ha && (config.ha || haProfiles.default);
}

const schemas = new Map<SettingsMode, WeakRef<ReturnType<typeof flickerConfigSchema>>>();

/**
 * The schema of the config file in a mode. Made when it is first asked for: a program needs one of the two. Nor is it kept
 * for longer than it is used: a shipper reads its config once, and lives for long.
 */
export function flickerConfig(mode: SettingsMode): ReturnType<typeof flickerConfigSchema> {
  const schema = schemas.get(mode)?.deref() ?? flickerConfigSchema(mode);
  schemas.set(mode, new WeakRef(schema));
  return schema;
}
