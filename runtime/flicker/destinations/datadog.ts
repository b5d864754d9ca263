import { hostname } from 'node:os';
import type { DestinationConfig } from '../../../contract/flicker';
import type { Clock } from '../../core/clock';
import type { Destination } from '../destination';
import { sendChunks, type Item } from './chunks';
import { answerOfReply } from './http-answer';
import { chunkAnswer, openPost } from './http-post';
import { decodeAll, withFields, type ShippedRecord } from './record';

type Config = Extract<DestinationConfig, { type: 'datadog' }>;

/** Of the v2 intake. It takes larger events too, and cuts them: those are refused here. */
const limits = { count: 1000, bytes: 5_000_000 - 2, each: 1_000_000 };

interface Entry extends Item {
  readonly text: string;
}

/** Sends logs to the v2 intake. */
export async function createDatadogDestination(config: Config, clock: Clock): Promise<Destination> {
  const address = config.endpoint ?? `https://http-intake.logs.${config.site}`;
  const own = { 'content-type': 'application/json', 'dd-api-key': config.api_key };
  const post = await openPost(address, { path: '/api/v2/logs' }, config, own, 'a datadog destination');
  const tags = Object.entries(config.tags).map(([name, value]) => `${name}:${value}`);
  const fixed = {
    ddsource: config.source,
    ...(tags.length > 0 && { ddtags: tags.join(',') }),
    hostname: config.hostname ?? hostname(),
  };
  return {
    label: `datadog ${post.origin}`,
    layout: 'lines',
    send({ source, records }, signal) {
      const common = { ...fixed, service: config.service ?? source };
      const entries = decodeAll(records).map((record, index): Entry => {
        const text = withFields({ ...common, ...encode(record) }, records, index, record.fields);
        return { index, text, bytes: Buffer.byteLength(text) + 1 };
      });
      return sendChunks('Datadog', entries, limits, { parallel: 1 }, async (chunk) => {
        const reply = await post.send(Buffer.from(`[${chunk.map(({ text }) => text).join(',')}]`), signal);
        return chunkAnswer(answerOfReply(reply, clock.now()), chunk);
      });
    },
    close: () => post.close(),
  };
}

function encode({ path, line, id, time, attributes }: ShippedRecord): object {
  return { message: line, path, id, timestamp: time, attributes };
}
