import { z } from 'zod';
import { strictObject } from '../../settings';
import { includeId } from './common';

/** Standard output. */
export function stdoutDestination() {
  return strictObject({ type: z.literal('stdout'), include_id: includeId() });
}
