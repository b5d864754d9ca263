import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { FirehoseClient } from '@aws-sdk/client-firehose';
import type { KinesisClient } from '@aws-sdk/client-kinesis';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { AwsSettings } from './aws';
import { clientOptions, recordCalls } from './aws-client';
import type { Logger } from './log';
import { createS3Client } from './s3';

/** Clients of a region, the program's own by default. One for each, made and loaded when it is first asked for. */
export interface AwsClients {
  s3(this: void, region?: string): Promise<S3Client>;
  /** The client of the registry's bucket, and of what is kept beside it. */
  registryS3(this: void): Promise<S3Client>;
  cloudWatchLogs(this: void, region?: string): Promise<CloudWatchLogsClient>;
  kinesis(this: void, region?: string): Promise<KinesisClient>;
  firehose(this: void, region?: string): Promise<FirehoseClient>;
  sqs(this: void, region?: string): Promise<SQSClient>;
}

/** `registryRegion`: where the registry's bucket is; the program's own region by default. */
export function awsClients(settings: AwsSettings, log: Logger, registryRegion?: string): AwsClients {
  const s3 = byRegion((region) => createS3Client(settings, log, region));
  return {
    s3,
    registryS3: () => s3(registryRegion),

    cloudWatchLogs: byRegion(async (region) => {
      const { CloudWatchLogsClient } = await import('@aws-sdk/client-cloudwatch-logs');
      const client = new CloudWatchLogsClient(clientOptions(settings, region));
      recordCalls(client, 'logs', log, (input) => ({ resource: { logGroupName: undefined, ...input }.logGroupName }));
      return client;
    }),

    kinesis: byRegion(async (region) => {
      const [{ KinesisClient }, { NodeHttpHandler }] = await Promise.all([
        import('@aws-sdk/client-kinesis'),
        import('@smithy/node-http-handler'),
      ]);
      const options = clientOptions(settings, region);
      // Its own default is HTTP/2, which only consumers need and servers that imitate Kinesis do not speak.
      const requestHandler = new NodeHttpHandler(options.requestHandler);
      const client = new KinesisClient({ ...options, requestHandler });
      recordCalls(client, 'kinesis', log, (input) => {
        const { StreamName, StreamARN } = { StreamName: undefined, StreamARN: undefined, ...input };
        return { resource: StreamARN ?? StreamName };
      });
      return client;
    }),

    firehose: byRegion(async (region) => {
      const { FirehoseClient } = await import('@aws-sdk/client-firehose');
      const client = new FirehoseClient(clientOptions(settings, region));
      recordCalls(client, 'firehose', log, (input) => ({
        resource: { DeliveryStreamName: undefined, ...input }.DeliveryStreamName,
      }));
      return client;
    }),

    sqs: byRegion(async (region) => {
      const { SQSClient } = await import('@aws-sdk/client-sqs');
      const client = new SQSClient(clientOptions(settings, region));
      recordCalls(client, 'sqs', log, (input) => ({ resource: { QueueUrl: undefined, ...input }.QueueUrl }));
      return client;
    }),
  };
}

function byRegion<Client>(make: (region?: string) => Promise<Client>): (region?: string) => Promise<Client> {
  const clients = new Map<string | undefined, Promise<Client>>();
  return (region) => {
    const made = clients.get(region) ?? make(region);
    clients.set(region, made);
    return made;
  };
}
