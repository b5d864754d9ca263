import type { AwsCall } from './program';

/**
 * The registry: one S3 object that is lease and state of one program instance, and the prefix beside it.
 * The protocol is described in docs/registry.md.
 */

/** Format of the registry object that this version writes. */
export const REGISTRY_FORMAT = 2;

/** Where a registry is: the object's key and the prefix for what is kept beside it (dead letters, upgraded files). */
export interface RegistryLayout {
  readonly key: string;
  /** Ends in `/`. */
  readonly prefix: string;
}

/** The key of a program's registry in a shared bucket: `<program>/<stage>/<name>-registry.json`. */
export function registryLayout(program: string, stage: string, name: string): RegistryLayout {
  return layoutOfKey(`${program}/${stage}/${name}-registry.json`);
}

/** What every key of `registryLayout` matches, and only registries should. */
export const REGISTRY_KEY_PATTERN = '*-registry.json';

/** The action that writes a registry; only conditional writes are legitimate. */
export const REGISTRY_WRITE_ACTION = 's3:PutObject';

/** The prefix beside a registry is its key without `-registry.json` (or `.json`), and a slash. */
export function layoutOfKey(key: string): RegistryLayout {
  return { key, prefix: `${key.replace(/(-registry)?\.json$/, '')}/` };
}

/** The identity that a registry belongs to; a program refuses to start on another one's. */
export function clusterId(stage: string, name: string): string {
  return `${stage}/${name}`;
}

/** The calls that the registry protocol makes. */
export function registryCalls(bucket: string, layout: RegistryLayout): AwsCall[] {
  const object = { type: 's3-object', bucket, key: layout.key } as const;
  const listed = { type: 's3-list', bucket, prefix: layout.key } as const;
  return [
    {
      operation: 'GetObject',
      action: 's3:GetObject',
      resource: object,
      why: 'loads the registry; If-Match needs it too',
    },
    {
      operation: 'PutObject',
      action: REGISTRY_WRITE_ACTION,
      resource: object,
      why: 'saves lease and state by compare-and-swap',
    },
    {
      operation: 'ListObjectsV2',
      action: 's3:ListBucket',
      resource: listed,
      why: 'lets S3 answer 404 instead of 403 for a registry that does not exist yet',
    },
    {
      operation: 'ListObjectVersions',
      action: 's3:ListBucketVersions',
      resource: listed,
      why: 'tells a registry that never was from one that was deleted, when a read is answered 403',
    },
  ];
}

/** The calls that an instance makes below the prefix beside its registry. */
export function registryPrefixCalls(bucket: string, layout: RegistryLayout): AwsCall[] {
  return [
    {
      operation: 'PutObject',
      action: 's3:PutObject',
      resource: { type: 's3-object', bucket, key: `${layout.prefix}*` },
      why: 'keeps what belongs beside the registry: dead letters, and the file of an earlier format',
    },
  ];
}

/** The calls that a person makes who looks into the history of a registry and edits it: those of the protocol, and one more. */
export function registryOperatorCalls(bucket: string, layout: RegistryLayout): AwsCall[] {
  return [
    ...registryCalls(bucket, layout),
    {
      operation: 'GetObject',
      action: 's3:GetObjectVersion',
      resource: { type: 's3-object', bucket, key: layout.key },
      why: 'reads an earlier version of the registry',
    },
  ];
}

/** Log events of the registry. */
export const registryEvents = {
  created: 'registry.created',
  loaded: 'registry.loaded',
  upgraded: 'registry.upgraded',
  takenOver: 'registry.taken_over',
  saved: 'registry.saved',
  saveRetried: 'registry.save_retried',
  saveFailed: 'registry.save_failed',
  fenced: 'registry.fenced',
  released: 'registry.released',
  lost: 'registry.lost',
} as const;
