import type { S3Client } from '@aws-sdk/client-s3';
import { awsFailure, limited } from './aws-request';

/**
 * Whether a request for an object has failed because there is none. S3 answers 404 only to who may list; to others 403, as
 * for an object that may not be read. Whether a right to list that is limited to a prefix counts there, its documentation
 * does not say: the list of that prefix tells.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
 */
export async function isMissing(
  client: S3Client,
  bucket: string,
  key: string,
  error: unknown,
  signal: AbortSignal,
): Promise<boolean> {
  const { status, code } = awsFailure(error, 'S3');
  if (status === 404) return code !== 'NoSuchBucket';
  if (status !== 403) return false;
  const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  try {
    // The key sorts before every longer one.
    const list = new ListObjectsV2Command({ Bucket: bucket, Prefix: key, MaxKeys: 1 });
    const { Contents = [] } = await limited(signal, (options) => client.send(list, options));
    return Contents[0]?.Key !== key;
  } catch {
    return false; // the failure of the request itself says more
  }
}
