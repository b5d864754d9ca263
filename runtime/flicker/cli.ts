import { Command, CommanderError, Option } from 'commander';
import { version } from '../../package.json';
import {
  flickerCallFlags,
  flickerExit,
  flickerProcessSchema,
  flickerSettings,
  parseSettings,
  readFlickerEnvironment,
  SettingsError,
  type FlickerProcessSettings,
} from '../../contract';
import { createLogger } from '../core/log';
import { parseConfig, readConfigFile, type LoadedConfig } from './config';
import { runFlicker, StartError } from './instance';

interface CallFlags {
  readonly validate: boolean;
  readonly dryRun: boolean;
  readonly once: boolean;
  readonly allowUnset: boolean;
  readonly allowReset: boolean;
  readonly debug: boolean;
}

type FlagTexts = Partial<Record<keyof typeof flickerSettings, string | boolean>> & Partial<CallFlags>;

const DEFAULT_CONFIG = 'flicker.yaml';

/** Runs the command line; the result is the exit code. */
export async function run(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let flags: FlagTexts = {};
  try {
    await program((parsed) => (flags = parsed)).parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? flickerExit.ok : flickerExit.usage;
    throw error;
  }
  const call: CallFlags = {
    validate: flags.validate ?? false,
    dryRun: flags.dryRun ?? false,
    once: flags.once ?? false,
    allowUnset: flags.allowUnset ?? false,
    allowReset: flags.allowReset ?? false,
    debug: flags.debug ?? false,
  };
  try {
    return await start(flags, call, env);
  } catch (error) {
    if (error instanceof SettingsError) return complain(error, call.debug, flickerExit.usage);
    if (error instanceof StartError) return complain(error, call.debug, flickerExit.failed);
    throw error;
  }
}

function program(onFlags: (flags: FlagTexts) => void): Command {
  const command = new Command('flicker')
    .description('Ships log files and audit APIs; keeps its positions in one S3 object and no state in its container.')
    .version(version, '--version')
    .allowExcessArguments(false)
    .exitOverride()
    .showSuggestionAfterError()
    .action(({ config, ...flags }: FlagTexts) =>
      onFlags({ ...flags, ...(config !== undefined && { configFile: config }) }),
    );
  for (const { flag, describe, env } of Object.values(flickerSettings)) {
    if (flag) command.addOption(new Option(flag, `${describe} [${env}]`));
  }
  for (const { flag, describe } of Object.values(flickerCallFlags)) {
    command.addOption(new Option(flag, describe));
  }
  command.addHelpText(
    'after',
    `
Commands:
  health                     ask the running flicker whether it is live; for container health checks

Exit codes: ${flickerExit.ok} fine, ${flickerExit.failed} failed, ${flickerExit.usage} bad usage or config, ${flickerExit.fenced} fenced by a new owner.

Examples:
  flicker -c config.yaml --validate
  flicker -c config.yaml --track --registry-file s3://bucket/flicker/prod/okta-registry.json`,
  );
  return command;
}

async function start(flags: FlagTexts, call: CallFlags, env: NodeJS.ProcessEnv): Promise<number> {
  if (call.allowUnset && !call.validate) {
    throw new SettingsError('bad usage', ['--allow-unset only goes with --validate']);
  }
  const told = { ...readFlickerEnvironment(env), ...flags };
  const settings = processSettings(told);
  const loaded = await load(told, env, call.allowUnset);
  if (call.validate) return report(loaded);
  const format = settings.logFormat === 'auto' ? (process.stdout.isTTY ? 'text' : 'json') : settings.logFormat;
  // What --dry-run prints is the events: log lines go to standard error then.
  const write = call.dryRun || printsEvents(loaded) ? (line: string) => void process.stderr.write(line) : undefined;
  const log = createLogger({ level: call.debug ? 'debug' : settings.logLevel, format, ...(write && { write }) });
  return runFlicker({ settings, loaded, env, log, version, ...call });
}

function printsEvents({ config }: LoadedConfig): boolean {
  return [...config.log_files, ...config.api_sources].some(
    (source) => (source.destination ?? config.destination)?.type === 'stdout',
  );
}

function processSettings(told: FlagTexts): FlickerProcessSettings {
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

async function load(told: FlagTexts, env: NodeJS.ProcessEnv, allowUnset: boolean): Promise<LoadedConfig> {
  const text =
    told.configFile === undefined && typeof told.config === 'string'
      ? { origin: flickerSettings.config.env, text: told.config }
      : await readConfigFile(typeof told.configFile === 'string' ? told.configFile : DEFAULT_CONFIG);
  return parseConfig(text, env, allowUnset);
}

function report({ config, unset }: LoadedConfig): number {
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  process.stdout.write(
    `config is valid: ${count(config.log_files.length, 'log file source')}, ${count(config.api_sources.length, 'API source')}\n`,
  );
  if (unset.length > 0) process.stdout.write(`not set here: ${unset.join(', ')}\n`);
  return flickerExit.ok;
}

function complain(error: Error, debug: boolean, code: number): number {
  process.stderr.write(`flicker: ${debug && error.stack ? error.stack : error.message}\n`);
  return code;
}
