import { readFile, rm, stat } from 'node:fs/promises';
import { dirname, join, basename } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { errorCode } from '../../core/errors';
import { limited } from '../destinations/aws-request';
import { isMissing } from '../destinations/s3-missing';
import { safeName } from '../destinations/safe-name';
import { writeWhole } from './dead-letters';

/** Where batches are kept that a destination did not take in time: objects or files, one for each. */
export interface SpillStore {
  /** Resolves when it is durable. @throws when it could not be written */
  put(key: string, lines: Buffer, signal: AbortSignal): Promise<void>;
  /** Undefined: it is not there, because it was sent and removed before. @throws when it could not be read */
  get(key: string, signal: AbortSignal): Promise<Buffer | undefined>;
  /** Also when it is not there any more. @throws when it could not be removed */
  remove(key: string, signal: AbortSignal): Promise<void>;
}

/**
 * The key of a batch: `<source>/<destination>/<number>-<hash>.jsonl`. The hash keeps two instances, of which one was
 * fenced, from writing over each other.
 */
export function spillKey(source: string, destination: string, number: number, lines: Buffer): string {
  const hash = createHash('sha256').update(lines).digest('hex').slice(0, 16);
  return `${safeName(source)}/${safeName(destination)}/${String(number).padStart(12, '0')}-${hash}.jsonl`;
}

export function createSpillStore(
  location: { readonly bucket: string; readonly prefix: string } | { readonly path: string },
  s3: () => Promise<S3Client>,
): SpillStore {
  return 'path' in location ? folder(location.path) : objects(location.bucket, location.prefix, s3);
}

function folder(path: string): SpillStore {
  const place = (key: string) => join(path, key);
  return {
    async put(key, lines, signal) {
      signal.throwIfAborted();
      await writeWhole(dirname(place(key)), basename(key), lines);
    },
    async get(key, signal) {
      try {
        return await readFile(place(key), { signal });
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error;
        // A disk that is not mounted holds nothing either.
        await stat(path);
        return undefined;
      }
    },
    async remove(key) {
      await rm(place(key), { force: true });
    },
  };
}

function objects(bucket: string, prefix: string, s3: () => Promise<S3Client>): SpillStore {
  const place = (key: string) => ({ Bucket: bucket, Key: `${prefix}${key}` });
  const sdk = () => Promise.all([s3(), import('@aws-sdk/client-s3')]);
  return {
    async put(key, lines, signal) {
      const [client, { PutObjectCommand }] = await sdk();
      const put = new PutObjectCommand({ ...place(key), Body: lines, ContentType: 'application/jsonlines' });
      await limited(signal, (options) => client.send(put, options));
    },
    async get(key, signal) {
      const [client, { GetObjectCommand }] = await sdk();
      try {
        return await limited(signal, async (options) => {
          const { Body } = await client.send(new GetObjectCommand(place(key)), options);
          return Buffer.from((await Body?.transformToByteArray()) ?? []);
        });
      } catch (error) {
        signal.throwIfAborted();
        if (await isMissing(client, bucket, `${prefix}${key}`, error, signal)) return undefined;
        throw error;
      }
    },
    async remove(key, signal) {
      const [client, { DeleteObjectCommand }] = await sdk();
      await limited(signal, (options) => client.send(new DeleteObjectCommand(place(key)), options));
    },
  };
}
