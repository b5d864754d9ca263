import type { Records } from '../batch';

/** An event as the source put it into a batch. */
export interface ShippedRecord {
  readonly path: string;
  readonly line: string;
  /** The same whenever the event is read again. */
  readonly id?: string;
  /** The event's own time: RFC 3339, up to nanoseconds. */
  readonly time?: string;
  /** By their OpenTelemetry names. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** The object that the line holds. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** One record of a batch, decoded: for destinations whose requests have a shape of their own. */
export function decode(records: Records, index: number): ShippedRecord {
  // The bytes are the program's own.
  return JSON.parse(records.record(index).toString()) as ShippedRecord;
}

const FIELDS = ',"fields":{';

/** A JSON object, and behind its members the `fields` of a record that was decoded. */
export function withFields(members: object, records: Records, index: number, fields: ShippedRecord['fields']): string {
  const json = JSON.stringify(members);
  if (fields === undefined) return json;
  const head = json.slice(0, -1);
  const rounded = JSON.stringify(fields);
  if (!/\d{16}/.test(rounded)) return `${head},"fields":${rounded}}`;
  // Longer numbers than JavaScript keeps stay as they were written. They come last; quotes within a text are escaped, and
  // no member before them is an object of that name.
  const record = records.record(index).toString();
  return head + record.slice(record.indexOf(FIELDS));
}

/** All records of a batch, decoded. */
export function decodeAll(records: Records): ShippedRecord[] {
  return Array.from({ length: records.count }, (_, index) => decode(records, index));
}
