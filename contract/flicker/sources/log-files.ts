import { z } from 'zod';
import { strictObject, type SettingsMode } from '../../settings';
import { commonKeys } from './common';
import { multilineSchema } from './multiline';

/** One `log_files` entry: files that a glob names. */
export function logFileSchema(mode: SettingsMode) {
  return strictObject({
    path: z.string().min(1).describe('File or glob. Rotated files are followed by device and inode.'),
    name: z.string().optional().describe('Name in metrics, logs and object keys; the path by default.'),
    start_at: z
      .enum(['end', 'beginning'])
      .default('end')
      .describe(
        'Where to start in a file that is there at the very first start. Later files are read from their beginning.',
      ),
    shared: z
      .boolean()
      .default(false)
      .describe(
        'The files are on storage that every instance sees, such as EFS: with `ha` only the holder of the lease ships them.',
      ),
    format: z
      .enum(['plain', 'cri'])
      .default('plain')
      .describe(
        'How lines are written: `plain`, or `cri` for the container log files of a Kubernetes node (`/var/log/pods/*/*/*.log`).',
      ),
    multiline: multilineSchema(mode).optional().describe('Joins lines to events; each line is one by default.'),
    ...commonKeys(mode, 1000),
  });
}
