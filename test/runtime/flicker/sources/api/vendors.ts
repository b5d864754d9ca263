import type { ApiSourceConfig } from '../../../../../contract/flicker';
import type { VendorOptions } from '../../../../../dev/vendors/frame';
import { cases, parsed, type AnyVendor, type Case, type PresetSourceInput } from '../../presets/vendors';

/** A vendor that runs, and the preset that reads it. */
export interface Subject {
  readonly vendor: AnyVendor;
  readonly ids: () => readonly string[];
  readonly config: ApiSourceConfig;
}

/** Small pages and windows, so that walks have many. */
const small: Readonly<Record<string, object>> = { slack: { window_ms: '10m' }, google_workspace: { window_ms: '1h' } };

const subject =
  ({ name, start }: Case) =>
  async (options: VendorOptions): Promise<Subject> => {
    const { vendor, source, ids } = await start(options);
    return { vendor, ids, config: parsed({ ...source, page_size: 7, ...small[name] } as PresetSourceInput) };
  };

export const subjects = Object.fromEntries(
  cases.filter(({ name, variant }) => !variant || name.startsWith('okta')).map((one) => [one.name, subject(one)]),
);
