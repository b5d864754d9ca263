import { gunzipSync, gzipSync } from 'node:zlib';
import { isNativeError } from 'node:util/types';
import type { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import type { RegistryLayout } from '../../contract/registry';
import type { BesideReply, ObjectStore, ReadReply, WriteCondition, WriteReply } from './store';

const GZIP_FROM_BYTES = 64 * 1024;

export interface S3StoreOptions {
  /** Its `maxAttempts` must be 1: the protocol has to know which attempt an answer belongs to. */
  readonly client: S3Client;
  readonly bucket: string;
  readonly layout: RegistryLayout;
  /**
   * For a store that takes no conditional writes: the version is compared by a read before each write. Nothing prevents
   * that somebody else writes in between.
   * @default false
   */
  readonly unconditional?: boolean;
}

/** @throws Error when the client retries by itself */
export async function createS3Store({
  client,
  bucket,
  layout,
  unconditional = false,
}: S3StoreOptions): Promise<ObjectStore> {
  const attempts = await client.config.maxAttempts();
  if (attempts !== 1) {
    throw new Error(
      `the registry's S3 client must have maxAttempts 1, got ${attempts}: conditional writes are retried above it`,
    );
  }
  const { GetObjectCommand, ListObjectVersionsCommand, PutObjectCommand } = await import('@aws-sdk/client-s3');
  const { key, prefix } = layout;
  const put = (to: string, body: Uint8Array, condition: WriteCondition, abortSignal: AbortSignal) => {
    const packed = body.length >= GZIP_FROM_BYTES;
    return client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: to,
        Body: packed ? gzipSync(body) : body,
        ...(packed ? { ContentEncoding: 'gzip' } : {}),
        ContentType: 'application/json',
        ...(unconditional ? {} : conditionHeaders(condition)),
      }),
      { abortSignal },
    );
  };

  /** Without the right to list, S3 answers 403 for a key that is not there. The version list tells which it is. */
  const settleDenied = async (of: string, reason: string, abortSignal: AbortSignal): Promise<ReadReply> => {
    try {
      // The key sorts before every longer one, and its newest version comes first.
      const listed = await client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: of, MaxKeys: 10 }), {
        abortSignal,
      });
      const newest = (entry: { Key?: string; IsLatest?: boolean }) => entry.Key === of && entry.IsLatest === true;
      if (listed.DeleteMarkers?.some(newest)) return { kind: 'deleted' };
      return listed.Versions?.some((entry) => entry.Key === of) ? { kind: 'denied', reason } : { kind: 'missing' };
    } catch (error) {
      const failure = failureOf(error, abortSignal);
      return failure.kind === 'denied' ? { kind: 'denied', reason } : { kind: 'failed', reason: failure.reason };
    }
  };

  const get = async (
    from: string,
    abortSignal: AbortSignal,
    IfNoneMatch?: string,
  ): Promise<ReadReply | { kind: 'unchanged' }> => {
    try {
      const command = new GetObjectCommand({
        Bucket: bucket,
        Key: from,
        ...(IfNoneMatch !== undefined && { IfNoneMatch }),
      });
      const answer = await client.send(command, { abortSignal });
      const raw = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
      if (raw[0] === '<'.charCodeAt(0)) return { kind: 'failed', reason: 'S3 answered 200 with an error as its body' };
      if (answer.ETag === undefined) return { kind: 'failed', reason: 'S3 answered 200 without an ETag' };
      if (answer.ContentLength !== undefined && answer.ContentLength !== raw.length) {
        return { kind: 'failed', reason: `S3 sent ${raw.length} of ${answer.ContentLength} bytes` };
      }
      return { kind: 'found', body: unpack(raw), etag: answer.ETag };
    } catch (error) {
      const failure = failureOf(error, abortSignal);
      if (failure.status === 304) return { kind: 'unchanged' };
      if (failure.kind === 'denied') return await settleDenied(from, failure.reason, abortSignal);
      if (failure.status === 404 && failure.code !== 'NoSuchBucket') {
        return { kind: failure.deleteMarker ? 'deleted' : 'missing' };
      }
      return { kind: 'failed', reason: failure.reason };
    }
  };

  /** Compares by a read where the store does not. Undefined: it may be written. */
  const compare = async (
    to: string,
    condition: WriteCondition,
    signal: AbortSignal,
  ): Promise<WriteReply | undefined> => {
    if (!unconditional) return undefined;
    const found = await get(to, signal);
    switch (found.kind) {
      case 'found':
        return 'ifMatch' in condition && found.etag === condition.ifMatch ? undefined : { kind: 'precondition-failed' };
      case 'missing':
      case 'deleted':
        return 'ifMatch' in condition ? { kind: 'missing' } : undefined;
      case 'denied':
        return found;
      case 'failed':
        return { kind: 'failed', reason: found.reason };
      case 'unchanged':
        return { kind: 'failed', reason: 'S3 answered 304 to a plain read' };
    }
  };

  return {
    location: `s3://${bucket}/${key}`,

    async read(abortSignal): Promise<ReadReply> {
      const reply = await get(key, abortSignal);
      return reply.kind === 'unchanged' ? { kind: 'failed', reason: 'S3 answered 304 to a plain read' } : reply;
    },

    readUnless: (etag, abortSignal) => get(key, abortSignal, etag),

    async write(body, condition, abortSignal): Promise<WriteReply> {
      try {
        const refused = await compare(key, condition, abortSignal);
        if (refused) return refused;
        const answer = await put(key, body, condition, abortSignal);
        return answer.ETag === undefined
          ? { kind: 'unknown', reason: 'S3 answered 200 without an ETag' }
          : { kind: 'committed', etag: answer.ETag };
      } catch (error) {
        return writeReplyOf(failureOf(error, abortSignal));
      }
    },

    async putBeside(name, body, abortSignal): Promise<BesideReply> {
      const to = `${prefix}${name}`;
      try {
        const refused = await compare(to, { ifNoneMatch: '*' }, abortSignal);
        if (refused) return 'reason' in refused ? { kind: 'failed', reason: refused.reason } : { kind: 'exists' };
        await put(to, body, { ifNoneMatch: '*' }, abortSignal);
        return { kind: 'kept', location: `s3://${bucket}/${to}` };
      } catch (error) {
        const failure = failureOf(error, abortSignal);
        return failure.status === 412 ? { kind: 'exists' } : { kind: 'failed', reason: failure.reason };
      }
    },
  };
}

