import { z } from 'zod';
import { strictObject, text, type SettingsMode } from '../../settings';
import { awsRegion, delivery, includeId } from './common';

const KINESIS_ARN = /^arn:[a-z-]+:kinesis:([a-z0-9-]+):(\d{12}):stream\/([A-Za-z0-9_.-]{1,128})$/;

/** A stream's parts when it is told by its ARN. */
export function parseStreamArn(stream: string): { region: string; account: string; name: string } | undefined {
  const [, region, account, name] = KINESIS_ARN.exec(stream) ?? [];
  return region !== undefined && account !== undefined && name !== undefined ? { region, account, name } : undefined;
}

/** Records of a Kinesis data stream. */
export function kinesisDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('kinesis'),
    stream: text(
      mode,
      (value) => /^[A-Za-z0-9_.-]{1,128}$/.test(value) || KINESIS_ARN.test(value),
      'the name or the ARN of a Kinesis data stream',
    ).describe('Name of the data stream; its ARN when it is in another account.'),
    partition_key: z
      .enum(['record', 'path', 'source'])
      .default('record')
      .describe(
        'What decides the shard. `record` spreads events evenly, `path` keeps those of one file together, `source` all of a source.',
      ),
    region: awsRegion('the stream'),
    include_id: includeId(),
    ...delivery(mode),
  });
}
