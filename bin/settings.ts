import { readFileSync } from 'node:fs';
import type { FlickerConfigInput } from '../contract';
import type { LogVolume } from '../lib';

/** A container beside the shipper that writes log files. */
export interface WriterSettings {
  readonly image: string;
  readonly command: readonly string[];
}

export interface AppSettings {
  readonly stage: string;
  readonly config: FlickerConfigInput;
  /** Secrets Manager names by variable. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  readonly logVolumes: readonly LogVolume[];
  readonly writer?: WriterSettings;
  readonly monitor: boolean;
  readonly nat: boolean;
}

/**
 * The app's context, as `-c name=value` or from cdk.json:
 * - `stage`: stage of stacks and registry. Default `prod`.
 * - `config`: path of a flicker config in JSON. Default: the audit log of an example API, shipped to `archive`.
 * - `archive`: bucket of the default config. Default `company-archive`.
 * - `secrets`: `{"VARIABLE": "name of a Secrets Manager secret"}`. Default: `OKTA_API_TOKEN` for the default config.
 * - `environment`: `{"VARIABLE": "value"}`.
 * - `logVolume`: folder that the task shares for log files, such as `/var/log/app`.
 * - `writer`: `{"image": "…", "command": ["…"]}`: a container that writes there.
 * - `monitor`: `true` adds alarms and a dashboard.
 * - `nat`: `false` runs the task in public subnets, with a public address that accepts nothing, and saves the NAT gateway.
 *
 * @throws Error that names the context value at fault
 */
export function readSettings(context: (name: string) => unknown): AppSettings {
  const text = (name: string): string | undefined => {
    const value = context(name);
    if (value === undefined || typeof value === 'string') return value;
    throw new Error(`context "${name}": expected text, got ${JSON.stringify(value)}`);
  };
  const flag = (name: string, otherwise: boolean): boolean => {
    const value = String(context(name) ?? otherwise);
    if (value === 'true' || value === 'false') return value === 'true';
    throw new Error(`context "${name}": expected true or false, got ${value}`);
  };
  const config = text('config');
  const logVolume = text('logVolume');
  const secrets = jsonOf('secrets', context('secrets'));
  const environment = jsonOf('environment', context('environment'));
  const writer = jsonOf('writer', context('writer'));
  return {
    stage: text('stage') ?? 'prod',
    config: config === undefined ? exampleConfig(text('archive') ?? 'company-archive') : readJson(config),
    secrets: secrets ? texts('secrets', secrets) : config === undefined ? { OKTA_API_TOKEN: 'flicker/okta-token' } : {},
    environment: environment ? texts('environment', environment) : {},
    logVolumes: logVolume === undefined ? [] : [{ name: 'logs', containerPath: logVolume }],
    writer: writer && writerOf(writer),
    monitor: flag('monitor', false),
    nat: flag('nat', true),
  };
}

function exampleConfig(bucket: string): FlickerConfigInput {
  return {
    api_sources: [
      {
        name: 'okta-audit-logs',
        endpoint: 'https://company.okta.com/api/v1/logs',
        polling_frequency_ms: 30_000,
        results_field: '',
        timestamp_field: 'published',
        id_field: 'uuid',
        time_filter_param: 'since',
        headers: { Authorization: 'SSWS ${OKTA_API_TOKEN}' },
        pagination: { pagination_type: 'link' },
        destination: { type: 's3', bucket, prefix: 'okta/' },
      },
    ],
  };
}

function readJson(path: string): FlickerConfigInput {
  try {
    // The construct checks it against the schema.
    const config: FlickerConfigInput = JSON.parse(readFileSync(path, 'utf8'));
    return config;
  } catch (error) {
    throw new Error(`context "config": cannot read ${path} as JSON`, { cause: error });
  }
}

function jsonOf(name: string, value: unknown): object | undefined {
  if (value === undefined) return undefined;
  const parsed: unknown = typeof value === 'string' ? parseJson(name, value) : value;
  if (typeof parsed === 'object' && parsed !== null) return parsed;
  throw new Error(`context "${name}": expected a JSON object, got ${JSON.stringify(value)}`);
}

function parseJson(name: string, value: string): unknown {
  try {
    return JSON.parse(value);
  } catch (error) {
    throw new Error(`context "${name}": expected a JSON object, got ${value}`, { cause: error });
  }
}

function texts(name: string, value: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]): [string, string] => {
      if (typeof item === 'string') return [key, item];
      throw new Error(`context "${name}": expected text for ${key}, got ${JSON.stringify(item)}`);
    }),
  );
}

function writerOf(value: object): WriterSettings {
  const image: unknown = 'image' in value ? value.image : undefined;
  const command: unknown = 'command' in value ? value.command : [];
  if (typeof image !== 'string' || !Array.isArray(command)) {
    throw new Error('context "writer": expected {"image": "…", "command": ["…"]}');
  }
  return { image, command: command.map(String) };
}
