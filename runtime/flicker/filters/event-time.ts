import type { ParseJsonConfig } from '../../../contract/flicker';
import { readTime } from '../sources/api/timestamp';

const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** The time that a line tells, as RFC 3339; undefined when it cannot be read. Nanoseconds that are written stay. */
export function eventTime(value: unknown, format: ParseJsonConfig['timestamp_format']): string | undefined {
  const ms = readTime(value, format);
  if (ms === undefined) return undefined;
  return typeof value === 'string' && rfc3339.test(value) ? value : new Date(ms).toISOString();
}
