import { nanoseconds } from './event-time';
import type { ShippedRecord } from './record';

/** Messages of opentelemetry-proto as their JSON form writes them. */
export type AnyValue =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly arrayValue: { readonly values: readonly AnyValue[] } }
  | { readonly kvlistValue: { readonly values: readonly KeyValue[] } }
  /** Null. */
  | Readonly<Record<string, never>>;

export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

export interface LogRecord {
  /** Absent when nobody knows it. */
  readonly timeUnixNano?: string;
  readonly observedTimeUnixNano: string;
  readonly body: AnyValue;
  readonly attributes: readonly KeyValue[];
}

export const SCOPE = 'flicker';

/** A record as a log record: its id as `log.record.uid`, its attributes, and the members of a JSON line. */
export function logRecord({ path, line, id, time, attributes, fields }: ShippedRecord, observed: string): LogRecord {
  const known = time === undefined ? undefined : nanoseconds(time);
  const own: Record<string, unknown> = {
    ...fields,
    ...attributes,
    [path.includes('://') ? 'url.full' : 'log.file.path']: path,
    ...(id !== undefined && { 'log.record.uid': id }),
  };
  return {
    ...(known !== undefined && { timeUnixNano: String(known) }),
    observedTimeUnixNano: observed,
    body: { stringValue: line },
    attributes: keyValues(own),
  };
}

export const keyValues = (members: Readonly<Record<string, unknown>>): KeyValue[] =>
  Object.entries(members).map(([key, value]) => ({ key, value: anyValue(value) }));

function anyValue(value: unknown): AnyValue {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  if (typeof value === 'object' && value !== null) return { kvlistValue: { values: keyValues({ ...value }) } };
  return {};
}
