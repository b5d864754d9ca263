import { posix } from 'node:path';
import { Token, Tokenization, type Stack } from 'aws-cdk-lib';
import {
  expandReferences,
  flickerConfig,
  listReferences,
  mapStrings,
  parseSettings,
  usedDestinations,
  type DestinationConfig,
  type FlickerConfig,
  type FlickerConfigInput,
} from '../../contract';
import { describeProblem, problem } from '../problem';

/** How large a config may be where it travels, and what to do with a larger one. */
export interface ConfigLimit {
  readonly bytes: number;
  readonly where: string;
  readonly fix: string;
}

/** A task definition as a whole may have 64 KiB. */
const taskDefinition: ConfigLimit = {
  bytes: 32 * 1024,
  where: 'the task definition',
  fix: 'split the sources over several shippers, or put the config file into an image of your own (RuntimeCode.image)',
};

/** Where a config's `${NAME}` come from. */
export interface Variables {
  readonly environment: Readonly<Record<string, string>>;
  /** Names only: the values are known when the container starts. */
  readonly secrets: readonly string[];
}

/**
 * Checks a config as far as it is known at synth: variables of the environment are filled in, those of secrets and CDK
 * tokens stay as they are.
 *
 * @throws SettingsError or Error that names the keys at fault
 */
export function checkConfig(
  where: string,
  input: FlickerConfigInput,
  variables: Variables,
  limit = taskDefinition,
): FlickerConfig {
  const bytes = Buffer.byteLength(JSON.stringify(input));
  if (bytes > limit.bytes) {
    throw problem({
      what: `config of ${where}`,
      got: `${bytes} bytes of JSON`,
      expected: `at most ${limit.bytes}, for it travels in ${limit.where}`,
      fix: limit.fix,
    });
  }
  const expanded = fillIn(where, input, variables);
  const config = parseSettings(flickerConfig('template'), expanded, `the config of ${where} is not valid`);
  if (Number.isNaN(config.shutdown_timeout_ms)) {
    throw problem({
      what: `shutdown_timeout_ms of ${where}`,
      got: 'a value that is known only when the container starts',
      expected: 'a duration known at synth, because the stop timeout of the task follows from it',
      fix: 'write the duration into the config',
    });
  }
  checkPlaces(where, config, expanded);
  return config;
}

/** The config as text for an environment variable; tokens in it are resolved when the stack is deployed. */
export function configText(stack: Stack, input: FlickerConfigInput): string {
  return stack.toJsonString(input);
}

function fillIn(where: string, input: FlickerConfigInput, { environment, secrets }: Variables): unknown {
  const tokens: string[] = [];
  const known = Object.entries(environment).map(([name, value]) => [name, hideTokens(value, tokens)]);
  const later = secrets.map((name) => [name, `\${${name}}`]);
  const hidden = mapStrings(input, '', (text) => hideTokens(text, tokens));
  const { value, unset, malformed } = expandReferences(hidden, Object.fromEntries([...known, ...later]));
  const [missing] = unset;
  if (missing) {
    throw problem({
      what: `config of ${where}: ${missing.key} refers to \${${missing.name}}`,
      got: `no secret and no environment entry of that name`,
      expected: `one of: ${[...secrets, ...Object.keys(environment)].join(', ') || '(there is none)'}`,
      fix: `add ${missing.name} to secrets or environment, or give it a default: \${${missing.name}:-…}`,
    });
  }
  if (malformed.length > 0) {
    throw problem({
      what: `config of ${where}: ${malformed.join(', ')}`,
      got: 'a "${" that starts no reference',
      expected: '${NAME} or ${NAME:-default}',
      fix: 'write "$${" for a literal "${"',
    });
  }
  return mapStrings(value, '', (text) => text.replace(/\0(\d+)\0/g, (_, index: string) => tokens[Number(index)] ?? ''));
}

/** Puts a mark in the place of every CDK token, whose own text looks like a reference. */
function hideTokens(text: string, tokens: string[]): string {
  if (!Token.isUnresolved(text)) return text;
  const hidden = Tokenization.reverseString(text).mapTokens({
    mapToken: (token) => `\0${tokens.push(Token.asString(token)) - 1}\0`,
  });
  return String(hidden.join({ join: (left: unknown, right: unknown) => `${String(left)}${String(right)}` }));
}

