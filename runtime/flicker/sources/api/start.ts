import { SettingsError } from '../../../../contract/settings';
import type { FlickerState } from '../../state';
import { present, restarted } from './entries';
import { apiPosition, type ApiPosition } from './position';
import type { ApiSpec } from './spec';
import { EDGE_MS } from './windows';

/**
 * Where a source goes on: at its saved position, at that of a version 1 registry, or where `start_from` says.
 * @throws SettingsError when what is saved cannot be read
 */
export function startPosition(spec: ApiSpec, state: FlickerState, now: number): ApiPosition {
  const saved = state.sources[spec.name]?.position;
  if (saved && Object.keys(saved).length > 0) {
    const parsed = apiPosition.safeParse(saved);
    if (!parsed.success) throw unreadable(spec.name);
    const { walk } = parsed.data;
    return walk === undefined || walk.of === spec.of ? parsed.data : restarted(spec, parsed.data);
  }
  const legacy = state.legacy?.api_sources[spec.name];
  if (legacy) {
    const time = Date.parse(legacy.last_timestamp);
    if (Number.isNaN(time)) throw unreadable(spec.name);
    const cursor =
      spec.paging.by === 'cursor' && spec.preset === undefined && legacy.cursor ? legacy.cursor : undefined;
    const walk = cursor === undefined ? undefined : { of: spec.of, at: cursor, newest: null };
    return present({ watermark: time, floor: time, walk });
  }
  const time = startTime(spec, now);
  return { watermark: time, floor: time };
}

function startTime({ startFrom, retentionMs }: ApiSpec, now: number): number | null {
  if (startFrom === 'now') return now;
  const kept = retentionMs === undefined ? null : now - retentionMs + EDGE_MS;
  return startFrom === 'beginning' ? kept : Math.max(0, Date.parse(startFrom), kept ?? 0);
}

function unreadable(name: string): SettingsError {
  return new SettingsError('the registry cannot be used', [
    `the saved position of the source "${name}" cannot be read: restore an older version of the registry, or rename the source to start it anew`,
  ]);
}
