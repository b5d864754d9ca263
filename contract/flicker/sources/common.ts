import { z } from 'zod';
import { duration, size, strictObject, type SettingsMode } from '../../settings';
import { destinationKeys } from '../destinations';
import { maskingSchema } from '../masking';

const patterns = (what: string) => z.array(z.string()).default([]).describe(what);

/** How a line that is a JSON object is read. */
const parseJsonSchema = () =>
  strictObject({
    message_field: z
      .string()
      .min(1)
      .optional()
      .describe('Dot path to the text that becomes the line; the line as it is by default.'),
    timestamp_field: z.string().min(1).optional().describe("Dot path to the event's own time."),
    timestamp_format: z
      .enum(['auto', 'rfc3339', 'unix', 'unix_ms', 'unix_us'])
      .default('auto')
      .describe('How that time is written; `auto` tells by its form and magnitude.'),
  });

export type ParseJsonConfig = z.output<ReturnType<typeof parseJsonSchema>>;

/** What every source can be told. `polling`: the default interval in milliseconds. */
export function commonKeys(mode: SettingsMode, polling: number) {
  return {
    polling_frequency_ms: duration(mode, { min: 10 }).prefault(polling).describe('How often the source is read.'),
    ...destinationKeys(mode, 'Where the events go; the top-level destinations by default.'),
    buffer_size: z.int().min(1).default(100).describe('Send when this many events wait.'),
    flush_interval_ms: duration(mode).prefault(30_000).describe('Send what waits after this long.'),
    batch_max_events: z.int().min(1).max(100_000).default(5000).describe('Most events in one request.'),
    batch_max_bytes: size(mode, { min: 1024, max: 64 * 1024 ** 2 })
      .prefault(1024 ** 2)
      .describe('Most bytes in one request, before compression. One larger event travels alone.'),
    match_on: patterns('Keep only events that match one of these patterns (RE2 syntax). Empty keeps all.'),
    exclude_on: patterns('Drop events that match one of these patterns; applied after `match_on`.'),
    parse_json: z
      .union([z.boolean(), parseJsonSchema()])
      .default(false)
      .describe(
        'Send the members of a line that is a JSON object as `fields`. Other lines are sent as they are, and counted.',
      ),
    masking: maskingSchema().optional().describe('Replaces personal data and secrets before events leave.'),
  };
}
