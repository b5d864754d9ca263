import {
  deadLetterLocation,
  flickerEvents,
  flickerProcessSchema,
  flickerSettings,
  parseSettings,
  readFlickerEnvironment,
  SettingsError,
  strictObject,
  type DeadLetterConfig,
  type FlickerConfig,
} from '../../../contract';
import { readAwsSettings } from '../../core/aws';
import { awsClients, type AwsClients } from '../../core/aws-clients';
import { errorText } from '../../core/errors';
import { createLogger, type Logger } from '../../core/log';
import { OperatorError } from '../../registry/operate';
import { CommandError, type Call } from '../commands/command';
import { loadConfig } from '../run';
import { parseLetter, type Letter } from './letter';
import { createLetterStore, type LetterStore, type StoredLetter } from './letter-store';

/** Options that every command for dead letters has. */
export interface DlqFlags {
  readonly config?: string;
  readonly registryFile?: string;
  readonly json?: boolean;
  readonly source?: string;
}

/** What the commands work with. */
export interface DlqDesk {
  readonly config: FlickerConfig;
  readonly location: DeadLetterConfig;
  readonly store: LetterStore;
  readonly aws: AwsClients;
  readonly log: Logger;
}

const registryLocation = strictObject({ registryFile: flickerProcessSchema.shape.registryFile });

/**
 * @param whole every variable of the config must be set
 * @throws SettingsError, CommandError when nothing tells where dead letters are
 */
export async function openDesk(flags: DlqFlags, call: Call, whole: boolean): Promise<DlqDesk> {
  const told = readFlickerEnvironment(call.env);
  const { config } = await loadConfig(
    { ...told, ...(flags.config !== undefined && { configFile: flags.config }) },
    call.env,
    !whole,
  );
  const registry = flags.registryFile ?? told.registryFile;
  if (registry !== undefined) parseSettings(registryLocation, { registryFile: registry }, 'bad usage');
  const location = deadLetterLocation(config, registry);
  if (!location) {
    throw new CommandError(
      `nothing tells where dead letters are: the config has no dead_letter; name the registry by --registry-file ` +
        `[${flickerSettings.registryFile.env}]`,
    );
  }
  const write = (line: string) => void process.stderr.write(line);
  const log = createLogger({ level: call.debug ? 'debug' : 'warn', format: 'text', write });
  const aws = awsClients(readAwsSettings(call.env), log, told.registryRegion);
  return {
    config,
    location,
    store: createLetterStore(location, config.dead_letter ? aws.s3 : aws.registryS3),
    aws,
    log,
  };
}

/** Turns what the store or a destination says into words for people. @throws CommandError, SettingsError */
export async function explained<T>({ store }: DlqDesk, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CommandError || error instanceof SettingsError) throw error;
    if (error instanceof OperatorError) throw new CommandError(error.message, { cause: error });
    throw new CommandError(`the dead letters in ${store.location}: ${errorText(error)}`, { cause: error });
  }
}

/** A letter by its name. @throws CommandError when it is not there, or cannot be read */
export async function readLetter({ store }: DlqDesk, name: string): Promise<Letter> {
  const bytes = await store.read(name);
  if (!bytes) throw new CommandError(`there is no "${name}" in ${store.location}; "dlq list" tells the names`);
  try {
    return parseLetter(bytes);
  } catch (error) {
    throw new CommandError(`${name} in ${store.location} is no file of dead letters`, { cause: error });
  }
}

export interface ListedLetter extends StoredLetter {
  readonly letter: Letter;
}

/** Letters with what is in them, newest first: all, or those of one source. What is no letter is told of and left out. */
export async function listLetters(desk: DlqDesk, source: string | undefined, limit: number): Promise<ListedLetter[]> {
  const found: ListedLetter[] = [];
  for (const stored of await desk.store.list()) {
    if (found.length >= limit) break;
    try {
      const letter = await readLetter(desk, stored.name);
      if (source === undefined || letter.source === source) found.push({ ...stored, letter });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      desk.log.error(flickerEvents.failed, `left out: ${error.message}`);
    }
  }
  return found;
}
