import { z } from 'zod';
import { httpUrl, strictObject, type SettingsMode } from '../../settings';
import { awsRegion, delivery, includeId } from './common';

/** A queue's parts when its URL is one of AWS'. */
export function parseQueueUrl(url: string): { region: string; account: string; name: string } | undefined {
  const match =
    /^https:\/\/(?:sqs(?:-fips)?\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.[a-z0-9.]+\/(\d{12})\/([A-Za-z0-9_.-]+)$/.exec(
      url,
    );
  const [, region = match?.[2], , account, name] = match ?? [];
  return region !== undefined && account !== undefined && name !== undefined ? { region, account, name } : undefined;
}

/** First-in-first-out queues are those whose name says so. */
export const isFifoQueue = (url: string): boolean => url.endsWith('.fifo');

/** Messages of an SQS queue. */
export function sqsDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('sqs'),
    queue_url: httpUrl(mode).describe(
      'URL of the queue. In a FIFO queue (`….fifo`) a source is a message group, and the id of an event its deduplication id.',
    ),
    region: awsRegion('the queue'),
    include_id: includeId(),
    ...delivery(mode),
  }).refine((sqs) => sqs.include_id || !isFifoQueue(sqs.queue_url), {
    path: ['include_id'],
    error: 'a FIFO queue tells events apart by their ids: leave include_id out, or use a standard queue',
  });
}
