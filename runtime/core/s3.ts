import type { S3Client } from '@aws-sdk/client-s3';
import type { AwsSettings } from './aws';
import { clientOptions, recordCalls } from './aws-client';
import type { Logger } from './log';

/** An S3 client. The SDK is loaded here and not before. */
export async function createS3Client(settings: AwsSettings, log: Logger, region?: string): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client({
    ...clientOptions(settings, region),
    forcePathStyle: settings.forcePathStyle,
    // Servers that imitate S3 do not all know the newer checksums (aws-sdk-js-v3 #6810).
    ...(settings.endpoint && {
      requestChecksumCalculation: 'WHEN_REQUIRED' as const,
      responseChecksumValidation: 'WHEN_REQUIRED' as const,
    }),
  });
  recordCalls(client, 's3', log, (input) => {
    const { Bucket, Key, Prefix } = { Bucket: '', Key: undefined, Prefix: undefined, ...input };
    return { bucket: Bucket, key: Key, prefix: Prefix };
  });
  return client;
}
