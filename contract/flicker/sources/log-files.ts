import { z } from 'zod';
import { strictObject, type SettingsMode } from '../../settings';
import { commonKeys } from './common';

/**
 * A line of more than `bytes` bytes is shipped in parts of that many. Each part but the last ends with `continues`, each
 * but the first begins with `continued`.
 */
export const longLines = { bytes: 1024 ** 2, continues: '…[continues]', continued: '[continued]…' } as const;

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
    ...commonKeys(mode, 1000),
  });
}
