import type { S3Client } from '@aws-sdk/client-s3';
import { hostname } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { version } from '../../../package.json';
import {
  clusterKey,
  flickerSettings,
  layoutOfKey,
  parseS3Location,
  probeKey,
  SettingsError,
  spillLocation,
} from '../../../contract';
import { awsClients } from '../../core/aws-clients';
import { readAwsSettings } from '../../core/aws';
import { systemClock } from '../../core/clock';
import { errorText } from '../../core/errors';
import { createLogger } from '../../core/log';
import { RegistryError } from '../../registry/errors';
import type { RegistryDocument } from '../../registry/format';
import { OperatorError, type Desk } from '../../registry/operate';
import { createS3History, type History } from '../../registry/s3-history';
import { createS3Store } from '../../registry/s3-store';
import { testStore, type SelfTest } from '../../registry/self-test';
import type { ObjectStore } from '../../registry/store';
import { createSpillStore, type SpillStore } from '../delivery/spill-store';
import { readState, type FlickerState } from '../state';
import { isGoogle, registryStore } from '../stores';
import { CommandError, type Call } from './command';

/** What the registry commands work with. */
export interface Desktop extends Desk {
  readonly store: ObjectStore;
  /** @throws OperatorError where the store keeps none */
  history(): Promise<History>;
  /** Batches that were spilled beside the registry. */
  readonly spill: SpillStore;
  /** Tries whether the store honours conditions, on an object of its own; undefined where there is nothing to try. */
  readonly tryStore: (() => Promise<SelfTest>) | undefined;
  readonly json: boolean;
  readonly signal: AbortSignal;
  print(text: string): void;
  /** Asks before something is written. @throws SettingsError without a terminal, OperatorError when the answer is no */
  confirm(question: string): Promise<void>;
  /** Runs a command and turns what it could not do into an error for people. @throws CommandError */
  explained<T>(work: () => Promise<T>): Promise<T>;
}

export interface DesktopOptions {
  readonly call: Call;
  readonly region: string | undefined;
  readonly json: boolean;
  readonly yes: boolean;
}

export async function openDesktop(location: string, options: DesktopOptions): Promise<Desktop> {
  const { call, region, json, yes } = options;
  const write = (line: string) => void process.stderr.write(line);
  const log = createLogger({ level: call.debug ? 'debug' : 'silent', format: 'text', write });
  const settings = readAwsSettings(call.env);
  const aws = awsClients(settings, log);
  const s3 = () => aws.s3(region ?? (call.env[flickerSettings.registryRegion.env] || undefined));
  const place = parseS3Location(location);
  const cluster = place && `s3://${place.bucket}/${clusterKey(place.key)}`;
  const refuseGoogle = () => {
    throw new OperatorError(
      'registries on Google Cloud Storage cannot be edited here: it honours no If-Match on writes, so that an edit could ' +
        'undo what an instance saves at the same moment. Stop the instance, export, change the file, and upload it there',
    );
  };
  const asked = yes
    ? () => Promise.resolve()
    : (question: string) => confirmed(question, process.stdin, process.stderr);
  return {
    clock: systemClock,
    host: hostname(),
    writerVersion: version,
    signal: new AbortController().signal,
    store: await registryStore(location, systemClock, s3),
    history: async () => {
      if (place) return createS3History(await s3(), place.bucket, layoutOfKey(place.key).key, systemClock);
      throw new OperatorError(
        `${location} is a local file, and those have no history; only a versioned bucket keeps one`,
      );
    },
    spill: explainedSpill(spillBeside([location, ...(cluster && cluster !== location ? [cluster] : [])], s3), location),
    tryStore:
      place &&
      (async () => {
        const layout = layoutOfKey(probeKey(layoutOfKey(clusterKey(place.key))));
        return testStore(await createS3Store({ client: await s3(), bucket: place.bucket, layout }), systemClock);
      }),
    json,
    print: (text) => void process.stdout.write(text),
    confirm: place && isGoogle(settings.endpoint) ? refuseGoogle : asked,
    explained: async (work) => {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof RegistryError || error instanceof OperatorError)) throw error;
        throw new CommandError(error.message, { cause: error });
      }
    },
  };
}

/**
 * What is spilled beside a registry. What that of a node lists is beside that of its cluster; as the key alone does not tell
 * for sure which of them it is, there is more than one place.
 */
function spillBeside(registries: readonly string[], s3: () => Promise<S3Client>): SpillStore {
  const stores = registries.flatMap((registry) => {
    const beside = spillLocation(registry);
    return beside ? [createSpillStore(beside, s3)] : [];
  });
  const each = async (work: (store: SpillStore) => Promise<void>) => void (await Promise.all(stores.map(work)));
  return {
    put: (key, lines, signal) => each((store) => store.put(key, lines, signal)),
    get: async (key, signal) => {
      for (const store of stores) {
        const lines = await store.get(key, signal);
        if (lines) return lines;
      }
      return undefined;
    },
    remove: (key, signal) => each((store) => store.remove(key, signal)),
  };
}

/** What goes wrong with a batch is told to people. @throws OperatorError */
function explainedSpill(store: SpillStore, location: string): SpillStore {
  const explained = async <T>(key: string, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw new OperatorError(`the spilled batch ${key} beside ${location} is out of reach: ${errorText(error)}`);
    }
  };
  return {
    put: (key, lines, signal) => explained(key, store.put(key, lines, signal)),
    get: (key, signal) => explained(key, store.get(key, signal)),
    remove: (key, signal) => explained(key, store.remove(key, signal)),
  };
}

/** @throws SettingsError without a terminal, OperatorError when the answer is not yes */
export async function confirmed(
  question: string,
  input: NodeJS.ReadableStream & { readonly isTTY?: boolean },
  output: NodeJS.WritableStream,
): Promise<void> {
  if (!input.isTTY) {
    throw new SettingsError('nothing was written', ['there is no terminal to ask on: say --yes']);
  }
  const asking = createInterface({ input, output });
  try {
    const answer = await asking.question(`${question} [y/N] `);
    if (!/^\s*y(es)?\s*$/i.test(answer)) throw new OperatorError('nothing was written');
  } finally {
    asking.close();
  }
}

/** The positions in a registry. @throws OperatorError when they cannot be read */
export function stateOf({ state }: RegistryDocument, location: string): FlickerState {
  try {
    return readState(state);
  } catch (error) {
    throw new OperatorError(
      `the registry ${location} has positions that cannot be read: ${error instanceof Error ? error.message : String(error)}; ` +
        'see "registry fsck", or go back to a version before by "registry rewind"',
    );
  }
}
