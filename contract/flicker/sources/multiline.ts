import { z } from 'zod';
import { duration, size, strictObject, type SettingsMode } from '../../settings';
import { longLines } from './long-lines';

/** Which lines belong to one event. */
export function multilineSchema(mode: SettingsMode) {
  return strictObject({
    start_pattern: z
      .string()
      .min(1)
      .optional()
      .describe('An event begins at a line that matches this pattern (RE2 syntax); the others continue it.'),
    continuation_pattern: z
      .string()
      .min(1)
      .optional()
      .describe('A line that matches this pattern (RE2 syntax) continues the event before it; the others begin one.'),
    timeout_ms: duration(mode, { min: 10 })
      .prefault(5000)
      .describe('An event to which nothing was added for this long is complete.'),
    max_lines: z
      .int()
      .min(1)
      .max(100_000)
      .default(500)
      .describe('Most lines of an event; the next line begins another.'),
    max_bytes: size(mode, { min: 1024, max: longLines.bytes })
      .prefault(longLines.bytes)
      .describe('Most bytes of an event; the next line begins another.'),
  }).superRefine(({ start_pattern, continuation_pattern }, context) => {
    if ((start_pattern === undefined) !== (continuation_pattern === undefined)) return;
    const message = 'give either start_pattern or continuation_pattern';
    context.addIssue({ code: 'custom', path: [], input: undefined, message });
  });
}

export type MultilineConfig = z.output<ReturnType<typeof multilineSchema>>;
