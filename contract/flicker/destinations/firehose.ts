import { z } from 'zod';
import { strictObject, text, type SettingsMode } from '../../settings';
import { awsRegion, delivery, includeId } from './common';

/** Records of a Firehose stream. */
export function firehoseDestination(mode: SettingsMode) {
  return strictObject({
    type: z.literal('firehose'),
    delivery_stream: text(
      mode,
      (value) => /^[A-Za-z0-9_.-]{1,64}$/.test(value),
      'the name of a Firehose stream: at most 64 letters, digits and _ . -',
    ).describe('Name of the Firehose stream. Each record ends in a newline.'),
    region: awsRegion('the stream'),
    include_id: includeId(),
    ...delivery(mode),
  });
}
