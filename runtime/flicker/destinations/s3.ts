import type { S3Client } from '@aws-sdk/client-s3';
import type { DestinationConfig } from '../../../contract/flicker';
import { readRecords, type Records } from '../batch';
import { RecoverError, type Answer, type Destination, type Shipment } from '../destination';
import type { StateChange } from '../state';
import { isTransient, limited, awsFailure } from './aws-request';
import { isMissing } from './s3-missing';
import {
  batchOf,
  buildObject,
  linesOf,
  objectKey,
  parseTrailer,
  placeOfAfter,
  writerOf,
  type Metadata,
} from './s3-object';

type S3Config = Extract<DestinationConfig, { type: 's3' }>;

/** Most objects looked up at the same time when many were written after the last save. */
const MAX_LOOKUPS = 8;

/**
 * Writes each shipment as one object that is created once and never replaced, and holds the state change after it: the
 * object is the commit. A shipper that was killed finds in them what it had delivered, so that nothing is repeated.
 * @throws Error when the client retries by itself
 */
export async function createS3Destination(
  config: S3Config,
  client: S3Client,
  clusterId: string | undefined,
): Promise<Destination> {
  const { bucket, prefix, compression } = config;
  const attempts = await client.config.maxAttempts();
  if (attempts !== 1) {
    throw new Error(`the S3 client of a destination must have maxAttempts 1, got ${attempts}: it is retried above it`);
  }
  const { PutObjectCommand, HeadObjectCommand, GetObjectCommand } = await import('@aws-sdk/client-s3');

  /** Metadata of an object, undefined when there is none. @throws what the client throws */
  async function head(key: string, signal: AbortSignal): Promise<Metadata | undefined> {
    try {
      const found = await limited(signal, (options) =>
        client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), options),
      );
      return found.Metadata ?? {};
    } catch (error) {
      if (!signal.aborted && (await isMissing(client, bucket, key, error, signal))) return undefined;
      throw error;
    }
  }

  async function readAfter(key: string, metadata: Metadata, signal: AbortSignal): Promise<StateChange> {
    const place = parsed(key, () => placeOfAfter(metadata));
    if (place.kind === 'here') return place.after;
    const get = new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=${place.offset}-` });
    const { answer, bytes } = await limited(signal, async (options) => {
      const answer = await client.send(get, options);
      return { answer, bytes: (await answer.Body?.transformToByteArray()) ?? new Uint8Array() };
    });
    // A store that knows no ranges sends the whole object.
    return parsed(key, () => parseTrailer(answer.ContentRange === undefined ? bytes.subarray(place.offset) : bytes));
  }

  const parsed = <T>(key: string, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      throw new RecoverError(`s3://${bucket}/${key} cannot be used: ${(error as Error).message}`, true);
    }
  };

  /** What the object that is already there under this number means. */
  async function settleExisting(key: string, batch: string | undefined, signal: AbortSignal): Promise<Answer> {
    const metadata = await head(key, signal);
    if (metadata === undefined) {
      return { kind: 'retry', reason: 'S3 answered 412 for an object that is not there', uncertain: false };
    }
    const writer = writerOf(metadata, batch, clusterId);
    switch (writer.kind) {
      case 'same-batch':
        return { kind: 'accepted' };
      case 'same-cluster':
        return { kind: 'superseded', after: await readAfter(key, metadata, signal) };
      case 'stranger':
        return { kind: 'blocked', reason: taken(key, writer.reason) };
    }
  }

  const taken = (key: string, reason: string) =>
    `s3://${bucket}/${key} is there already, and ${reason}: give this source another prefix or name`;

  /** @throws the signal's reason when it is aborted */
  function answerOf(error: unknown, signal: AbortSignal): Answer {
    signal.throwIfAborted();
    if (error instanceof RecoverError) return { kind: 'blocked', reason: error.message };
    const failure = awsFailure(error, 'S3');
    const reason = `${failure.reason} for bucket ${bucket}${hint(failure.status)}`;
    if (!isTransient(failure)) return { kind: 'blocked', reason };
    // 409: another request on this key was in flight, and nothing is decided. 429 was not even looked at.
    return { kind: 'retry', reason, uncertain: failure.sent && failure.status !== 409 && failure.status !== 429 };
  }

  async function send(shipment: Shipment, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const { source, number, after, records } = shipment;
    const key = objectKey(prefix, source, number, compression);
    const lines = records.body('lines');
    const { body, metadata } = await buildObject({ source, number, after, lines, clusterId, compressed: compression });
    const put = new PutObjectCommand({
      Bucket: bucket,
      Key: key,
      Body: body,
      ContentType: 'application/jsonlines',
      ...(compression && { ContentEncoding: 'gzip' }),
      IfNoneMatch: '*',
      Metadata: { ...metadata },
    });
    try {
      const answer = await limited(signal, (options) => client.send(put, options));
      if (answer.ETag === undefined)
        return { kind: 'retry', reason: 'S3 answered 200 without an ETag', uncertain: true };
      return { kind: 'accepted' };
    } catch (error) {
      if (signal.aborted || awsFailure(error, 'S3').status !== 412) return answerOf(error, signal);
    }
    try {
      return await settleExisting(key, batchOf(metadata), signal);
    } catch (error) {
      return answerOf(error, signal);
    }
  }

  /** The change of one number, written compressed or not: the setting may have changed in between. */
  async function find(source: string, number: number, signal: AbortSignal): Promise<StateChange | undefined> {
    for (const compressed of [compression, !compression]) {
      const key = objectKey(prefix, source, number, compressed);
      const metadata = await head(key, signal);
      if (metadata === undefined) continue;
      const writer = writerOf(metadata, undefined, clusterId);
      if (writer.kind === 'stranger') throw new RecoverError(taken(key, writer.reason), true);
      return readAfter(key, metadata, signal);
    }
    return undefined;
  }

  async function recover(source: string, from: number, signal: AbortSignal): Promise<StateChange[]> {
    const changes: StateChange[] = [];
    try {
      for (let width = 1; ; width = Math.min(width * 2, MAX_LOOKUPS)) {
        const first = from + changes.length;
        const numbers = Array.from({ length: width }, (_, i) => first + i);
        const found = await Promise.all(numbers.map((number) => find(source, number, signal)));
        const end = found.indexOf(undefined);
        changes.push(...found.slice(0, end === -1 ? width : end).filter((change) => change !== undefined));
        if (end !== -1) return changes;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof RecoverError) throw error;
      const failure = awsFailure(error, 'S3');
      throw new RecoverError(
        `cannot look for objects of ${source} in s3://${bucket}/${prefix}: ${failure.reason}${hint(failure.status)}`,
        !isTransient(failure),
      );
    }
  }

  /** The records of one number: all of its lines but the trailer. */
  async function read(source: string, number: number, signal: AbortSignal): Promise<Records | undefined> {
    for (const compressed of [compression, !compression]) {
      const key = objectKey(prefix, source, number, compressed);
      try {
        const get = new GetObjectCommand({ Bucket: bucket, Key: key });
        const { metadata, bytes } = await limited(signal, async (options) => {
          const { Metadata = {}, Body } = await client.send(get, options);
          return { metadata: Metadata, bytes: (await Body?.transformToByteArray()) ?? new Uint8Array() };
        });
        const writer = writerOf(metadata, undefined, clusterId);
        if (writer.kind === 'stranger') throw new RecoverError(taken(key, writer.reason), true);
        return parsed(key, () => readRecords(linesOf(bytes, metadata)));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof RecoverError) throw error;
        if (await isMissing(client, bucket, key, error, signal)) continue;
        const failure = awsFailure(error, 'S3');
        throw new RecoverError(
          `cannot read s3://${bucket}/${key}: ${failure.reason}${hint(failure.status)}`,
          !isTransient(failure),
        );
      }
    }
    return undefined;
  }

  return { label: `s3://${bucket}/${prefix}`, layout: 'lines', send, recover, read, close: () => Promise.resolve() };
}

function hint(status: number | undefined): string {
  if (status === 403) return '; check that the role may put, get and list below the prefix';
  if (status === 404 || status === 301) return '; check the name and the region of the bucket';
  return '';
}
