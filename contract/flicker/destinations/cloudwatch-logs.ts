import { z } from 'zod';
import { strictObject, text, type SettingsMode } from '../../settings';
import { awsRegion, delivery, includeId } from './common';

/** Log events of CloudWatch Logs. */
export function cloudWatchLogsDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('cloudwatch_logs'),
    log_group: text(
      mode,
      (value) => /^[A-Za-z0-9_./#-]{1,512}$/.test(value),
      'the name of a log group: at most 512 letters, digits and _ - / . #',
    ).describe('Name of the log group. It must exist.'),
    log_stream: text(
      mode,
      (value) => /^[^:*]{1,512}$/.test(value),
      'the name of a log stream: at most 512 characters without ":" and "*"',
    )
      .optional()
      .describe('Name of the log stream, `<source>/<node id>` by default. It is created when it is missing.'),
    region: awsRegion('the log group'),
    include_id: includeId(),
    ...delivery(mode),
  });
}
