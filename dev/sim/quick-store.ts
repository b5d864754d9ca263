import type { ObjectStore, ReadReply, WriteReply } from '../../runtime/registry/store';
import type { Transport } from './client';
import type { S3Response } from './s3';

/**
 * A store without the S3 client, which costs most of a simulation. What the client makes of each answer is
 * proved by the schedules that use it.
 */
export function quickStore(bucket: string, key: string, transport: Transport): ObjectStore {
  const path = `/${bucket}/${key}`;
  const send = async (method: string, headers: Record<string, string>, body: Uint8Array, signal: AbortSignal) => {
    try {
      return await transport({ method, path, query: {}, headers, body }, signal);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const get = async (headers: Record<string, string>, signal: AbortSignal) =>
    readReplyOf(await send('GET', headers, new Uint8Array(), signal));
  return {
    location: `s3://${bucket}/${key}`,
    read: async (signal) => {
      const reply = await get({}, signal);
      return reply.kind === 'unchanged' ? { kind: 'failed', reason: 'answered 304' } : reply;
    },
    readUnless: (etag, signal) => get({ 'if-none-match': etag }, signal),
    write: async (body, condition, signal) => {
      const headers: Record<string, string> =
        'ifMatch' in condition ? { 'if-match': condition.ifMatch } : { 'if-none-match': '*' };
      return writeReplyOf(await send('PUT', headers, body, signal));
    },
    putBeside: () => Promise.resolve({ kind: 'failed', reason: 'nothing is kept here' }),
  };
}

function readReplyOf(answer: S3Response | string): ReadReply | { readonly kind: 'unchanged' } {
  if (typeof answer === 'string') return { kind: 'failed', reason: answer };
  const { statusCode, headers, body } = answer;
  const { etag } = headers;
  if (statusCode === 304) return { kind: 'unchanged' };
  if (statusCode === 200 && etag !== undefined) return { kind: 'found', body, etag };
  if (statusCode === 404) return { kind: headers['x-amz-delete-marker'] === undefined ? 'missing' : 'deleted' };
  const reason = `answered ${statusCode}`;
  return statusCode === 403 ? { kind: 'denied', reason } : { kind: 'failed', reason };
}

function writeReplyOf(answer: S3Response | string): WriteReply {
  if (typeof answer === 'string') return { kind: 'unknown', reason: answer };
  const { statusCode, headers } = answer;
  const reason = `answered ${statusCode}`;
  if (statusCode === 200 && headers['etag'] !== undefined) return { kind: 'committed', etag: headers['etag'] };
  if (statusCode === 412) return { kind: 'precondition-failed' };
  if (statusCode === 409) return { kind: 'conflict' };
  if (statusCode === 404) return { kind: 'missing' };
  return statusCode === 403 ? { kind: 'denied', reason } : { kind: 'unknown', reason };
}