/** The names in a destination that permissions are made of. */
function placeOf(to: DestinationConfig): object {
  switch (to.type) {
    case 's3':
      return { bucket: to.bucket, prefix: to.prefix };
    case 'cloudwatch_logs':
      return { log_group: to.log_group, region: to.region };
    case 'kinesis':
      return { stream: to.stream, region: to.region };
    case 'firehose':
      return { delivery_stream: to.delivery_stream, region: to.region };
    case 'sqs':
      return { queue_url: to.queue_url };
    default:
      return {};
  }
}

/** Grants follow from the places that a config names, so these must be known at synth, or be tokens. */
function checkPlaces(where: string, config: FlickerConfig, expanded: unknown): void {
  const dead = config.dead_letter && 'bucket' in config.dead_letter ? [config.dead_letter] : [];
  const places = [...usedDestinations(config).map(placeOf), ...dead];
  const [unknown] = listReferences(places);
  if (unknown) {
    throw problem({
      what: `config of ${where}: the name of a place that events go to`,
      got: `\${${unknown.name}}, which a secret provides`,
      expected: 'a value known at synth or a CDK token, because the permissions of the task follow from it',
      fix: `move ${unknown.name} from secrets to environment, or write it into the config`,
    });
  }
  mapStrings(expanded, '', (text, key) => {
    if (/(^|\.)prefix$/.test(key) && Token.isUnresolved(text) && !text.endsWith('/')) {
      throw problem({
        what: `config of ${where}: ${key}`,
        got: 'a CDK token at the end of a prefix',
        expected: 'a prefix that ends in "/"',
        fix: 'add the "/" after the token',
      });
    }
    return text;
  });
}

/** Folders of a container, and whether it may write there. */
export interface MountedFolder {
  readonly path: string;
  readonly writable: boolean;
  /** Every task sees the same files. */
  readonly shared: boolean;
}

/** What is wrong with the local paths of a config in a container that has only these folders. */
export function pathProblems(where: string, config: FlickerConfig, folders: readonly MountedFolder[]): string[] {
  const within = (path: string, folder: MountedFolder) =>
    `${posix.normalize(path)}/`.startsWith(`${posix.normalize(folder.path)}/`);
  const files = config.log_files
    .filter(({ path }) => !path.includes('${') && !folders.some((folder) => within(path, folder)))
    .map(({ path }) => ({
      what: `log_files of ${where}`,
      got: path,
      expected: `a path in a folder that the task shares: ${folders.map((folder) => folder.path).join(', ') || '(there is none)'}`,
      fix: 'name its folder in logVolumes, and mount it in the container that writes there (shipper.mountLogVolumes)',
    }));
  const unshared = config.log_files
    .filter(({ path, shared }) => shared && folders.some((folder) => !folder.shared && within(path, folder)))
    .map(({ path }) => ({
      what: `shared log_files of ${where}`,
      got: `${path}, in a volume that each task has of its own`,
      expected: 'storage that all tasks share',
      fix: 'give the volume a fileSystem, or leave shared out',
    }));
  const docker = config.docker_containers.map(({ container, labels }) => ({
    what: `docker_containers of ${where}`,
    got: container ?? labels.join(', '),
    expected: 'none: Fargate has no Docker daemon that a task may ask',
    fix: 'let the containers of the task write files: logVolumes, and log_files in them',
  }));
  const all = usedDestinations(config);
  const written = [
    ...all.flatMap((to) => (to.type === 'file' ? [{ key: 'destination file', path: to.path }] : [])),
    ...(config.dead_letter && 'path' in config.dead_letter
      ? [{ key: 'dead_letter', path: config.dead_letter.path }]
      : []),
  ]
    .filter(({ path }) => !path.includes('${') && !folders.some((folder) => folder.writable && within(path, folder)))
    .map(({ key, path }) => ({
      what: `${key} of ${where}`,
      got: path,
      expected: 'a path that can be written and outlives the task, or a bucket',
      fix: 'use S3, or mount a file system there: shipper.container.addMountPoints',
    }));
  return [...files, ...unshared, ...docker, ...written].map(describeProblem);
}
