import type { AwsCall } from '../program';
import { layoutOfKey, registryCalls, registryHaCalls, registryPrefixCalls } from '../registry';
import { allSources, destinationsOf, type DestinationConfig, type FlickerConfig } from './config';
import { spillAfterMs } from './destinations';

/** An object in S3 as `s3://bucket/key`. */
export interface S3Location {
  readonly bucket: string;
  readonly key: string;
}

/** Reads `s3://bucket/key`; anything else is a local path and gives undefined. @throws Error when it is s3:// but incomplete */
export function parseS3Location(location: string): S3Location | undefined {
  if (!location.startsWith('s3://')) return undefined;
  const match = /^s3:\/\/([^/]+)\/(.+)$/.exec(location);
  if (!match?.[1] || !match[2]) throw new Error(`"${location}" is no registry location: expected s3://bucket/key`);
  return { bucket: match[1], key: match[2] };
}

/** Where refused events go: what the config says, else the prefix beside the registry. */
export function deadLetterLocation(
  config: Pick<FlickerConfig, 'dead_letter'>,
  registry: string | undefined,
): { readonly bucket: string; readonly prefix: string } | { readonly path: string } | undefined {
  const told = config.dead_letter;
  if (told && 'path' in told) return told;
  if (told)
    return { bucket: told.bucket, prefix: told.prefix && !told.prefix.endsWith('/') ? `${told.prefix}/` : told.prefix };
  if (registry === undefined) return undefined;
  const s3 = parseS3Location(registry);
  if (!s3) return { path: `${layoutOfKey(registry).prefix}dlq` };
  return { bucket: s3.bucket, prefix: `${layoutOfKey(s3.key).prefix}dlq/` };
}

/** The destinations that the sources of a config use. */
export function usedDestinations(config: FlickerConfig): DestinationConfig[] {
  return allSources(config).flatMap(({ source }) => destinationsOf(source, config));
}

/** The S3 destinations of a config, each place once. */
export function s3Destinations(config: FlickerConfig): { bucket: string; prefix: string }[] {
  return distinct(
    usedDestinations(config).flatMap((to) => (to.type === 's3' ? [{ bucket: to.bucket, prefix: to.prefix }] : [])),
  );
}

function distinct<T>(all: readonly T[]): T[] {
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];
}

/** The calls of a destination that AWS keeps, other than S3. */
function sinkCalls(to: DestinationConfig): AwsCall[] {
  switch (to.type) {
    case 'cloudwatch_logs': {
      const resource = { type: 'log-group', name: to.log_group, region: to.region } as const;
      return [
        { operation: 'PutLogEvents', action: 'logs:PutLogEvents', resource, why: 'writes log events' },
        {
          operation: 'CreateLogStream',
          action: 'logs:CreateLogStream',
          resource,
          why: 'creates the log stream when it is missing',
        },
      ];
    }
    case 'kinesis':
      return [
        {
          operation: 'PutRecords',
          action: 'kinesis:PutRecords',
          resource: { type: 'kinesis-stream', stream: to.stream, region: to.region },
          why: 'writes records of a data stream',
        },
      ];
    case 'firehose':
      return [
        {
          operation: 'PutRecordBatch',
          action: 'firehose:PutRecordBatch',
          resource: { type: 'firehose-stream', name: to.delivery_stream, region: to.region },
          why: 'writes records of a Firehose stream',
        },
      ];
    case 'sqs':
      return [
        {
          operation: 'SendMessageBatch',
          action: 'sqs:SendMessage',
          resource: { type: 'sqs-queue', url: to.queue_url },
          why: 'sends messages',
        },
      ];
    default:
      return [];
  }
}

/** Where batches are kept that a destination did not take in time. Undefined: there is no registry to list them. */
export function spillLocation(
  registry: string | undefined,
): { readonly bucket: string; readonly prefix: string } | { readonly path: string } | undefined {
  if (registry === undefined) return undefined;
  const s3 = parseS3Location(registry);
  if (!s3) return { path: `${layoutOfKey(registry).prefix}spill` };
  return { bucket: s3.bucket, prefix: `${layoutOfKey(s3.key).prefix}spill/` };
}

/** The calls for batches that are spilled, beside those below the prefix of the registry. */
function spillCalls(bucket: string, prefix: string): AwsCall[] {
  const objects = { type: 's3-object', bucket, key: `${prefix}*` } as const;
  return [
    { operation: 'GetObject', action: 's3:GetObject', resource: objects, why: 'reads a spilled batch' },
    {
      operation: 'DeleteObject',
      action: 's3:DeleteObject',
      resource: objects,
      why: 'deletes a spilled batch that was delivered',
    },
    {
      operation: 'ListObjectsV2',
      action: 's3:ListBucket',
      resource: { type: 's3-list', bucket, prefix: `${prefix}*` },
      why: 'tells a spilled batch that was deleted from one that may not be read',
    },
  ];
}

/**
 * Every call that flicker makes to AWS with these settings. `registry` is its location when `--track` is on; `ha`: whether
 * it is one of several instances.
 */
export function flickerCalls(config: FlickerConfig, registry: string | undefined, ha = config.ha !== false): AwsCall[] {
  const calls: AwsCall[] = [];
  const own = registry === undefined ? undefined : parseS3Location(registry);
  if (own) {
    const layout = layoutOfKey(own.key);
    calls.push(...registryCalls(own.bucket, layout), ...registryPrefixCalls(own.bucket, layout));
    if (ha) calls.push(...registryHaCalls(own.bucket, layout));
  }
  const spill = spillLocation(registry);
  if (spill && 'bucket' in spill && usedDestinations(config).some((to) => spillAfterMs(to) !== undefined)) {
    calls.push(...spillCalls(spill.bucket, spill.prefix));
  }
  const dead = deadLetterLocation(config, registry);
  if (dead && 'bucket' in dead && config.dead_letter) {
    calls.push({
      operation: 'PutObject',
      action: 's3:PutObject',
      resource: { type: 's3-object', bucket: dead.bucket, key: `${dead.prefix}*` },
      why: 'writes dead letters',
    });
  }
  for (const { bucket, prefix } of s3Destinations(config)) {
    const objects = { type: 's3-object', bucket, key: `${prefix}*` } as const;
    calls.push(
      { operation: 'PutObject', action: 's3:PutObject', resource: objects, why: 'writes a numbered object' },
      {
        operation: 'HeadObject',
        action: 's3:GetObject',
        resource: objects,
        why: 'finds the objects written since the last save',
      },
      {
        operation: 'GetObject',
        action: 's3:GetObject',
        resource: objects,
        why: 'reads a position too long for object metadata',
      },
      {
        operation: 'ListObjectsV2',
        action: 's3:ListBucket',
        resource: { type: 's3-list', bucket, prefix: `${prefix}*` },
        why: 'tells an object that does not exist yet from one that may not be read',
      },
    );
  }
  return [...calls, ...distinct(usedDestinations(config).flatMap(sinkCalls))];
}
