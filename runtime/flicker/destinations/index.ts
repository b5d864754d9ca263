import type { S3Client } from '@aws-sdk/client-s3';
import type { DestinationConfig } from '../../../contract/flicker';
import type { Clock } from '../../core/clock';
import type { Destination } from '../destination';
import { createFileDestination } from './file';
import { createHttpDestination } from './http';
import { createS3Destination } from './s3';
import { createStdoutDestination } from './stdout';

/** What destinations are made with. */
export interface DestinationContext {
  readonly clock: Clock;
  /** The cluster id of the registry; numbered objects carry it. */
  readonly clusterId?: string | undefined;
  /** A client for buckets in a region, the program's own by default, with `maxAttempts` 1. Called only where one is needed. */
  readonly s3: (region?: string) => Promise<S3Client>;
  /** @default process.stdout */
  readonly stdout?: NodeJS.WriteStream;
}

/** Makes a source's destination and checks what can be checked now. @throws Error saying what to change */
export async function createDestination(config: DestinationConfig, context: DestinationContext): Promise<Destination> {
  switch (config.type) {
    case 'http':
      return createHttpDestination(config, context.clock);
    case 's3':
      return createS3Destination(config, await context.s3(config.region), context.clusterId);
    case 'file':
      return createFileDestination(config);
    case 'stdout':
      return createStdoutDestination(context.stdout ?? process.stdout);
  }
}
