import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { DestinationConfig } from '../../../contract/flicker';
import type { Clock } from '../../core/clock';
import type { Destination, Refusal } from '../destination';
import { sendChunks, type ChunkAnswer, type Item } from './chunks';
import { attemptTimes } from './event-time';
import { answerOfReply } from './http-answer';
import { chunkAnswer, jsonOf, openPost, unreadable } from './http-post';
import type { Reply } from './http-request';
import { decodeAll, withFields, type ShippedRecord } from './record';

type Config = Extract<DestinationConfig, { type: 'elasticsearch' | 'opensearch' }>;

/** Both take requests of 100 MB by default; a tenth of it is what their makers advise. */
const limits = { count: 10_000, bytes: 10_000_000, each: Number.POSITIVE_INFINITY };
/** Longest `_id`. */
const MAX_ID_BYTES = 512;

/** Of each item only the status and the type of its error: other texts quote the event. */
const QUERY = 'filter_path=errors,items.*.status,items.*.error.type';
const bulkAnswer = z.object({
  errors: z.boolean(),
  items: z
    .array(z.record(z.string(), z.object({ status: z.int(), error: z.object({ type: z.string() }).optional() })))
    .default([]),
});

interface Entry extends Item {
  readonly text: string;
}

/** Creates documents whose `_id` is the id of the event: one that is there already is not created twice. */
export async function createElasticsearchDestination(config: Config, clock: Clock): Promise<Destination> {
  const own = {
    'content-type': 'application/x-ndjson',
    ...(config.api_key && { authorization: `ApiKey ${config.api_key}` }),
  };
  const settings = { ...config, bearer: config.auth?.token };
  const post = await openPost(
    config.url,
    { path: '/_bulk', query: QUERY },
    settings,
    own,
    `an ${config.type} destination`,
  );
  const timeOf = attemptTimes(clock);
  return {
    label: `${config.type} ${post.origin}`,
    layout: 'lines',
    send(shipment, signal) {
      const now = new Date(timeOf(shipment)).toISOString();
      const entries = decodeAll(shipment.records).map((record, index): Entry => {
        const { action, document } = encode(record, config.index, now);
        const source = withFields(document, shipment.records, index, record.fields);
        const text = `${JSON.stringify(action)}\n${source}\n`;
        return { index, text, bytes: Buffer.byteLength(text) };
      });
      return sendChunks(config.type, entries, limits, { parallel: 1 }, async (chunk) => {
        const body = Buffer.from(chunk.map(({ text }) => text).join(''));
        return answerOf(await post.send(body, signal), chunk, clock.now());
      });
    },
    close: () => post.close(),
  };
}

function encode({ path, line, id, time, attributes }: ShippedRecord, index: string, now: string) {
  const timestamp = time ?? now;
  const action = { create: { _index: indexName(index, timestamp), _id: id === undefined ? undefined : idOf(id) } };
  return { action, document: { '@timestamp': timestamp, path, message: line, attributes } };
}

/** One id that is too long would have the whole request refused. */
function idOf(id: string): string {
  return Buffer.byteLength(id) <= MAX_ID_BYTES ? id : createHash('sha256').update(id).digest('hex');
}

function indexName(pattern: string, time: string): string {
  if (!pattern.includes('%')) return pattern;
  const date = new Date(time);
  const digits = (value: number) => String(value).padStart(2, '0');
  const parts: Readonly<Record<string, () => string>> = {
    '%Y': () => String(date.getUTCFullYear()),
    '%m': () => digits(date.getUTCMonth() + 1),
    '%d': () => digits(date.getUTCDate()),
    '%H': () => digits(date.getUTCHours()),
  };
  return pattern.replace(/%[YmdH]/g, (part) => parts[part]?.() ?? part);
}

function answerOf(reply: Reply, chunk: readonly Item[], now: number): ChunkAnswer {
  const answer = chunkAnswer(answerOfReply(reply, now), chunk);
  if (answer.kind !== 'settled' || reply.kind !== 'answered' || reply.status >= 300) return answer;
  const parsed = bulkAnswer.safeParse(jsonOf(reply.body));
  if (!parsed.success) return unreadable(reply, 'the answer of a bulk request');
  const { errors, items } = parsed.data;
  if (!errors) return answer;
  if (items.length !== chunk.length) return unreadable(reply, 'an answer for each document of a bulk request');
  const refused: Refusal[] = [];
  const retry: number[] = [];
  let reason = '';
  chunk.forEach(({ index }, at) => {
    const [result] = Object.values(items[at] ?? {});
    const status = result?.status ?? 0;
    // 409: a document of this id is there, from an attempt before.
    if ((status >= 200 && status < 300) || status === 409) return;
    const text = `the receiver answered ${status} ${result?.error?.type ?? ''}`.trimEnd();
    if (status === 400 || status === 413 || status === 422) refused.push({ index, reason: text });
    else {
      retry.push(index);
      reason ||= `${text} for a document`;
    }
  });
  return { kind: 'settled', refused, retry, reason, uncertain: false };
}
