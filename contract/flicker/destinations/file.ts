import { z } from 'zod';
import { strictObject, type SettingsMode } from '../../settings';
import { delivery, includeId } from './common';

/** A file that grows. */
export function fileDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('file'),
    path: z.string().min(1).describe('File that records are appended to, one JSON object a line.'),
    include_id: includeId(),
    ...delivery(mode),
  });
}
