/** The S3 endpoint of Google Cloud Storage. */
export const GOOGLE_STORAGE = 'https://storage.googleapis.com';

/** Why there is no `ha` with a registry in it. */
export const NO_HA_ON_GOOGLE =
  'a single instance: conditional writes, of which ha is made, do not work through the S3 endpoint of Cloud Storage';