/** Unpacks by the bytes, not the header: some stores and proxies unpack on the way. */
export function unpack(raw: Uint8Array): Uint8Array {
  if (raw[0] !== 0x1f || raw[1] !== 0x8b) return raw;
  try {
    return gunzipSync(raw);
  } catch {
    return raw; // broken: the parser refuses it by name
  }
}

function conditionHeaders(condition: WriteCondition): { IfMatch?: string; IfNoneMatch?: string } {
  return 'ifMatch' in condition ? { IfMatch: condition.ifMatch } : { IfNoneMatch: condition.ifNoneMatch };
}

interface Failure {
  readonly kind: 'denied' | 'other';
  /** Undefined: no answer arrived. */
  readonly status: number | undefined;
  readonly code: string;
  readonly deleteMarker: boolean;
  readonly reason: string;
}

function writeReplyOf({ status, code, reason, kind }: Failure): WriteReply {
  if (kind === 'denied') return { kind: 'denied', reason };
  if (status === 412) return { kind: 'precondition-failed' };
  if (status === 409) return { kind: 'conflict' };
  if (status === 404 && code !== 'NoSuchBucket') return { kind: 'missing' };
  const refused = status !== undefined && status >= 300 && status < 500 && status !== 408 && status !== 429;
  return { kind: refused ? 'failed' : 'unknown', reason };
}

/** Without the client's own class, which would load the client. */
const isAnswer = (error: unknown): error is S3ServiceException => isNativeError(error) && '$fault' in error;

const ELSEWHERE = ', the bucket is in another region: name that';

export function failureOf(error: unknown, signal: AbortSignal): Failure {
  if (isAnswer(error)) {
    const status = error.$metadata.httpStatusCode;
    const headers = error.$response?.headers ?? {};
    return {
      kind: status === 403 || status === 401 ? 'denied' : 'other',
      status,
      code: error.name,
      deleteMarker: headers['x-amz-delete-marker'] === 'true',
      reason: `S3 answered ${status ?? 'something unreadable'} ${error.name}${status === 301 ? ELSEWHERE : ''}`,
    };
  }
  const cause: unknown = signal.aborted ? signal.reason : error;
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return { kind: 'other', status: undefined, code: '', deleteMarker: false, reason };
}
