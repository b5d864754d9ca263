import { z } from 'zod';
import { strictObject, text, type SettingsMode } from '../../settings';
import { delivery, includeId } from './common';

/** Numbered objects in a bucket. */
export function s3Destination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('s3'),
    bucket: text(
      mode,
      (value) => /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(value),
      'a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens',
    ).describe('Bucket of the archive.'),
    prefix: z
      .string()
      .default('')
      .transform((prefix) => (prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`))
      .describe('Prefix of every key; a trailing `/` is added. Objects are `<prefix><source>/<number>.jsonl`.'),
    region: z.string().optional().describe("Region of the bucket; the program's own by default."),
    compression: z.boolean().default(false).describe('Compress objects with gzip (`.jsonl.gz`).'),
    include_id: includeId(),
    ...delivery(mode),
  });
}
