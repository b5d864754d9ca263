import type { z } from 'zod';
import type { SettingsMode } from '../../settings';
import type { commonKeys } from '../sources/common';
import { atlassian } from './atlassian';
import { auth0 } from './auth0';
import { cloudflare, cloudflareV1 } from './cloudflare';
import { dropbox } from './dropbox';
import { github } from './github';
import { googleWorkspace } from './google-workspace';
import { launchdarkly } from './launchdarkly';
import { okta } from './okta';
import { onepassword } from './onepassword';
import { pagerduty } from './pagerduty';
import { salesforce } from './salesforce';
import { slack } from './slack';
import { stripe } from './stripe';
import { terraformCloud } from './terraform-cloud';
import { tines } from './tines';
import { twilio } from './twilio';
import { zendesk } from './zendesk';
import { zoom } from './zoom';
import type { Preset } from './preset';
import { presetSourceSchema } from './source';

export * from './preset';
export { settingsOf } from './source';
export { fill, namesIn, type Values } from './template';

const list = [
  okta,
  github,
  slack,
  auth0,
  googleWorkspace,
  cloudflare,
  cloudflareV1,
  onepassword,
  atlassian,
  pagerduty,
  zoom,
  terraformCloud,
  launchdarkly,
  tines,
  dropbox,
  stripe,
  twilio,
  zendesk,
  salesforce,
] as const;

/** Every preset. One more: a file here, its name in this list, and a page in docs/presets. */
export const presets: readonly Preset[] = list;

type SchemasOf<List extends readonly Preset[]> = {
  -readonly [I in keyof List]: ReturnType<typeof presetSourceSchema<List[I]>>;
};
type Schemas = SchemasOf<typeof list>;

/** The schemas of the sources with a preset, in the order of the list. */
export function presetSourceSchemas(mode: SettingsMode, common: ReturnType<typeof commonKeys>): Schemas {
  return list.map((preset) => presetSourceSchema(preset, mode, common)) as Schemas;
}

/** One of them, parsed. */
export type PresetSourceConfig = z.output<Schemas[number]>;
