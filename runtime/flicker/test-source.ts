import {
  destinationsOf,
  flickerConfig,
  flickerExit,
  includesId,
  nearest,
  readFlickerEnvironment,
  SettingsError,
  type ApiSourceConfig,
} from '../../contract';
import { readAwsSettings } from '../core/aws';
import { awsClients } from '../core/aws-clients';
import { systemClock } from '../core/clock';
import { createLogger } from '../core/log';
import { BatchBuilder } from './batch';
import { CommandError, type Call } from './commands/command';
import { createFlickerMetrics } from './metrics';
import { loadConfig } from './run';
import { SourceError } from './source';
import { createApiSource } from './sources/api';
import { readState, type FlickerState } from './state';
import { registryStore, storedState } from './stores';

export interface TestSourceFlags {
  readonly config?: string;
  readonly registryFile?: string;
  readonly startFrom?: string;
  readonly events: string;
}

/** Most of a page that is looked at. */
const MOST = { events: 10_000, bytes: 32 * 1024 ** 2 } as const;
const DAY_MS = 86_400_000;

/**
 * Reads one page of an API source and prints its events, as they would be shipped, and the position after them. The registry
 * is read at most; nothing is sent.
 * @returns the exit code
 * @throws SettingsError when there is no such source, CommandError when it cannot be read
 */
export async function testSource(name: string, flags: TestSourceFlags, env: Call['env']): Promise<number> {
  const most = Number(flags.events);
  if (!Number.isInteger(most) || most < 0) {
    throw new SettingsError('bad usage', [`--events ${flags.events}: expected a whole number`]);
  }
  const told = { ...readFlickerEnvironment(env), ...(flags.config !== undefined && { configFile: flags.config }) };
  const { config } = await loadConfig(told, env, false);
  const source = config.api_sources.find((one) => one.name === name);
  if (!source) throw noSource(name, config.api_sources);
  const log = createLogger({ level: 'warn', format: 'text', write: (line) => void process.stderr.write(line) });
  const aws = awsClients(readAwsSettings(env), log, told.registryRegion);
  const signal = new AbortController().signal;
  const state = flags.registryFile === undefined ? readState({}) : await saved(flags.registryFile);

  async function saved(location: string): Promise<FlickerState> {
    const store = await registryStore(location, systemClock, aws.registryS3);
    return storedState(store, systemClock, signal).catch((error: unknown) => {
      throw new CommandError(error instanceof Error ? error.message : String(error), { cause: error });
    });
  }

  const api = createApiSource(
    { ...source, start_from: startFrom(flags.startFrom) },
    {
      clock: systemClock,
      log,
      metrics: createFlickerMetrics().metrics,
      nodeId: '',
      includeId: destinationsOf(source, config).every(includesId),
    },
  );
  const builder = new BatchBuilder(MOST.events, MOST.bytes);
  try {
    const change = await api.start(state, signal);
    await api.fill(builder, signal);
    const { records, after } = builder.take();
    const shown = Math.min(records.count, most);
    const lines = Array.from({ length: shown }, (_, i) => `${records.record(i).toString()}\n`);
    const position = after.position ?? change.position ?? state.sources[name]?.position ?? {};
    process.stdout.write(
      `${name}: ${records.count} events on this page${shown < records.count ? `, the first ${shown}` : ''}\n` +
        `${lines.join('')}the position that would be saved:\n${JSON.stringify(position, null, 2)}\n`,
    );
    return flickerExit.ok;
  } catch (error) {
    if (error instanceof SourceError) throw new CommandError(`${name}: ${error.message}`, { cause: error });
    throw error;
  } finally {
    await api.close();
  }
}

/** A time, or as a config writes it. @throws SettingsError when it is neither */
function startFrom(told: string | undefined): ApiSourceConfig['start_from'] {
  if (told === undefined) return new Date(Date.now() - DAY_MS).toISOString();
  const source = { name: 'a', endpoint: 'http://a', results_field: '', timestamp_field: 't', start_from: told };
  const config = { api_sources: [source], destination: { type: 'stdout' } };
  if (flickerConfig('final').safeParse(config).success) return told;
  throw new SettingsError('bad usage', [`--start-from ${told}: expected beginning, now, or an RFC 3339 time`]);
}

function noSource(name: string, sources: readonly ApiSourceConfig[]): SettingsError {
  const names = sources.map((source) => source.name);
  const near = nearest(name, names);
  const hint = near ? `did you mean "${near}"?` : names.length > 0 ? `there are: ${names.join(', ')}` : 'there is none';
  return new SettingsError('bad usage', [`there is no API source "${name}": ${hint}`]);
}
