import { isThrottling } from './aws-request';
import { acceptedBut, type ChunkAnswer, type Item } from './chunks';

/** What a service says of each record of a request, in their order; without an error code it was accepted. */
export function settledBy(
  service: string,
  chunk: readonly Item[],
  results: readonly { readonly ErrorCode?: string | undefined }[],
): ChunkAnswer {
  const failed = chunk.filter((_, at) => results[at] === undefined || results[at].ErrorCode !== undefined);
  if (failed.length === 0) return acceptedBut([]);
  const codes = [...new Set(results.flatMap(({ ErrorCode }) => ErrorCode ?? []))];
  return {
    kind: 'settled',
    refused: [],
    retry: failed.map(({ index }) => index),
    reason: `${service} answered ${codes.join(', ') || 'nothing'} for ${failed.length} of ${chunk.length} records`,
    uncertain: !codes.every(isThrottling) || codes.length === 0,
  };
}
