import { isNativeError } from 'node:util/types';
import { errorCode, errorText } from '../../core/errors';
import type { Answer } from '../destination';

/** How long one request to AWS may take. */
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

/** What an AWS request that failed was answered, for people and for the protocol. */
export interface AwsFailure {
  /** Undefined: no answer arrived. */
  readonly status: number | undefined;
  /** The error's name, such as `NoSuchBucket`. A HEAD has none: its answers have no body. */
  readonly code: string;
  readonly reason: string;
  /** Whether it may have reached the service. */
  readonly sent: boolean;
}

/** Without a connection, or credentials to sign with, nothing is sent. */
const unsent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'CredentialsProviderError',
]);

/** Reads an error of an AWS client. @throws the error itself when it is none */
export function awsFailure(error: unknown, service: string): AwsFailure {
  if (!isNativeError(error)) throw error;
  const status = statusOf(error);
  if (status === undefined) {
    const reason = error.name === 'AbortError' ? `nothing within ${TIMEOUT_MS / 1000} s` : errorText(error);
    const sent = !unsent.has(errorCode(error)) && !unsent.has(error.name);
    return { status, code: '', reason: `${service} gave no answer: ${reason}`, sent };
  }
  return { status, code: error.name, reason: `${service} answered ${status} ${error.name}`, sent: true };
}

/** Errors that waiting may cure. All others need somebody who changes something. */
export function isTransient({ status, code }: AwsFailure): boolean {
  if (status === undefined || status >= 500 || status === 408 || status === 409 || status === 429) return true;
  return isThrottling(code) || again.has(code);
}

/** 400s that mean "again", and a session that the SDK renews. */
const again = new Set([
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'ExpiredToken',
  'ExpiredTokenException',
  'BadDigest',
  'ServiceUnavailable',
  'InternalFailure',
  'OperationAbortedException',
]);

/** Errors that say "too fast", or "too much for now"; nothing of the request was done. */
export function isThrottling(code: string): boolean {
  return /thrott|SlowDown|LimitExceeded|OverLimit|ThroughputExceeded/i.test(code);
}

/** The answer of a destination whose request failed. `hint`: what to do about an error that no waiting cures. */
export function answerOfFailure(failure: AwsFailure, hint: string): Answer & { kind: 'retry' | 'blocked' } {
  if (!isTransient(failure)) return { kind: 'blocked', reason: `${failure.reason}${hint && `; ${hint}`}` };
  const uncertain = failure.sent && (failure.status === undefined || failure.status >= 500);
  return { kind: 'retry', reason: failure.reason, uncertain: uncertain && !isThrottling(failure.code) };
}

function statusOf(error: Error): number | undefined {
  if (!('$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}
