import { z } from 'zod';
import { duration, httpUrl, strictObject, type SettingsMode } from '../../settings';
import { apiKeys } from '../sources/api-keys';
import type { commonKeys } from '../sources/common';
import type { Preset, PresetAuth } from './preset';
import { namesIn } from './template';

/** One `api_sources` entry with a preset. `common`: the keys of every source. */
export function presetSourceSchema<P extends Preset>(
  preset: P,
  mode: SettingsMode,
  common: ReturnType<typeof commonKeys>,
) {
  const settings: ReturnType<P['settings']> = preset.settings(mode) as ReturnType<P['settings']>;
  const name: P['name'] = preset.name;
  return strictObject({
    ...settings,
    ...apiKeys(mode),
    preset: z.literal(name).describe(`${preset.title}.`),
    endpoint: httpUrl(mode)
      .optional()
      .describe("URL of the request, when it is not the vendor's usual one: of a private instance, say."),
    token_url: httpUrl(mode)
      .optional()
      .describe("URL that gives access tokens, when it is not the vendor's usual one."),
    page_size: z.int().min(1).max(preset.pageSize.max).default(preset.pageSize.default).describe('Entries on a page.'),
    overlap_ms: duration(mode).optional().describe('How late an entry may come.'),
    lag_ms: duration(mode).optional().describe('How long entries are left alone, because some come late.'),
    window_ms: duration(mode, { min: 60_000 }).optional().describe('Longest time range that is asked for at once.'),
    ...common,
    polling_frequency_ms: duration(mode, { min: 10 }).prefault(preset.pollMs).describe('How often the API is asked.'),
  }).superRefine((source, context) => {
    const given: Readonly<Record<string, unknown>> = source;
    const report = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], input: undefined, message });
    const oneOf = (choices: readonly (readonly string[])[], key: string) => {
      const met = choices.filter((names) => names.every((name) => given[name] !== undefined));
      const all = choices.map(list).join(', or ');
      if (met.length === 0) report(choices[0]?.[0] ?? key, `preset "${preset.name}" needs ${all}`);
      if (met.length > 1) report(met[1]?.[0] ?? key, `preset "${preset.name}" needs either ${all}: remove the others`);
    };
    oneOf(preset.auth.map(settingsOf), 'preset');
    if (given['endpoint'] === undefined) oneOf([preset.endpoint].flat().map(namesIn), 'endpoint');
    for (const key of ['lag_ms', 'window_ms']) {
      if (preset.mode.kind !== 'window' && given[key] !== undefined) {
        report(key, `preset "${preset.name}" reads entries as they come and has no windows: remove ${key}`);
      }
    }
  });
}

/** Settings that a way to authenticate cannot do without. */
export function settingsOf(auth: PresetAuth): string[] {
  switch (auth.type) {
    case 'headers':
      return unique(Object.values(auth.headers).flatMap(namesIn));
    case 'basic':
      return unique([auth.username, auth.password].flatMap(namesIn));
    case 'client_credentials':
      return unique(
        [auth.tokenUrl, auth.clientId, auth.clientSecret, ...Object.values(auth.params ?? {})].flatMap(namesIn),
      );
    case 'private_key_jwt':
      return unique(
        [auth.tokenUrl, auth.clientId, auth.privateKey, ...Object.values(auth.params ?? {})].flatMap(namesIn),
      );
    case 'google_service_account':
      return unique([auth.key, auth.subject].flatMap(namesIn));
  }
}

const unique = (names: readonly string[]): string[] => [...new Set(names)];
const list = (names: readonly string[]): string => names.join(' and ');
