import type { S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '../core/clock';
import { OperatorError } from './operate';
import { failureOf, unpack } from './s3-store';
import { withTimeout } from './timing';

/** Longest time for one request: a version may be large, and no shipper waits for it. */
const TIMEOUT_MS = 60_000;

/** One version of an object, as S3 lists it. */
export interface StoredVersion {
  readonly id: string;
  /** When S3 stored it, by its own clock, in milliseconds. */
  readonly storedAt: number;
  /** A deletion; there is nothing to read. */
  readonly deleted: boolean;
}

/** The versions of one object in a versioned bucket. */
export interface History {
  /** Newest first. @throws OperatorError that says what S3 answered */
  versions(signal: AbortSignal): AsyncGenerator<StoredVersion, void>;
  /** @throws OperatorError that says what S3 answered */
  read(version: StoredVersion, signal: AbortSignal): Promise<Uint8Array>;
}

export async function createS3History(client: S3Client, bucket: string, key: string, clock: Clock): Promise<History> {
  const { GetObjectCommand, ListObjectVersionsCommand } = await import('@aws-sdk/client-s3');
  const explained = <T>(signal: AbortSignal, call: (limit: AbortSignal) => Promise<T>): Promise<T> =>
    withTimeout(clock, TIMEOUT_MS, signal, async (limit) => {
      try {
        return await call(limit);
      } catch (error) {
        const { kind, reason } = failureOf(error, limit);
        const needs = kind === 'denied' ? '; it needs s3:ListBucketVersions and s3:GetObjectVersion' : '';
        throw new OperatorError(`cannot read the history of s3://${bucket}/${key}: ${reason}${needs}`);
      }
    });

  return {
    async *versions(signal) {
      let from: { KeyMarker?: string; VersionIdMarker?: string } = {};
      for (;;) {
        const command = new ListObjectVersionsCommand({ Bucket: bucket, Prefix: key, ...from });
        const page = await explained(signal, (abortSignal) => client.send(command, { abortSignal }));
        const found = [
          ...(page.Versions ?? []).map((entry) => ({ ...entry, deleted: false })),
          ...(page.DeleteMarkers ?? []).map((entry) => ({ ...entry, deleted: true })),
        ];
        // The key sorts before every longer one that it is a prefix of, and its newest version comes first.
        const own = found.flatMap(({ Key, VersionId, LastModified, deleted, IsLatest }) =>
          Key === key && VersionId !== undefined
            ? [{ id: VersionId, storedAt: LastModified?.getTime() ?? 0, deleted, newest: IsLatest === true }]
            : [],
        );
        own.sort((a, b) => Number(b.newest) - Number(a.newest) || b.storedAt - a.storedAt);
        for (const { id, storedAt, deleted } of own) yield { id, storedAt, deleted };
        const next = page.NextKeyMarker;
        if (!page.IsTruncated || next === undefined || next > key) return;
        from = { KeyMarker: next, ...(page.NextVersionIdMarker && { VersionIdMarker: page.NextVersionIdMarker }) };
      }
    },

    read: ({ id }, signal) =>
      explained(signal, async (abortSignal) => {
        const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key, VersionId: id }), {
          abortSignal,
        });
        return unpack((await answer.Body?.transformToByteArray()) ?? new Uint8Array());
      }),
  };
}
