import type { FlickerConfig } from './config';
import { presetOf } from './presets/resolve';

/** What a valid config does not promise, in words for people: shown by `--validate` and at the start. */
export function warningsOf({ api_sources }: Pick<FlickerConfig, 'api_sources'>): string[] {
  return api_sources.flatMap((source) =>
    source.preset !== undefined && presetOf(source).experimental
      ? [
          `the preset "${source.preset}" of ${source.name} is experimental: it was made from documentation, and nobody has run it ` +
            'against the vendor yet; compare counts before you rely on it',
        ]
      : [],
  );
}
