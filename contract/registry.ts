import type { AwsCall } from './program';

/**
 * The registry: one S3 object that is lease and state of one program instance, and the prefix beside it.
 * The protocol is described in docs/registry.md.
 */

/** Format of the registry object that this version writes. */
export const REGISTRY_FORMAT = 2;

/**
 * Owner of the lease after an edit by hand. The edit grows the epoch, so it fences whoever holds the lease, and leaves it
 * released, so that the next instance takes over at once.
 */
export const REGISTRY_OPERATOR = 'operator';

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

/** What nobody may do to a replica of registries: replication writes by actions of its own. */
export const REPLICA_DENIED_ACTIONS = [REGISTRY_WRITE_ACTION, 's3:DeleteObject'] as const;

/** What replication does with the key of the copies. */
export const REPLICA_KEY_ACTIONS = ['kms:Encrypt', 'kms:GenerateDataKey'] as const;

/** The prefix beside a registry is its key without `-registry.json` (or `.json`), and a slash. */
export function layoutOfKey(key: string): RegistryLayout {
  return { key, prefix: `${key.replace(/(-registry)?\.json$/, '')}/` };
}

/** The registry of one node's own files, below the prefix beside the cluster's. */
export function nodeRegistryLayout({ prefix }: RegistryLayout, nodeId: string): RegistryLayout {
  return layoutOfKey(`${nodesPrefix({ prefix })}${encodeURIComponent(nodeId)}-registry.json`);
}

/** Turns the key of a node's registry into one with the prefix of its cluster's; any other key stays as it is. */
export function clusterKey(key: string): string {
  return key.replace(/(?<=.)\/nodes\/[^/]+(?=-registry\.json$)/, '');
}

/** What the keys of all nodes' registries begin with. */
export function nodesPrefix({ prefix }: Pick<RegistryLayout, 'prefix'>): string {
  return `${prefix}nodes/`;
}

/** The object that the conditional writes of a store are tried on, beside a registry. It holds nothing and stays. */
export function probeKey(layout: RegistryLayout): string {
  return `${nodesPrefix(layout)}probe.json`;
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

/** The calls that an instance makes besides, when it is one of several on one registry. */
export function registryHaCalls(bucket: string, layout: RegistryLayout): AwsCall[] {
  const nodes = `${nodesPrefix(layout)}*`;
  const objects = { type: 's3-object', bucket, key: nodes } as const;
  const listed = { type: 's3-list', bucket, prefix: nodes } as const;
  return [
    {
      operation: 'GetObject',
      action: 's3:GetObject',
      resource: objects,
      why: "loads the registry of this node's own files and those of vanished nodes, and what conditional writes are tried on",
    },
    {
      operation: 'PutObject',
      action: REGISTRY_WRITE_ACTION,
      resource: objects,
      why: "saves the registry of this node's own files, takes spilled batches off that of a vanished node, and tries conditional writes",
    },
    {
      operation: 'ListObjectsV2',
      action: 's3:ListBucket',
      resource: listed,
      why: 'finds what vanished nodes have spilled; lets S3 answer 404 instead of 403 for a node registry that is not there yet',
    },
    {
      operation: 'ListObjectVersions',
      action: 's3:ListBucketVersions',
      resource: listed,
      why: 'tells a node registry that never was from one that was deleted, when a read is answered 403',
    },
  ];
}

/** The calls that a person makes who reads a copy of a registry, and what is kept beside it, to promote it. */
export function registryReadCalls(bucket: string, layout: RegistryLayout): AwsCall[] {
  const reads = registryCalls(bucket, layout).filter(({ operation }) =>
    ['GetObject', 'ListObjectsV2'].includes(operation),
  );
  return [...reads, ...besideReadCalls(bucket, layout)];
}

/**
 * The calls that a person makes who looks into the history of a registry, edits and moves it, and sends dead letters again:
 * those of the protocol, and more.
 */
export function registryOperatorCalls(bucket: string, layout: RegistryLayout): AwsCall[] {
  const beside = { type: 's3-object', bucket, key: `${layout.prefix}*` } as const;
  return [
    ...registryCalls(bucket, layout),
    {
      operation: 'GetObject',
      action: 's3:GetObjectVersion',
      resource: { type: 's3-object', bucket, key: layout.key },
      why: 'reads an earlier version of the registry',
    },
    ...besideReadCalls(bucket, layout),
    {
      operation: 'PutObject',
      action: 's3:PutObject',
      resource: beside,
      why: 'carries spilled batches, sets dead letters aside that were sent again, and tries conditional writes',
    },
    {
      operation: 'DeleteObject',
      action: 's3:DeleteObject',
      resource: beside,
      why: 'removes dead letters that were sent again',
    },
  ];
}

function besideReadCalls(bucket: string, layout: RegistryLayout): AwsCall[] {
  const keys = `${layout.prefix}*`;
  return [
    {
      operation: 'GetObject',
      action: 's3:GetObject',
      resource: { type: 's3-object', bucket, key: keys },
      why: 'reads what is kept beside the registry: dead letters and spilled batches',
    },
    {
      operation: 'ListObjectsV2',
      action: 's3:ListBucket',
      resource: { type: 's3-list', bucket, prefix: keys },
      why: 'lists dead letters and spilled batches',
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
  /** Fields: holder, epoch. */
  standby: 'registry.standby',
  /** The lease was not renewed in time: all work stopped. */
  expired: 'registry.expired',
  /** A standby cannot read the registry, or not take it over, and can again. */
  unreadable: 'registry.unreadable',
  readable: 'registry.readable',
  /** A store without conditional writes is used by a single instance. */
  unfenced: 'registry.unfenced',
} as const;
