import type { DestinationConfig } from '../../../contract/flicker';
import type { Clock } from '../../core/clock';
import type { Destination } from '../destination';
import { acceptedBut, sendChunks, type ChunkAnswer, type Item } from './chunks';
import { attemptTimes } from './event-time';
import { answerOfReply } from './http-answer';
import { chunkAnswer, openPost, unreadable } from './http-post';
import type { Reply } from './http-request';
import { json, protobuf, type Encoding } from './otlp-encode';
import { keyValues, logRecord } from './otlp-message';
import { decodeAll } from './record';

type Config = Extract<DestinationConfig, { type: 'otlp' }>;

/** Receivers take 20 MiB at least, before and after compression. */
const limits = { count: 10_000, bytes: 4_000_000, each: Number.POSITIVE_INFINITY };
/** The statuses that the protocol lets a client try again after. */
const retryable = new Set([429, 502, 503, 504]);

interface Entry extends Item {
  readonly record: Buffer;
}

/** Exports logs over OTLP/HTTP. `log.record.uid` is the id of the event. */
export async function createOtlpDestination(config: Config, clock: Clock): Promise<Destination> {
  const encoding = { json, protobuf }[config.encoding];
  const settings = { ...config, bearer: config.auth?.token };
  const own = { 'content-type': encoding.contentType };
  const post = await openPost(config.endpoint, { path: '/v1/logs' }, settings, own, 'an otlp destination');
  const timeOf = attemptTimes(clock);
  return {
    label: `otlp ${post.origin}`,
    layout: 'lines',
    send(shipment, signal) {
      const observed = `${timeOf(shipment)}000000`;
      const resource = keyValues({ 'service.name': shipment.source, ...config.resource });
      const entries = decodeAll(shipment.records).map((one, index): Entry => {
        const record = encoding.record(logRecord(one, observed));
        return { index, record, bytes: record.length + 8 };
      });
      return sendChunks('OTLP', entries, limits, { parallel: 1 }, async (chunk) => {
        const body = encoding.request(
          resource,
          chunk.map(({ record }) => record),
        );
        return answerOf(await post.send(body, signal), chunk, encoding, clock.now());
      });
    },
    close: () => post.close(),
  };
}

function answerOf(reply: Reply, chunk: readonly Item[], encoding: Encoding, now: number): ChunkAnswer {
  const answer = answerOfReply(reply, now);
  // Any other error may not be tried again, not in parts either: nothing says that an event is at fault.
  if (answer.kind === 'retry' && reply.kind === 'answered' && !retryable.has(reply.status)) {
    return acceptedBut(chunk.map(({ index }) => ({ index, reason: answer.reason })));
  }
  if (answer.kind !== 'accepted' || reply.kind !== 'answered') return chunkAnswer(answer, chunk);
  const rejected = encoding.rejected(reply.body);
  if (rejected === undefined || !reply.whole) return unreadable(reply, 'an answer of OTLP');
  if (rejected === 0) return chunkAnswer(answer, chunk);
  // The answer does not say which, and nothing may be sent again: all of the request are kept, or some would be lost.
  const reason = `the receiver rejected ${rejected} of ${chunk.length} records of a request and does not say which`;
  return acceptedBut(chunk.map(({ index }) => ({ index, reason })));
}
