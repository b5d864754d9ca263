import { createHash } from 'node:crypto';
import type { BatchResultErrorEntry, SQSClient } from '@aws-sdk/client-sqs';
import { isFifoQueue, type DestinationConfig } from '../../../contract/flicker';
import type { Destination } from '../destination';
import { sendChunks, type ChunkAnswer, type Item } from './chunks';
import { answerOfFailure, awsFailure, isThrottling, limited } from './aws-request';
import { decode } from './record';

type Config = Extract<DestinationConfig, { type: 'sqs' }>;

const SERVICE = 'SQS';
const limits = { count: 10, bytes: 1024 ** 2, each: 1024 ** 2 };
/** Requests under way at a time; those of a FIFO queue go one after the other. */
const PARALLEL = 8;

/** Sends each record as one message. In a FIFO queue a source is a message group, and ids make repeats harmless for 5 minutes. */
export async function createSqsDestination(config: Config, client: SQSClient): Promise<Destination> {
  const { SendMessageBatchCommand } = await import('@aws-sdk/client-sqs');
  const { queue_url: QueueUrl } = config;
  const fifo = isFifoQueue(QueueUrl);
  const hint = 'check that the queue is there and that the role may send messages to it';
  return {
    label: `sqs ${QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1)}`,
    layout: 'lines',
    send({ source, records }, signal) {
      const bodies = Array.from({ length: records.count }, (_, index) => messageBody(records.record(index)));
      const items = bodies.map((body, index): Item => ({ index, bytes: Buffer.byteLength(body) }));
      const entry = (index: number) => ({
        Id: String(index),
        MessageBody: bodies[index],
        ...(fifo && {
          MessageGroupId: shortName(source),
          MessageDeduplicationId: shortName(decode(records, index).id ?? bodies[index] ?? ''),
        }),
      });
      return sendChunks(SERVICE, items, limits, { parallel: fifo ? 1 : PARALLEL }, async (chunk) => {
        const command = new SendMessageBatchCommand({ QueueUrl, Entries: chunk.map(({ index }) => entry(index)) });
        try {
          const { Failed = [] } = await limited(signal, (options) => client.send(command, options));
          return settled(Failed);
        } catch (error) {
          signal.throwIfAborted();
          const failure = awsFailure(error, SERVICE);
          if (failure.code.includes('BatchRequestTooLong')) return { kind: 'too-large', reason: failure.reason };
          return answerOfFailure(failure, hint);
        }
      });
    },
    close: () => Promise.resolve(),
  };
}

/** JSON with escapes for the two characters that SQS takes in no message; JSON escapes all others. */
function messageBody(record: Buffer): string {
  return record.toString().replace(/[\uFFFE\uFFFF]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16)}`);
}

/** A name of at most 128 letters, digits and signs: the text itself, or its hash. */
function shortName(text: string): string {
  return /^[!-~]{1,128}$/.test(text) ? text : createHash('sha256').update(text).digest('hex');
}

/** What became of the messages of a request: those that are the sender's fault are refused, unless they came too fast. */
function settled(failed: readonly BatchResultErrorEntry[]): ChunkAnswer {
  const [lasting, passing] = [
    failed.filter(({ SenderFault, Code }) => SenderFault && !isThrottling(Code ?? '')),
    failed.filter(({ SenderFault, Code }) => !SenderFault || isThrottling(Code ?? '')),
  ];
  return {
    kind: 'settled',
    refused: lasting.map(({ Id, Code }) => ({ index: Number(Id), reason: `${SERVICE} answered ${Code}` })),
    retry: passing.map(({ Id }) => Number(Id)),
    reason: `${SERVICE} answered ${passing[0]?.Code} for ${passing.length} messages`,
    uncertain: passing.some(({ Code }) => !isThrottling(Code ?? '')),
  };
}
