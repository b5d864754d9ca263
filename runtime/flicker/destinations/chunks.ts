import type { Answer, Refusal } from '../destination';

/** Most that one request takes. */
export interface ChunkLimits {
  readonly count: number;
  readonly bytes: number;
  /** Of one event, with what is counted for it. */
  readonly each: number;
}

/** An event that goes into a request. */
export interface Item {
  /** Its place in the shipment. */
  readonly index: number;
  /** What the service counts for it. */
  readonly bytes: number;
}

/** What one request came to. */
export type ChunkAnswer =
  /** Settled one by one: what is not named was accepted. Indexes are those of the shipment. */
  | {
      readonly kind: 'settled';
      readonly refused: readonly Refusal[];
      readonly retry: readonly number[];
      readonly reason: string;
      /** The service may have taken some of `retry`. */
      readonly uncertain: boolean;
      readonly retryAfterMs?: number;
    }
  | Extract<Answer, { kind: 'retry' | 'blocked' | 'too-large' }>;

/** All accepted but these. */
export function acceptedBut(refused: readonly Refusal[]): ChunkAnswer {
  return { kind: 'settled', refused, retry: [], reason: '', uncertain: false };
}

/** Events in requests of at most this many and this large, in order. `apart`: whether an event starts a request anyway. */
export function chunked<T extends Item>(
  items: readonly T[],
  limits: ChunkLimits,
  apart: (first: T, item: T) => boolean = () => false,
): T[][] {
  const chunks: T[][] = [];
  let bytes = 0;
  for (const item of items) {
    const last = chunks.at(-1);
    const [first] = last ?? [];
    if (!last || !first || last.length >= limits.count || bytes + item.bytes > limits.bytes || apart(first, item)) {
      chunks.push([item]);
      bytes = item.bytes;
    } else {
      last.push(item);
      bytes += item.bytes;
    }
  }
  return chunks;
}

/**
 * Sends requests, `parallel` at a time, until one fails or takes only a part; what was not sent then is sent again with
 * what failed. Events that no request can hold are refused.
 */
export async function sendChunks<T extends Item>(
  service: string,
  items: readonly T[],
  limits: ChunkLimits,
  options: { readonly parallel: number; readonly apart?: (first: T, item: T) => boolean },
  send: (chunk: readonly T[]) => Promise<ChunkAnswer>,
): Promise<Answer> {
  const tooLarge = items.filter((item) => item.bytes > limits.each);
  const refused: Refusal[] = tooLarge.map(({ index }) => ({
    index,
    reason: `${service} takes events of at most ${limits.each} bytes`,
  }));
  const retry: number[] = [];
  let again: Again | undefined;
  let failure: Exclude<ChunkAnswer, { kind: 'settled' }> | undefined;
  const waiting = chunked(
    items.filter((item) => item.bytes <= limits.each),
    limits,
    options.apart,
  );
  const next = () => (failure || again ? undefined : waiting.shift());
  const sender = async () => {
    for (let chunk = next(); chunk; chunk = next()) {
      const answer = await send(chunk);
      if (answer.kind === 'settled') {
        refused.push(...answer.refused);
        retry.push(...answer.retry);
        if (answer.retry.length > 0) {
          const { reason, retryAfterMs } = answer;
          again = { reason, retryAfterMs, uncertain: answer.uncertain || (again?.uncertain ?? false) };
        }
        continue;
      }
      failure ??= answer;
      retry.push(...chunk.map(({ index }) => index));
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.parallel, waiting.length) }, sender));
  retry.push(...waiting.flat().map(({ index }) => index));
  return summary(items.length, refused, retry, failure, again);
}

/** Why events that a request names are sent again. */
interface Again {
  readonly reason: string;
  readonly uncertain: boolean;
  readonly retryAfterMs: number | undefined;
}

function summary(
  count: number,
  refused: readonly Refusal[],
  retry: readonly number[],
  failure: Exclude<ChunkAnswer, { kind: 'settled' }> | undefined,
  again: Again | undefined,
): Answer {
  if (retry.length === 0 && refused.length === 0) return { kind: 'accepted' };
  const wait = failure?.kind === 'retry' ? failure.retryAfterMs : again?.retryAfterMs;
  const retryAfterMs = wait !== undefined && { retryAfterMs: wait };
  if (retry.length === count) {
    return (
      failure ?? { kind: 'retry', reason: again?.reason ?? '', uncertain: again?.uncertain ?? false, ...retryAfterMs }
    );
  }
  return {
    kind: 'partial',
    refused,
    retry: retry.toSorted((a, b) => a - b),
    reason: failure?.reason ?? again?.reason ?? '',
    uncertain: (failure?.kind === 'retry' && failure.uncertain) || (again?.uncertain ?? false),
    ...retryAfterMs,
  };
}
