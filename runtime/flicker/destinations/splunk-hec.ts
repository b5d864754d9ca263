import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';
import type { DestinationConfig } from '../../../contract/flicker';
import type { Clock } from '../../core/clock';
import type { Answer, Destination } from '../destination';
import { sendChunks, type ChunkAnswer, type Item } from './chunks';
import { attemptTimes, nanoseconds } from './event-time';
import { answerOfReply } from './http-answer';
import { chunkAnswer, jsonOf, openPost, unreadable } from './http-post';
import type { Reply } from './http-request';
import { decodeAll, type ShippedRecord } from './record';

type Config = Extract<DestinationConfig, { type: 'splunk_hec' }>;

/** What Splunk Cloud advises; a collector of one's own takes more. */
const limits = { count: 10_000, bytes: 1_000_000, each: Number.POSITIVE_INFINITY };
/** How often indexers are asked. */
const ASK_EVERY_MS = 1000;

const hecAnswer = z.object({
  code: z.int(),
  ackId: z.int().optional(),
  'invalid-event-number': z.int().optional(),
});
const acknowledged = z.object({ acks: z.record(z.string(), z.boolean()) });

/** What somebody must change, by the code of the collector. */
const changes: Readonly<Record<number, string>> = {
  1: 'the token is disabled',
  2: 'the token is missing',
  3: 'the token is not valid',
  4: 'the token is not valid',
  7: 'the index is not one of the token: set index, or allow it',
  10: 'the token wants a channel: set acknowledgement, or turn indexer acknowledgement off',
  11: 'the channel is not valid',
  14: 'indexer acknowledgement is off for the token: turn it on, or unset acknowledgement',
  16: 'the token is not accepted in this way',
};
/** Events that the collector never takes. */
const refusals: Readonly<Record<number, string>> = {
  5: 'no data',
  6: 'invalid data format',
  12: 'event field is required',
  13: 'event field is blank',
  15: 'error in handling indexed fields',
};

interface Entry extends Item {
  readonly text: string;
}

/** Sends events to the collector; with `acknowledgement`, waits until the indexers have them. */
export async function createSplunkHecDestination(config: Config, clock: Clock): Promise<Destination> {
  const of = 'a splunk_hec destination';
  const own = {
    'content-type': 'application/json',
    authorization: `Splunk ${config.token}`,
    ...(config.acknowledgement && { 'x-splunk-request-channel': randomUUID() }),
  };
  const events = await openPost(config.endpoint, { path: '/services/collector/event' }, config, own, of);
  const base = config.endpoint.replace(/\/services\/collector\/event\/?$/, '');
  const acks = config.acknowledgement
    ? await openPost(base, { path: '/services/collector/ack' }, { ...config, compression: false }, own, of)
    : undefined;
  const timeOf = attemptTimes(clock);
  const host = config.host ?? hostname();

  /** Asks for one request until its events are indexed. */
  const settled = async (ackId: number, signal: AbortSignal): Promise<ChunkAnswer | undefined> => {
    const until = clock.monotonic() + config.acknowledgement_timeout_ms;
    let problem = '';
    while (acks && clock.monotonic() < until) {
      const reply = await acks.send(Buffer.from(JSON.stringify({ acks: [ackId] })), signal);
      const parsed = reply.kind === 'answered' ? acknowledged.safeParse(jsonOf(reply.body)) : undefined;
      if (parsed?.data?.acks[String(ackId)] === true) return undefined;
      if (reply.kind === 'failed') problem = `: ${reply.reason}`;
      else problem = parsed?.success ? '' : `: the receiver answered ${reply.status}`;
      await clock.sleep(ASK_EVERY_MS, signal);
    }
    const reason = `not acknowledged within ${config.acknowledgement_timeout_ms} ms${problem}`;
    return { kind: 'retry', reason, uncertain: true };
  };

  return {
    label: `splunk_hec ${events.origin}`,
    layout: 'lines',
    send(shipment, signal) {
      const now = seconds(BigInt(timeOf(shipment)) * 1_000_000n);
      const entries = decodeAll(shipment.records).map((record, index): Entry => {
        const text = encode(record, { ...config, host }, now);
        return { index, text, bytes: Buffer.byteLength(text) };
      });
      return sendChunks('Splunk', entries, limits, { parallel: 1 }, async (chunk) => {
        const reply = await events.send(Buffer.from(chunk.map(({ text }) => text).join('')), signal);
        const { answer, ackId } = read(reply, chunk, clock.now());
        if (answer.kind !== 'settled' || answer.refused.length > 0 || !acks) return answer;
        if (ackId === undefined) return { kind: 'blocked', reason: `the receiver gave no ackId: ${changes[14]}` };
        return (await settled(ackId, signal)) ?? answer;
      });
    },
    async close() {
      await Promise.all([events.close(), acks?.close()]);
    },
  };
}

const seconds = (ns: bigint) => `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`;

function encode(
  { path, line, id, time, attributes }: ShippedRecord,
  { index, source, sourcetype, host }: Pick<Config, 'index' | 'source' | 'sourcetype' | 'host'>,
  now: string,
): string {
  const ns = time === undefined ? undefined : nanoseconds(time);
  return JSON.stringify({
    time: ns === undefined ? now : seconds(ns),
    host,
    source: source ?? path,
    sourcetype,
    index,
    // The collector refuses blank texts.
    event: line.trim() === '' ? { line } : line,
    // Only flat fields are indexed.
    fields: { ...attributes, path, id },
  });
}

function read(reply: Reply, chunk: readonly Item[], now: number): { answer: ChunkAnswer; ackId?: number | undefined } {
  const byStatus: Answer = answerOfReply(reply, now);
  if (reply.kind === 'failed') return { answer: chunkAnswer(byStatus, chunk) };
  const parsed = hecAnswer.safeParse(jsonOf(reply.body));
  if (!parsed.success) {
    return {
      answer:
        byStatus.kind === 'accepted' ? unreadable(reply, 'an answer of the collector') : chunkAnswer(byStatus, chunk),
    };
  }
  const { code, ackId, 'invalid-event-number': bad } = parsed.data;
  const said = `the receiver answered ${reply.status}, code ${code}`;
  if (changes[code]) return { answer: { kind: 'blocked', reason: `${said}: ${changes[code]}` } };
  if (!refusals[code]) return { answer: chunkAnswer(byStatus, chunk), ackId };
  const reason = `${said}: ${refusals[code]}`;
  const one = bad === undefined ? undefined : chunk[bad];
  if (!one || chunk.length === 1) return { answer: chunkAnswer({ kind: 'refused', reason }, chunk) };
  // Nothing says whether the events before it were kept.
  const retry = chunk.filter((item) => item !== one).map(({ index }) => index);
  return {
    answer: { kind: 'settled', refused: [{ index: one.index, reason }], retry, reason, uncertain: true },
  };
}
