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
