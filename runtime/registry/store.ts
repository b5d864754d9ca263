/** One object that is only ever written by compare-and-swap, and what is kept beside it. */
export interface ObjectStore {
  /** Where the object is, for messages: `s3://bucket/key` or a path. */
  readonly location: string;
  read(signal: AbortSignal): Promise<ReadReply>;
  /** Reads unless the object is still the version of this ETag. */
  readUnless(etag: string, signal: AbortSignal): Promise<ReadReply | { readonly kind: 'unchanged' }>;
  write(body: Uint8Array, condition: WriteCondition, signal: AbortSignal): Promise<WriteReply>;
  /** Keeps bytes under the prefix beside the object, never over something that is there. */
  putBeside(name: string, body: Uint8Array, signal: AbortSignal): Promise<BesideReply>;
}

export type WriteCondition = { readonly ifNoneMatch: '*' } | { readonly ifMatch: string };

export type ReadReply =
  | { readonly kind: 'found'; readonly body: Uint8Array; readonly etag: string }
  /** Never existed. */
  | { readonly kind: 'missing' }
  /** Existed, and somebody deleted it. */
  | { readonly kind: 'deleted' }
  | { readonly kind: 'denied'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

export type WriteReply =
  | { readonly kind: 'committed'; readonly etag: string }
  /** The condition does not hold; after an attempt without an answer, the version met may be one's own. */
  | { readonly kind: 'precondition-failed' }
  /** A concurrent request; nothing is decided. */
  | { readonly kind: 'conflict' }
  /** `ifMatch` on an object that is not there. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'denied'; readonly reason: string }
  /** Surely not written. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** Written or not: only a read can tell. */
  | { readonly kind: 'unknown'; readonly reason: string };

export type BesideReply =
  | { readonly kind: 'kept'; readonly location: string }
  | { readonly kind: 'exists' }
  | { readonly kind: 'failed'; readonly reason: string };
