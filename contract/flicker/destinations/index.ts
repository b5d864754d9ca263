import { z } from 'zod';
import { nearest, type SettingsMode } from '../../settings';
import { cloudWatchLogsDestination } from './cloudwatch-logs';
import { datadogDestination } from './datadog';
import { elasticsearchDestination } from './elasticsearch';
import type { delivery } from './common';
import { fileDestination } from './file';
import { firehoseDestination } from './firehose';
import { httpDestination } from './http';
import { kinesisDestination } from './kinesis';
import { lokiDestination } from './loki';
import { otlpDestination } from './otlp';
import { s3Destination } from './s3';
import { splunkHecDestination } from './splunk-hec';
import { sqsDestination } from './sqs';
import { stdoutDestination } from './stdout';
import { syslogDestination } from './syslog';

export { parseStreamArn } from './kinesis';
export type { TlsSettings } from './common';
export { isFifoQueue, parseQueueUrl } from './sqs';
export { syslogPort } from './syslog';

const available = [
  'http',
  'syslog',
  'elasticsearch',
  'opensearch',
  's3',
  'file',
  'stdout',
  'loki',
  'otlp',
  'cloudwatch_logs',
  'splunk_hec',
  'datadog',
  'kinesis',
  'firehose',
  'sqs',
];

const schemas = new Map<SettingsMode, ReturnType<typeof makeSchema>>();

/** Where a source's events go. One schema for all the places of a config: every preset has some. */
export function destinationSchema(mode: SettingsMode): ReturnType<typeof makeSchema> {
  const schema = schemas.get(mode) ?? makeSchema(mode);
  schemas.set(mode, schema);
  return schema;
}

function makeSchema(mode: SettingsMode) {
  return z.discriminatedUnion(
    'type',
    [
      httpDestination(mode),
      s3Destination(mode),
      fileDestination(mode),
      stdoutDestination(mode),
      cloudWatchLogsDestination(mode),
      kinesisDestination(mode),
      firehoseDestination(mode),
      sqsDestination(mode),
      syslogDestination(mode),
      elasticsearchDestination(mode),
      lokiDestination(mode),
      otlpDestination(mode),
      splunkHecDestination(mode),
      datadogDestination(mode),
    ],
    { error: (issue) => (issue.code === 'invalid_union' ? unknownType(issue.input) : undefined) },
  );
}

/** One destination, or several. */
export function destinationKeys(mode: SettingsMode, what: string) {
  const schema = destinationSchema(mode);
  return {
    destination: schema.optional().describe(what),
    destinations: z
      .array(schema)
      .min(1)
      .optional()
      .describe('Several of them, instead of `destination`: every event goes to each.'),
  };
}

/** How long a destination that is not required may take for a batch before the batch is spilled, unless it is told. */
const OPTIONAL_SPILL_AFTER_MS = 10_000;

type Delivery = { readonly type: string } & z.output<z.ZodObject<ReturnType<typeof delivery>>>;

/** Name of a destination within its source. */
export const destinationName = ({ name, type }: Pick<Delivery, 'name' | 'type'>): string => name ?? type;

/** How long a destination may take for a batch before it is spilled; undefined: the source waits. */
export function spillAfterMs({ required, spill_after_ms }: Omit<Delivery, 'type'>): number | undefined {
  return spill_after_ms ?? (required ? undefined : OPTIONAL_SPILL_AFTER_MS);
}

/** Whether the records of a destination carry their ids. Those that give records a shape of their own always do. */
export function includesId(to: object): boolean {
  return !('include_id' in to) || to.include_id === true;
}

function unknownType(input: unknown): string | undefined {
  const type = typeof input === 'object' && input !== null && 'type' in input ? input.type : undefined;
  if (typeof type !== 'string') return `expected a destination with a type: ${available.join(', ')}`;
  const near = nearest(type, available);
  return `unknown destination type "${type}"${near ? `, did you mean "${near}"?` : `; available: ${available.join(', ')}`}`;
}
