import type { Choice, Preset, PresetAuth } from './preset';
import { settingsOf } from './source';
import { fill, namesIn, type Values } from './template';
import { presets, type PresetSourceConfig } from './index';

/** The preset of a source. */
export function presetOf({ preset: name }: PresetSourceConfig): Preset {
  const preset = presets.find((one) => one.name === name);
  if (!preset) throw new Error(`there is no preset "${name}"`);
  return preset;
}

/** The settings of a source, for templates. */
export function valuesOf(config: PresetSourceConfig): Values {
  const values: [string, string | number][] = [];
  for (const [key, value] of Object.entries(config)) {
    if (typeof value === 'string' || typeof value === 'number') values.push([key, value]);
  }
  return Object.fromEntries(values);
}

/** The value that a preset has for these settings. */
export function choose<T extends string | number>(choice: Choice<T>, values: Values): T {
  if (typeof choice !== 'object') return choice;
  return choice.values[String(values[choice.setting])] ?? choice.otherwise;
}

/** The URL of the API: the source's own, else that of the preset. */
export function endpointOf(config: PresetSourceConfig): string {
  const values = valuesOf(config);
  const found = [presetOf(config).endpoint]
    .flat()
    .map((template) => fill(template, values, encodeURIComponent))
    .find((url) => url !== undefined);
  const url = config.endpoint ?? found;
  if (url === undefined) throw new Error(`the preset "${config.preset}" of ${config.name} lacks settings for its URL`);
  return url;
}

/** How the source authenticates: the first way whose settings are all given. */
export function authOf(config: PresetSourceConfig): PresetAuth {
  const values = valuesOf(config);
  const way = presetOf(config).auth.find((one) => settingsOf(one).every((name) => values[name] !== undefined));
  if (!way) throw new Error(`the preset "${config.preset}" of ${config.name} lacks settings to authenticate`);
  return way;
}

/** The URL that gives access tokens; undefined when there is none. */
export function tokenUrlOf(config: PresetSourceConfig): string | undefined {
  const auth = authOf(config);
  if (auth.type === 'headers' || auth.type === 'basic') return undefined;
  const template =
    auth.type === 'google_service_account' ? (auth.tokenUrl ?? 'https://oauth2.googleapis.com/token') : auth.tokenUrl;
  const url = config.token_url ?? fill(template, valuesOf(config), encodeURIComponent);
  return url === undefined ? undefined : new URL(url, endpointOf(config)).href;
}

/** Names in a template of a request that flicker fills in. */
export const requestNames: readonly string[] = ['from', 'to', 'cursor', 'size'];

/** Whether a preset can ask for a time range that ends in the past. */
export function hasUpperBound({ first }: Pick<Preset, 'first'>): boolean {
  return namesIn(JSON.stringify(first)).includes('to');
}
