import { createHash } from 'node:crypto';
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { parseStreamArn, type DestinationConfig } from '../../../contract/flicker';
import type { Records } from '../batch';
import type { Destination } from '../destination';
import { settledBy } from './aws-chunks';
import { answerOfFailure, awsFailure, limited } from './aws-request';
import { sendChunks, type Item } from './chunks';
import { decode } from './record';

type Config = Extract<DestinationConfig, { type: 'kinesis' }>;

const SERVICE = 'Kinesis';
const limits = { count: 500, bytes: 5 * 1024 ** 2, each: 1024 ** 2 };

interface Entry extends Item {
  readonly key: string;
}

/** Puts each record into a data stream. */
export async function createKinesisDestination(config: Config, client: KinesisClient): Promise<Destination> {
  const { PutRecordsCommand } = await import('@aws-sdk/client-kinesis');
  const { stream } = config;
  const target = parseStreamArn(stream) ? { StreamARN: stream } : { StreamName: stream };
  const hint = `check that the stream ${stream} is there and that the role may put records into it`;
  return {
    label: `kinesis ${stream}`,
    layout: 'lines',
    send({ source, records }, signal) {
      const keyOf = partitionKeys(config.partition_key, source, records);
      const entries = Array.from({ length: records.count }, (_, index): Entry => {
        const key = keyOf(index);
        return { index, key, bytes: records.record(index).length + key.length };
      });
      return sendChunks(SERVICE, entries, limits, { parallel: 1 }, async (chunk) => {
        const command = new PutRecordsCommand({
          ...target,
          Records: chunk.map(({ index, key }) => ({ Data: records.record(index), PartitionKey: key })),
        });
        try {
          const { Records: results = [] } = await limited(signal, (options) => client.send(command, options));
          return settledBy(SERVICE, chunk, results);
        } catch (error) {
          signal.throwIfAborted();
          return answerOfFailure(awsFailure(error, SERVICE), hint);
        }
      });
    },
    close: () => Promise.resolve(),
  };
}

/** Keys of 32 characters: what they are made of may be longer than Kinesis allows. */
function partitionKeys(by: Config['partition_key'], source: string, records: Records): (index: number) => string {
  const hash = (of: string | Buffer) => createHash('sha256').update(of).digest('hex').slice(0, 32);
  switch (by) {
    case 'record':
      return (index) => hash(records.record(index));
    case 'path':
      return (index) => hash(decode(records, index).path);
    case 'source': {
      const key = hash(source);
      return () => key;
    }
  }
}
