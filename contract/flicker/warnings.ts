import { allSources, destinationsOf, type FlickerConfig } from './config';
import { presetOf } from './presets/resolve';

/** What a valid config does not promise, in words for people: shown by `--validate` and at the start. */
export function warningsOf(config: FlickerConfig): string[] {
  return [...experimentalPresets(config), ...unacknowledged(config)];
}

function unacknowledged(config: FlickerConfig): string[] {
  return allSources(config).flatMap(({ source, name }) =>
    destinationsOf(source, config).flatMap((to) =>
      to.type === 'syslog'
        ? [
            `syslog (${to.protocol}) cannot acknowledge: events of ${name} count as delivered when they are written to the ` +
              'socket, and are lost when the receiver or the network loses them then',
          ]
        : [],
    ),
  );
}

function experimentalPresets({ api_sources }: Pick<FlickerConfig, 'api_sources'>): string[] {
  return api_sources.flatMap((source) =>
    source.preset !== undefined && presetOf(source).experimental
      ? [
          `the preset "${source.preset}" of ${source.name} is experimental: it was made from documentation, and nobody has run it ` +
            'against the vendor yet; compare counts before you rely on it',
        ]
      : [],
  );
}
