import type { Answer } from '../destination';
import type { TlsSettings } from '../../../contract/flicker';
import { acceptedBut, type ChunkAnswer, type Item } from './chunks';
import { gzip } from './gzip';
import { openHttp, type Reply } from './http-request';
import { plainUrl, requestHeaders, requestPath, type AddedPath, type HeaderSettings } from './http-settings';

/** Longest answer that is read. */
const MAX_ANSWER_BYTES = 16 * 1024 ** 2;

export interface PostSettings extends HeaderSettings {
  readonly timeout_ms: number;
  readonly tls?: TlsSettings | undefined;
}

/** Requests of one protocol to one address. */
export interface Post {
  /** The address without its path. */
  readonly origin: string;
  /** One request, compressed if that is set; the answer is read. */
  send(body: Buffer, signal: AbortSignal): Promise<Reply>;
  close(): Promise<void>;
}

/**
 * `added` is what the protocol adds to the address, `own` are its headers, `of` tells whose it is.
 * @throws Error when a setting cannot be used
 */
export async function openPost(
  address: string,
  added: AddedPath,
  settings: PostSettings,
  own: Readonly<Record<string, string>>,
  of: string,
): Promise<Post> {
  const url = plainUrl(address, of);
  const headers = requestHeaders(settings, of, own);
  const connection = await openHttp(url, settings, of);
  const request = { path: requestPath(url, added), method: 'POST', headers } as const;
  return {
    origin: url.origin,
    async send(plain, signal) {
      const body = settings.compression ? await gzip(plain) : plain;
      return connection.request({ ...request, body }, MAX_ANSWER_BYTES, signal);
    },
    close: () => connection.close(),
  };
}

/**
 * What the answer for a whole request means for its events. Which of several is refused is found by halves: a receiver
 * that refuses a request for one bad event must not cost the others.
 */
export function chunkAnswer(answer: Answer, chunk: readonly Item[]): ChunkAnswer {
  switch (answer.kind) {
    case 'retry':
    case 'blocked':
    case 'too-large':
      return answer;
    case 'refused': {
      const [item] = chunk;
      if (!item || chunk.length > 1) return { kind: 'too-large', reason: answer.reason };
      return acceptedBut([{ index: item.index, reason: answer.reason }]);
    }
    case 'accepted':
      return acceptedBut([]);
    case 'partial':
    case 'superseded':
      throw new Error(`no request is answered with ${answer.kind}`);
  }
}

/** An answer of 200 that is cut off, or not of this protocol: what became of the events is not known. */
export function unreadable(reply: Extract<Reply, { kind: 'answered' }>, expected: string): ChunkAnswer {
  if (!reply.whole) return { kind: 'retry', reason: 'the answer was cut off', uncertain: true };
  return {
    kind: 'blocked',
    reason: `the receiver answered ${reply.status} with something that is not ${expected}; check the address of the destination`,
  };
}

/** The body of an answer as JSON; undefined when it is none. */
export function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
