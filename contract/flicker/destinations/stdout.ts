import { z } from 'zod';
import { strictObject, type SettingsMode } from '../../settings';
import { delivery, includeId } from './common';

/** Standard output. */
export function stdoutDestination(mode: SettingsMode) {
  return strictObject({ type: z.literal('stdout'), include_id: includeId(), ...delivery(mode) });
}
