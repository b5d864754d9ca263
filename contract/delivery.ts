import type { AwsCall } from './program';

/** How a container gets the runtime: what the init container is told, and where the bundle lies afterwards. */
export const bundleEnvironment = {
  /** `s3://bucket/key` of the bundle asset. */
  url: 'HOLDFAST_BUNDLE_URL',
  /** SHA-256 of its content, hexadecimal. */
  sha256: 'HOLDFAST_BUNDLE_SHA256',
  /** Absolute path that it is copied to. */
  target: 'HOLDFAST_BUNDLE_TARGET',
} as const;

/** Folder of the task volume that holds the bundle. */
export const BUNDLE_FOLDER = '/holdfast';

/** Absolute path of a program's bundle in its container. */
export function bundlePath(program: string): string {
  return `${BUNDLE_FOLDER}/${program}.mjs`;
}

/** Images of the default delivery, by exact tags: the one that runs a bundle and the one that copies it. */
export const runtimeImages = {
  node: { repository: 'public.ecr.aws/docker/library/node', tag: '24.21.0-bookworm-slim' },
  awsCli: { repository: 'public.ecr.aws/aws-cli/aws-cli', tag: '2.36.44' },
} as const;

/**
 * How a container starts Node. A young generation of 1 MiB keeps a shipper that reads files within 128 MiB, and costs it no
 * speed. Optimizing the WebAssembly parser of the HTTP client would take 20 MiB for a moment and gain nothing. A heap that
 * grows by half between collections, whatever the machine's memory, keeps 20 busy API sources within 200 MiB.
 */
export const nodeCommand = ['node', '--max-semi-space-size=1', '--liftoff-only', '--heap-growing-percent=50'] as const;

/** What ECS asks of the task role when it mounts a file system with IAM, to be read. */
export const FILE_SYSTEM_MOUNT_ACTION = 'elasticfilesystem:ClientMount';

/** The calls that the init container makes to copy a bundle. */
export function bundleCalls(bucket: string, key: string): AwsCall[] {
  return [
    {
      operation: 'GetObject',
      action: 's3:GetObject',
      resource: { type: 's3-object', bucket, key },
      why: 'copies the runtime bundle into the task',
    },
  ];
}
