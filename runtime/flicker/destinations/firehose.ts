import type { FirehoseClient } from '@aws-sdk/client-firehose';
import type { DestinationConfig } from '../../../contract/flicker';
import type { Destination } from '../destination';
import { settledBy } from './aws-chunks';
import { answerOfFailure, awsFailure, limited } from './aws-request';
import { sendChunks, type Item } from './chunks';

type Config = Extract<DestinationConfig, { type: 'firehose' }>;

const SERVICE = 'Firehose';
const limits = { count: 500, bytes: 4 * 1024 ** 2, each: 1000 * 1024 };
const NEWLINE = Buffer.from('\n');

/** Puts each record into a Firehose stream, with a newline: Firehose itself puts nothing between them. */
export async function createFirehoseDestination(config: Config, client: FirehoseClient): Promise<Destination> {
  const { PutRecordBatchCommand } = await import('@aws-sdk/client-firehose');
  const { delivery_stream: stream } = config;
  const hint = `check that the stream ${stream} is there and that the role may put records into it`;
  return {
    label: `firehose ${stream}`,
    layout: 'lines',
    send({ records }, signal) {
      const items = Array.from({ length: records.count }, (_, index): Item => {
        return { index, bytes: records.record(index).length + 1 };
      });
      return sendChunks(SERVICE, items, limits, { parallel: 1 }, async (chunk) => {
        const command = new PutRecordBatchCommand({
          DeliveryStreamName: stream,
          Records: chunk.map(({ index }) => ({ Data: Buffer.concat([records.record(index), NEWLINE]) })),
        });
        try {
          const { RequestResponses = [] } = await limited(signal, (options) => client.send(command, options));
          return settledBy(SERVICE, chunk, RequestResponses);
        } catch (error) {
          signal.throwIfAborted();
          return answerOfFailure(awsFailure(error, SERVICE), hint);
        }
      });
    },
    close: () => Promise.resolve(),
  };
}
