import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseDocument } from 'yaml';
import {
  allSources,
  expandReferences,
  flickerConfig,
  parseSettings,
  SettingsError,
  type FlickerConfig,
  type SettingsMode,
} from '../../contract';
import { errorCode, errorText } from '../core/errors';
import { createGrouping, createTransform } from './filters';

export interface LoadedConfig {
  readonly config: FlickerConfig;
  /** Hash of the config as it is written, before variables are filled in: it holds no secret. */
  readonly hash: string;
  /** Variables that are not set, when that was allowed. */
  readonly unset: readonly string[];
}

export interface ConfigText {
  /** Where the text is from, for messages. */
  readonly origin: string;
  readonly text: string;
}

/** @throws SettingsError when the file cannot be read */
export async function readConfigFile(path: string): Promise<ConfigText> {
  try {
    return { origin: path, text: await readFile(path, 'utf8') };
  } catch (error) {
    const reason = errorCode(error) === 'ENOENT' ? 'there is no such file' : String(error);
    throw new SettingsError(`cannot read the config ${path}`, [`${reason}; name it with --config`]);
  }
}

/**
 * Parses a config text (YAML or JSON), fills in variables and checks every key.
 * @throws SettingsError naming each key that is wrong
 */
export function parseConfig(
  { origin, text }: ConfigText,
  env: Readonly<Record<string, string | undefined>>,
  allowUnset: boolean,
): LoadedConfig {
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0) {
    throw new SettingsError(
      `the config ${origin} is not YAML`,
      document.errors.map(
        ({ pos, message }) => `line ${text.slice(0, pos[0]).split('\n').length}: ${withoutText(message)}`,
      ),
    );
  }
  const written = valueOf(document, origin);
  const { value, unset, malformed } = expandReferences(written, env);
  const problems = [
    ...(allowUnset
      ? []
      : unset.map(
          ({ key, name }) => `${key}: the variable ${name} is not set; set it, or give a default: \${${name}:-…}`,
        )),
    ...malformed.map(
      (key) =>
        `${key}: "\${" begins a variable and must be \${NAME} or \${NAME:-default}; write "$\${" for the text itself`,
    ),
  ];
  if (problems.length > 0) throw new SettingsError(`the config ${origin} cannot be filled in`, problems);
  const mode: SettingsMode = allowUnset && unset.length > 0 ? 'template' : 'final';
  const config = parseSettings(flickerConfig(mode), value, `the config ${origin} is not valid`);
  checkPatterns(config, origin);
  return {
    config,
    hash: createHash('sha256').update(JSON.stringify(written)).digest('hex').slice(0, 16),
    unset: [...new Set(unset.map(({ name }) => name))],
  };
}

/** What the parser says quotes the text after a colon: it may be a secret. */
function withoutText(message: string): string {
  return message.replace(/: .*/s, '');
}

function valueOf(document: ReturnType<typeof parseDocument>, origin: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    throw new SettingsError(`the config ${origin} is not YAML`, [
      `${withoutText(errorText(error))}; a text that begins with * must be quoted`,
    ]);
  }
}

function checkPatterns(config: FlickerConfig, origin: string): void {
  const problems = allSources(config).flatMap(({ source, path: [list, i] }) => {
    try {
      createTransform(source);
      if ('multiline' in source) createGrouping(source.multiline);
      return [];
    } catch (error) {
      if (error instanceof SettingsError) return error.problems.map((problem) => `${list}[${i}].${problem}`);
      throw error;
    }
  });
  if (problems.length > 0) throw new SettingsError(`the config ${origin} is not valid`, problems);
}
