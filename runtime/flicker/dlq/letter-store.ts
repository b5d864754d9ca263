import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import type { DeadLetterConfig } from '../../../contract';
import { errorCode } from '../../core/errors';

/** Where letters go that were replayed, below the place of all. */
const REPLAYED = 'replayed/';
/** `<source>/<hash>.jsonl`: what is named otherwise is no letter. */
const NAME = /^[^/]+\/[0-9a-f]{40}\.jsonl$/;

export interface StoredLetter {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly writtenAt: number;
}

/** The files of dead letters of one place. */
export interface LetterStore {
  /** The place, for people. */
  readonly location: string;
  /** Those that were not replayed, newest first. */
  list(): Promise<StoredLetter[]>;
  /** Undefined: it is not there. */
  read(name: string): Promise<Buffer | undefined>;
  /** Takes one out of the list for good. */
  settle(name: string, how: 'move' | 'delete'): Promise<void>;
}

export function createLetterStore(location: DeadLetterConfig, s3: () => Promise<S3Client>): LetterStore {
  return 'path' in location ? folder(location.path) : objects(location.bucket, location.prefix, s3);
}

const newestFirst = (letters: StoredLetter[]) => letters.sort((a, b) => b.writtenAt - a.writtenAt);

function folder(path: string): LetterStore {
  return {
    location: path,
    async list() {
      const names = await readdir(path, { recursive: true }).catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return [];
        throw error;
      });
      const letters = names.filter((name) => NAME.test(name));
      return newestFirst(
        await Promise.all(
          letters.map(async (name) => {
            const { size, mtimeMs } = await stat(join(path, name));
            return { name, bytes: size, writtenAt: mtimeMs };
          }),
        ),
      );
    },
    async read(name) {
      try {
        return await readFile(join(path, name));
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    async settle(name, how) {
      if (how === 'delete') return rm(join(path, name));
      const target = join(path, REPLAYED, name);
      await mkdir(dirname(target), { recursive: true });
      await rename(join(path, name), target);
    },
  };
}

function objects(bucket: string, prefix: string, s3: () => Promise<S3Client>): LetterStore {
  const sdk = () => Promise.all([s3(), import('@aws-sdk/client-s3')]);
  const place = (name: string) => ({ Bucket: bucket, Key: `${prefix}${name}` });
  return {
    location: `s3://${bucket}/${prefix}`,
    async list() {
      const [client, { paginateListObjectsV2 }] = await sdk();
      const letters: StoredLetter[] = [];
      for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix })) {
        for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
          const name = Key.slice(prefix.length);
          if (NAME.test(name)) letters.push({ name, bytes: Size, writtenAt: LastModified?.getTime() ?? 0 });
        }
      }
      return newestFirst(letters);
    },
    async read(name) {
      const [client, { GetObjectCommand, NoSuchKey }] = await sdk();
      try {
        const { Body } = await client.send(new GetObjectCommand(place(name)));
        return Buffer.from((await Body?.transformToByteArray()) ?? []);
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },
    async settle(name, how) {
      const [client, { CopyObjectCommand, DeleteObjectCommand }] = await sdk();
      if (how === 'move') {
        const CopySource = encodeURIComponent(`${bucket}/${prefix}${name}`);
        await client.send(new CopyObjectCommand({ ...place(`${REPLAYED}${name}`), CopySource }));
      }
      await client.send(new DeleteObjectCommand(place(name)));
    },
  };
}
