import type { S3Client } from '@aws-sdk/client-s3';
import { coreEvents } from '../../contract/core';
import type { AwsSettings } from './aws';
import type { Logger } from './log';

const CONNECT_TIMEOUT_MS = 3000;

/**
 * An S3 client that never retries by itself: every caller knows which attempt an answer belongs to, and says with a signal
 * how long it may take. Each call is logged at level debug. The SDK is loaded here and not before.
 */
export async function createS3Client(settings: AwsSettings, log: Logger, region?: string): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const own = region ?? settings.region ?? (settings.endpoint ? 'us-east-1' : undefined);
  const client = new S3Client({
    ...(own && { region: own }),
    ...(settings.endpoint && { endpoint: settings.endpoint }),
    forcePathStyle: settings.forcePathStyle,
    maxAttempts: 1,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS },
    // Servers that imitate S3 do not all know the newer checksums (aws-sdk-js-v3 #6810).
    ...(settings.endpoint && {
      requestChecksumCalculation: 'WHEN_REQUIRED' as const,
      responseChecksumValidation: 'WHEN_REQUIRED' as const,
    }),
  });
  client.middlewareStack.add(
    (next, context) => (args) => {
      const { Bucket, Key, Prefix } = { Bucket: '', Key: undefined, Prefix: undefined, ...args.input };
      const operation = String(context.commandName ?? '').replace(/Command$/, '');
      log.debug(coreEvents.awsCall, `s3 ${operation}`, { operation, bucket: Bucket, key: Key, prefix: Prefix });
      return next(args);
    },
    { step: 'initialize', name: 'logCalls' },
  );
  return client;
}
