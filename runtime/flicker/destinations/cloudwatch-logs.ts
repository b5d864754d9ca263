import type { CloudWatchLogsClient, RejectedLogEventsInfo } from '@aws-sdk/client-cloudwatch-logs';
import type { DestinationConfig } from '../../../contract/flicker';
import type { Clock } from '../../core/clock';
import type { Records } from '../batch';
import type { Answer, Destination, Refusal } from '../destination';
import { acceptedBut, sendChunks, type ChunkAnswer, type Item } from './chunks';
import { answerOfFailure, awsFailure, limited } from './aws-request';
import { attemptTimes } from './event-time';
import { decode } from './record';

type Config = Extract<DestinationConfig, { type: 'cloudwatch_logs' }>;

const SERVICE = 'CloudWatch Logs';
/** Bytes that are counted for an event beside its message. */
const EVENT_BYTES = 26;
const limits = { count: 10_000, bytes: 1_048_576, each: 1_048_576 };
/** All events of one request must lie within a day. */
const SPAN_MS = 24 * 3_600_000;

interface Event extends Item {
  readonly timestamp: number;
}

/** Writes records as log events, ordered by their own time, to one stream of a log group. */
export async function createCloudWatchLogsDestination(
  config: Config,
  client: CloudWatchLogsClient,
  nodeId: string,
  clock: Clock,
): Promise<Destination> {
  const { PutLogEventsCommand, CreateLogStreamCommand } = await import('@aws-sdk/client-cloudwatch-logs');
  const logGroupName = config.log_group;
  const timeOf = attemptTimes(clock);
  const hint = `check that the log group ${logGroupName} is there and that the role may put log events and create log streams in it`;

  async function put(chunk: readonly Event[], records: Records, logStreamName: string, signal: AbortSignal) {
    const logEvents = chunk.map(({ index, timestamp }) => ({ timestamp, message: records.record(index).toString() }));
    const command = new PutLogEventsCommand({ logGroupName, logStreamName, logEvents });
    return limited(signal, (options) => client.send(command, options));
  }

  async function createStream(logStreamName: string, signal: AbortSignal): Promise<void> {
    const command = new CreateLogStreamCommand({ logGroupName, logStreamName });
    try {
      await limited(signal, (options) => client.send(command, options));
    } catch (error) {
      // Another source or shipper was faster.
      if (signal.aborted || awsFailure(error, SERVICE).code !== 'ResourceAlreadyExistsException') throw error;
    }
  }

  async function sendChunk(
    chunk: readonly Event[],
    records: Records,
    stream: string,
    signal: AbortSignal,
  ): Promise<ChunkAnswer> {
    try {
      for (let created = false; ; created = true) {
        try {
          const { rejectedLogEventsInfo } = await put(chunk, records, stream, signal);
          return acceptedBut(refusals(chunk, rejectedLogEventsInfo));
        } catch (error) {
          if (created || signal.aborted || awsFailure(error, SERVICE).code !== 'ResourceNotFoundException') throw error;
          await createStream(stream, signal);
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      return answerOfFailure(awsFailure(error, SERVICE), hint);
    }
  }

  return {
    label: `cloudwatch_logs ${logGroupName}`,
    layout: 'lines',
    send(shipment, signal): Promise<Answer> {
      const { source, records } = shipment;
      const stream = config.log_stream ?? streamName(source, nodeId);
      const events = eventsOf(records, timeOf(shipment));
      const apart = (first: Event, event: Event) => event.timestamp - first.timestamp >= SPAN_MS;
      return sendChunks(SERVICE, events, limits, { parallel: 1, apart }, (chunk) =>
        sendChunk(chunk, records, stream, signal),
      );
    },
    close: () => Promise.resolve(),
  };
}

/** `<source>/<node>`, without the two characters that a stream name may not have. */
function streamName(source: string, nodeId: string): string {
  return `${source}/${nodeId}`.replace(/[:*]/g, '_').slice(0, 512);
}

/** The events in the order of their times; those of one time stay in the order in which they were read. */
function eventsOf(records: Records, now: number): Event[] {
  const events = Array.from({ length: records.count }, (_, index): Event => {
    const { time } = decode(records, index);
    const told = time === undefined ? Number.NaN : Date.parse(time);
    const timestamp = Number.isNaN(told) ? now : Math.max(0, Math.floor(told));
    return { index, bytes: records.record(index).length + EVENT_BYTES, timestamp };
  });
  return events.sort((a, b) => a.timestamp - b.timestamp);
}

/** The events at the ends of a request that were too old or too new. */
function refusals(chunk: readonly Event[], info: RejectedLogEventsInfo | undefined): Refusal[] {
  if (!info) return [];
  const { expiredLogEventEndIndex = 0, tooOldLogEventEndIndex = 0, tooNewLogEventStartIndex = chunk.length } = info;
  return chunk.flatMap(({ index }, at) => {
    if (at < expiredLogEventEndIndex) return [{ index, reason: 'older than the retention of the log group' }];
    if (at < tooOldLogEventEndIndex) return [{ index, reason: 'more than 14 days old' }];
    return at >= tooNewLogEventStartIndex ? [{ index, reason: 'more than 2 hours in the future' }] : [];
  });
}
