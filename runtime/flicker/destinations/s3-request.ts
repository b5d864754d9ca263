import { isNativeError } from 'node:util/types';
import { errorText } from '../../core/errors';

/** How long one request to S3 may take. */
const TIMEOUT_MS = 60_000;

/** Runs a request that ends with the signal, and when it hangs. */
export async function limited<T>(
  signal: AbortSignal,
  run: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  const timer = setTimeout(() => controller.abort(), TIMEOUT_MS);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await run({ abortSignal: controller.signal });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** What an S3 request that failed was answered, for people and for the protocol. */
export interface S3Failure {
  /** Undefined: no answer arrived. */
  readonly status: number | undefined;
  /** The error's name, such as `NoSuchBucket`. A HEAD has none: its answers have no body. */
  readonly code: string;
  readonly reason: string;
}

/** Reads an error of the S3 client. @throws the error itself when it is none */
export function s3Failure(error: unknown): S3Failure {
  if (!isNativeError(error)) throw error;
  const status = statusOf(error);
  if (status === undefined) {
    const reason = error.name === 'AbortError' ? `nothing within ${TIMEOUT_MS / 1000} s` : errorText(error);
    return { status, code: '', reason: `S3 gave no answer: ${reason}` };
  }
  return { status, code: error.name, reason: `S3 answered ${status} ${error.name}` };
}

/** Errors that waiting may cure. All others need somebody who changes something. */
export function isTransient({ status, code }: S3Failure): boolean {
  if (status === undefined || status >= 500 || status === 408 || status === 409 || status === 429) return true;
  // 400s that mean "again", and a session that the SDK renews.
  return ['SlowDown', 'RequestTimeout', 'RequestTimeTooSkewed', 'ExpiredToken', 'BadDigest'].includes(code);
}

function statusOf(error: Error): number | undefined {
  if (!('$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}
