import { z } from 'zod';
import { nearest, type SettingsMode } from '../../settings';
import { cloudWatchLogsDestination } from './cloudwatch-logs';
import { fileDestination } from './file';
import { firehoseDestination } from './firehose';
import { httpDestination } from './http';
import { kinesisDestination } from './kinesis';
import { s3Destination } from './s3';
import { sqsDestination } from './sqs';
import { stdoutDestination } from './stdout';

export { parseStreamArn } from './kinesis';
export { isFifoQueue, parseQueueUrl } from './sqs';

/** Destination types that this version knows by name and does not deliver to yet. */
const planned = ['syslog', 'elasticsearch', 'opensearch', 'loki', 'otlp', 'splunk_hec', 'datadog'];
const available = ['http', 's3', 'file', 'stdout', 'cloudwatch_logs', 'kinesis', 'firehose', 'sqs'];

/** Where a source's events go. */
export function destinationSchema(mode: SettingsMode) {
  return z.discriminatedUnion(
    'type',
    [
      httpDestination(mode),
      s3Destination(mode),
      fileDestination(),
      stdoutDestination(),
      cloudWatchLogsDestination(mode),
      kinesisDestination(mode),
      firehoseDestination(mode),
      sqsDestination(mode),
    ],
    { error: (issue) => (issue.code === 'invalid_union' ? unknownType(issue.input) : undefined) },
  );
}

function unknownType(input: unknown): string | undefined {
  const type = typeof input === 'object' && input !== null && 'type' in input ? input.type : undefined;
  if (typeof type !== 'string') return `expected a destination with a type: ${available.join(', ')}`;
  if (planned.includes(type)) {
    return `destination type "${type}" is not available in this version; available: ${available.join(', ')}`;
  }
  const near = nearest(type, available);
  return `unknown destination type "${type}"${near ? `, did you mean "${near}"?` : `; available: ${available.join(', ')}`}`;
}
