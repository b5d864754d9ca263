import type { DestinationConfig } from '../../../contract/flicker';
import type { Clock } from '../../core/clock';
import type { Records } from '../batch';
import type { Destination } from '../destination';
import { sendChunks, type Item } from './chunks';
import { attemptTimes, nanoseconds } from './event-time';
import { answerOfReply } from './http-answer';
import { chunkAnswer, openPost } from './http-post';
import type { Reply } from './http-request';
import { decodeAll, type ShippedRecord } from './record';

type Config = Extract<DestinationConfig, { type: 'loki' }>;

/** Loki lets a tenant send 4 MB a second, and 6 MB at once. */
const limits = { count: 10_000, bytes: 1_000_000, each: Number.POSITIVE_INFINITY };
/** What JSON and time stamp add to a line. */
const OVERHEAD = 64;

interface Entry extends Item {
  readonly id: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly time: bigint;
  readonly line: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Pushes streams. Loki ignores an entry that it has: same stream, same nanosecond, same text. */
export async function createLokiDestination(config: Config, clock: Clock): Promise<Destination> {
  const own: Record<string, string> = config.tenant === undefined ? {} : { 'x-scope-orgid': config.tenant };
  const settings = { ...config, bearer: config.auth?.token };
  const post = await openPost(config.endpoint, { path: '/loki/api/v1/push' }, settings, own, 'a loki destination');
  const timeOf = attemptTimes(clock);
  /** Of the entries of a batch, by the ids of their events: those that are sent again in parts are the same entries. */
  const given = new WeakMap<Records, Map<string, bigint>>();
  return {
    label: `loki ${post.origin}`,
    layout: 'lines',
    send(shipment, signal) {
      const { records, whole = records } = shipment;
      const start = BigInt(timeOf(shipment)) * 1_000_000n;
      const times = given.get(whole) ?? new Map<string, bigint>();
      given.set(whole, times);
      const shipped = decodeAll(records).map((record, at) => {
        const own = times.get(record.id ?? '') ?? (record.time === undefined ? undefined : nanoseconds(record.time));
        // Events without a time keep their order, and two of the same text are two.
        return entry(record, at, own ?? start + BigInt(at), config);
      });
      const entries = apart(shipped);
      for (const { id, time } of entries) if (id !== undefined) times.set(id, time);
      return sendChunks('Loki', entries, limits, { parallel: 1 }, async (chunk) => {
        const reply = await post.send(Buffer.from(JSON.stringify(request(chunk))), signal);
        return chunkAnswer(explained(answerOfReply(reply, clock.now()), reply), chunk);
      });
    },
    close: () => post.close(),
  };
}

function entry({ path, line, id, attributes }: ShippedRecord, index: number, time: bigint, config: Config): Entry {
  const known: Readonly<Record<string, string>> = { path, ...attributes };
  const labels: Record<string, string> = { ...config.labels };
  for (const name of config.label_attributes) {
    const value = known[name];
    if (value) labels[safe(name)] = value;
  }
  const metadata: Record<string, string> = {};
  if (config.structured_metadata) {
    if (id !== undefined) metadata['id'] = id;
    for (const [name, value] of Object.entries(known)) {
      if (!config.label_attributes.includes(name)) metadata[safe(name)] = value;
    }
  }
  const bytes = Buffer.byteLength(line) + JSON.stringify(metadata).length + JSON.stringify(labels).length + OVERHEAD;
  return { index, id, bytes, labels, line, metadata, time };
}

const safe = (name: string) => name.replace(/[^a-zA-Z0-9_]/g, '_').replace(/^(?=\d)/, '_');

/** Equal texts of one stream at one time are one entry to Loki: those that follow the first get the next nanoseconds. */
function apart(entries: readonly Entry[]): Entry[] {
  const seen = new Set<string>();
  return entries.map((one) => {
    const key = (time: bigint) => `${time} ${JSON.stringify(one.labels)} ${one.line}`;
    let { time } = one;
    while (seen.has(key(time))) time++;
    seen.add(key(time));
    return time === one.time ? one : { ...one, time };
  });
}

function request(chunk: readonly Entry[]): object {
  const streams = new Map<string, { stream: Entry['labels']; values: unknown[] }>();
  for (const { labels, time, line, metadata } of chunk) {
    const key = JSON.stringify(labels);
    const stream = streams.get(key) ?? { stream: labels, values: [] };
    streams.set(key, stream);
    stream.values.push(Object.keys(metadata).length > 0 ? [String(time), line, metadata] : [String(time), line]);
  }
  return { streams: [...streams.values()] };
}

/** What Loki says of an entry that it refuses, without the entry: its texts quote labels. */
const causes = [
  'entry too far behind',
  'timestamp too old',
  'timestamp too new',
  'max entry size',
  'structured metadata',
  'label names; limit',
  'label name too long',
  'label value too long',
];

function explained(answer: ReturnType<typeof answerOfReply>, reply: Reply): ReturnType<typeof answerOfReply> {
  if (answer.kind !== 'refused' || reply.kind !== 'answered') return answer;
  const text = reply.body.toString().toLowerCase();
  // Of a tenant, or of a schema before v13: no event would be taken.
  if (text.includes('structured metadata, but this feature is disallowed')) {
    const reason = `${answer.reason}: structured metadata is not allowed; set structured_metadata: false, or allow it in Loki`;
    return { kind: 'blocked', reason };
  }
  const cause = causes.find((one) => text.includes(one));
  return cause ? { ...answer, reason: `${answer.reason}: ${cause}` } : answer;
}
