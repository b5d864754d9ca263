import type { AnyApiConfig } from '../../../../contract/flicker';
import { SettingsError } from '../../../../contract/settings';
import type { FlickerState } from '../../state';
import { keyOf } from './fields';
import { present } from './entries';
import { apiPosition, type ApiPosition } from './position';

/** Names the pages of a config: a saved page of another endpoint, or of another way to page, means nothing. */
export function pagesOf({ endpoint, pagination }: AnyApiConfig): string {
  return keyOf(JSON.stringify([endpoint, pagination?.pagination_type]));
}

/**
 * Where a source goes on: at its saved position, at that of a version 1 registry, or where `start_from` says.
 * @throws SettingsError when what is saved cannot be read
 */
export function startPosition(config: AnyApiConfig, state: FlickerState, now: number): ApiPosition {
  const saved = state.sources[config.name]?.position;
  if (saved && Object.keys(saved).length > 0) {
    const parsed = apiPosition.safeParse(saved);
    if (!parsed.success) throw unreadable(config.name);
    const { walk, ...position } = parsed.data;
    return walk?.of === pagesOf(config) ? parsed.data : position;
  }
  const legacy = state.legacy?.api_sources[config.name];
  if (legacy) {
    const time = Date.parse(legacy.last_timestamp);
    if (Number.isNaN(time)) throw unreadable(config.name);
    const cursor = config.pagination?.pagination_type === 'cursor' && legacy.cursor ? legacy.cursor : undefined;
    const walk = cursor === undefined ? undefined : { of: pagesOf(config), at: cursor, newest: null };
    return present({ watermark: time, floor: time, walk });
  }
  if (config.start_from === 'beginning') return { watermark: null, floor: null };
  const time = config.start_from === 'now' ? now : Math.max(0, Date.parse(config.start_from));
  return { watermark: time, floor: time };
}

function unreadable(name: string): SettingsError {
  return new SettingsError('the registry cannot be used', [
    `the saved position of the source "${name}" cannot be read: restore an older version of the registry, or rename the source to start it anew`,
  ]);
}
