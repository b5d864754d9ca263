import { version } from '../../package.json';
import {
  flickerEvents,
  flickerExit,
  flickerProcessSchema,
  flickerSettings,
  parseSettings,
  readFlickerEnvironment,
  SettingsError,
  usedDestinations,
  warningsOf,
  type flickerCallFlags,
  type FlickerProcessSettings,
} from '../../contract';
import { createLogger } from '../core/log';
import { CommandError, type Call } from './commands/command';
import { parseConfig, readConfigFile, type LoadedConfig } from './config';
import { runFlicker, StartError } from './instance';

/** What the command line says: texts of settings, and flags of this call. */
export type RunFlags = Partial<Record<keyof typeof flickerSettings, string | boolean>> &
  Partial<Record<keyof typeof flickerCallFlags, boolean>>;

const DEFAULT_CONFIG = 'flicker.yaml';

/**
 * Runs flicker, or looks at its config (`--validate`); the result is the exit code.
 * @throws SettingsError, CommandError
 */
export async function start(flags: RunFlags, env: Call['env']): Promise<number> {
  const { validate, dryRun, once, allowUnset, allowReset, debug, ...settingsFlags } = flags;
  if (allowUnset && !validate) throw new SettingsError('bad usage', ['--allow-unset only goes with --validate']);
  const told = { ...readFlickerEnvironment(env), ...settingsFlags };
  const settings = processSettings(told);
  const loaded = await loadConfig(told, env, allowUnset ?? false);
  if (validate) return report(loaded);
  const format = settings.logFormat === 'auto' ? (process.stdout.isTTY ? 'text' : 'json') : settings.logFormat;
  // What --dry-run prints is the events: log lines go to standard error then.
  const write = dryRun || printsEvents(loaded) ? (line: string) => void process.stderr.write(line) : undefined;
  const log = createLogger({ level: debug ? 'debug' : settings.logLevel, format, ...(write && { write }) });
  for (const warning of warningsOf(loaded.config)) log.warn(flickerEvents.configWarning, warning);
  const call = { once: once ?? false, dryRun: dryRun ?? false, allowReset: allowReset ?? false };
  try {
    return await runFlicker({ settings, loaded, env, log, version, ...call });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    const failure = new CommandError(error.message, { cause: error });
    // Where it came from, for --debug.
    if (error.stack !== undefined) failure.stack = error.stack;
    throw failure;
  }
}

function printsEvents({ config }: LoadedConfig): boolean {
  return usedDestinations(config).some(({ type }) => type === 'stdout');
}

function processSettings(told: RunFlags): FlickerProcessSettings {
  const keys = Object.keys(flickerProcessSchema.shape);
  const own = Object.fromEntries(Object.entries(told).filter(([key]) => keys.includes(key)));
  try {
    return parseSettings(flickerProcessSchema, own, 'the settings are not valid');
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const problems = error.problems.map((problem) => problem.replace(/^\w+(?=: )/, nameOf));
    throw new SettingsError('the settings are not valid', problems);
  }
}

/** A setting as people write it. */
function nameOf(key: string): string {
  const [, setting] = Object.entries(flickerSettings).find(([name]) => name === key) ?? [];
  return setting ? `${setting.flag ?? key} [${setting.env}]` : key;
}

/** The config of a call: its file, else the text in the environment. @throws SettingsError */
export async function loadConfig(told: RunFlags, env: Call['env'], allowUnset: boolean): Promise<LoadedConfig> {
  const text =
    told.configFile === undefined && typeof told.config === 'string'
      ? { origin: flickerSettings.config.env, text: told.config }
      : await readConfigFile(typeof told.configFile === 'string' ? told.configFile : DEFAULT_CONFIG);
  return parseConfig(text, env, allowUnset);
}

function report({ config, unset }: LoadedConfig): number {
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const { log_files, docker_containers, api_sources } = config;
  const docker = docker_containers.length > 0 ? `${count(docker_containers.length, 'Docker source')}, ` : '';
  process.stdout.write(
    `config is valid: ${count(log_files.length, 'log file source')}, ${docker}${count(api_sources.length, 'API source')}\n`,
  );
  if (unset.length > 0) process.stdout.write(`not set here: ${unset.join(', ')}\n`);
  for (const warning of warningsOf(config)) process.stdout.write(`warning: ${warning}\n`);
  return flickerExit.ok;
}
