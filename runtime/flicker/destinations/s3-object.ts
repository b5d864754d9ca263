import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { stateChange, type StateChange } from '../state';
import { gzip } from './gzip';
import { safeName } from './safe-name';

/**
 * One numbered object: records, one a line, and the state change after them. The change stands in the object's metadata;
 * one that is too long for it (S3 allows 2 KB) is the last line of the object, `{"holdfast":{"after":…}}`.
 */

/** Most bytes of metadata, names and values. S3 allows 2 KB; the prefix `x-amz-meta-` does not count on AWS, it may elsewhere. */
const MAX_METADATA = 1950;

const AFTER = 'holdfast-after';
/** Byte at which the trailer line begins; compressed, it is a gzip member of its own. */
const TRAILER = 'holdfast-trailer';
const BATCH = 'holdfast-batch';
const CLUSTER = 'holdfast-cluster';

export type Metadata = Readonly<Record<string, string>>;

/** Key of an object: `<prefix><source>/<number, 12 digits>.jsonl`, `.gz` when compressed. */
export function objectKey(prefix: string, source: string, number: number, compressed: boolean): string {
  return `${prefix}${safeName(source)}/${String(number).padStart(12, '0')}.jsonl${compressed ? '.gz' : ''}`;
}

export interface NewObject {
  readonly body: Buffer;
  readonly metadata: Metadata;
}

export interface ObjectParts {
  readonly source: string;
  readonly number: number;
  readonly lines: Buffer;
  readonly after: StateChange;
  readonly clusterId: string | undefined;
  readonly compressed: boolean;
}

/** Bytes and metadata of an object. The same parts always give the same batch id. */
export async function buildObject(parts: ObjectParts): Promise<NewObject> {
  const { lines, compressed } = parts;
  const after = JSON.stringify(parts.after);
  const identity = JSON.stringify([parts.clusterId ?? null, parts.source, parts.number, after]);
  const metadata: Record<string, string> = {
    [BATCH]: createHash('sha256').update(identity).update('\n').update(lines).digest('hex'),
    ...(parts.clusterId !== undefined && { [CLUSTER]: encodeURIComponent(parts.clusterId) }),
  };
  const body = compressed ? await gzip(lines) : lines;
  const encoded = Buffer.from(after).toString('base64url');
  const short = { ...metadata, [AFTER]: encoded };
  if (Object.entries(short).flat().join('').length <= MAX_METADATA) return { body, metadata: short };
  const line = Buffer.from(`{"holdfast":{"after":${after}}}\n`);
  const trailer = compressed ? await gzip(line) : line;
  return { body: Buffer.concat([body, trailer]), metadata: { ...metadata, [TRAILER]: String(body.length) } };
}

/** Who wrote an object that was met under a number that one wanted to write. */
export type Writer =
  | { readonly kind: 'same-batch' }
  | { readonly kind: 'same-cluster' }
  | { readonly kind: 'stranger'; readonly reason: string };

/** Tells one's own batch from another writer's, and that from an object of another cluster. */
export function writerOf(found: Metadata, batch: string | undefined, clusterId: string | undefined): Writer {
  if (found[BATCH] === undefined) return { kind: 'stranger', reason: 'it was not written by a log shipper' };
  if (found[BATCH] === batch) return { kind: 'same-batch' };
  const theirs = found[CLUSTER] === undefined ? undefined : decodeURIComponent(found[CLUSTER]);
  if (theirs === clusterId) return { kind: 'same-cluster' };
  return {
    kind: 'stranger',
    reason:
      `it belongs to ${theirs === undefined ? 'a shipper without --track' : `cluster "${theirs}"`}, ` +
      `not to ${clusterId === undefined ? 'a shipper without --track' : `"${clusterId}"`}`,
  };
}

/** The batch id of an object. */
export const batchOf = (metadata: Metadata): string | undefined => metadata[BATCH];

/** Where an object keeps its change. */
export type AfterPlace =
  { readonly kind: 'here'; readonly after: StateChange } | { readonly kind: 'trailer'; readonly offset: number };

/** @throws Error when the metadata cannot be read */
export function placeOfAfter(metadata: Metadata): AfterPlace {
  const encoded = metadata[AFTER];
  if (encoded !== undefined) return { kind: 'here', after: parseAfter(Buffer.from(encoded, 'base64url').toString()) };
  const offset = Number(metadata[TRAILER] ?? Number.NaN);
  if (!Number.isSafeInteger(offset)) throw new Error(`it has neither ${AFTER} nor ${TRAILER} in its metadata`);
  return { kind: 'trailer', offset };
}

/** The lines of an object that are records. @throws Error when it cannot be read */
export function linesOf(bytes: Uint8Array, metadata: Metadata): Buffer {
  const offset = metadata[TRAILER];
  const own = offset === undefined ? bytes : bytes.subarray(0, Number(offset));
  const packed = own[0] === 0x1f && own[1] === 0x8b;
  try {
    return packed ? gunzipSync(own) : Buffer.from(own);
  } catch (error) {
    throw new Error('its records are not readable', { cause: error });
  }
}

const trailerLine = z.object({ holdfast: z.object({ after: stateChange }) });

/** Reads the trailer line from the bytes at its offset. @throws Error when it cannot be read */
export function parseTrailer(bytes: Uint8Array): StateChange {
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return read(trailerLine, (packed ? gunzipSync(bytes) : Buffer.from(bytes)).toString()).holdfast.after;
}

const parseAfter = (text: string): StateChange => read(stateChange, text);

function read<T>(schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error('its state change is not readable', { cause: error });
  }
}
