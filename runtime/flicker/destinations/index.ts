import { parseQueueUrl, parseStreamArn, type DestinationConfig } from '../../../contract/flicker';
import type { AwsClients } from '../../core/aws-clients';
import type { Clock } from '../../core/clock';
import type { Destination } from '../destination';
import { createCloudWatchLogsDestination } from './cloudwatch-logs';
import { createDatadogDestination } from './datadog';
import { createElasticsearchDestination } from './elasticsearch';
import { createFileDestination } from './file';
import { createFirehoseDestination } from './firehose';
import { createHttpDestination } from './http';
import { createKinesisDestination } from './kinesis';
import { createLokiDestination } from './loki';
import { createOtlpDestination } from './otlp';
import { createS3Destination } from './s3';
import { createSplunkHecDestination } from './splunk-hec';
import { createSqsDestination } from './sqs';
import { createStdoutDestination } from './stdout';
import { createSyslogDestination } from './syslog';

/** What destinations are made with. */
export interface DestinationContext extends AwsClients {
  readonly clock: Clock;
  /** The cluster id of the registry; numbered objects carry it. */
  readonly clusterId?: string | undefined;
  /** Where the program runs. */
  readonly nodeId: string;
  /** @default process.stdout */
  readonly stdout?: NodeJS.WriteStream;
}

/** Makes a source's destination and checks what can be checked now. @throws Error saying what to change */
export async function createDestination(config: DestinationConfig, context: DestinationContext): Promise<Destination> {
  switch (config.type) {
    case 'http':
      return createHttpDestination(config, context.clock);
    case 'syslog':
      return createSyslogDestination(config, context.clock);
    case 'elasticsearch':
    case 'opensearch':
      return createElasticsearchDestination(config, context.clock);
    case 'loki':
      return createLokiDestination(config, context.clock);
    case 'otlp':
      return createOtlpDestination(config, context.clock);
    case 'splunk_hec':
      return createSplunkHecDestination(config, context.clock);
    case 'datadog':
      return createDatadogDestination(config, context.clock);
    case 's3':
      return createS3Destination(config, await context.s3(config.region), context.clusterId);
    case 'file':
      return createFileDestination(config);
    case 'stdout':
      return createStdoutDestination(context.stdout ?? process.stdout);
    case 'cloudwatch_logs': {
      const client = await context.cloudWatchLogs(config.region);
      return createCloudWatchLogsDestination(config, client, context.nodeId, context.clock);
    }
    case 'kinesis': {
      const region = config.region ?? parseStreamArn(config.stream)?.region;
      return createKinesisDestination(config, await context.kinesis(region));
    }
    case 'firehose':
      return createFirehoseDestination(config, await context.firehose(config.region));
    case 'sqs': {
      const region = config.region ?? parseQueueUrl(config.queue_url)?.region;
      return createSqsDestination(config, await context.sqs(region));
    }
  }
}
