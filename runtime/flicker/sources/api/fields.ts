import { hash } from 'node:crypto';

/** The value at a dot path. A key that holds the dots itself wins. */
export function fieldAt(value: unknown, path: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Object.hasOwn(value, path)) return Reflect.get(value, path);
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
    const head = path.slice(0, dot);
    if (!Object.hasOwn(value, head)) continue;
    const found = fieldAt(Reflect.get(value, head), path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The id that the vendor gave an entry: the fields at these paths. A number that JSON parsing may have rounded is none, and an
 * entry that lacks a field has no id.
 */
export function vendorId(entry: unknown, paths: readonly string[]): string | undefined {
  const parts = paths.map((path) => idPart(fieldAt(entry, path)));
  const known = parts.filter((part) => part !== undefined);
  return known.length === 0 || known.length < parts.length ? undefined : known.join('/');
}

function idPart(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : undefined;
}

/** The text of an entry: its message field, or the entry as JSON. */
export function lineOf(entry: unknown, messageField: string | undefined): string {
  const message = messageField === undefined ? undefined : fieldAt(entry, messageField);
  if (typeof message === 'string') return message;
  return JSON.stringify(message ?? entry);
}

const KEY_LENGTH = 11;

/** 66 bits of a hash: tells entries of one source apart in a position. */
export function keyOf(id: string): string {
  return digest(id).slice(0, KEY_LENGTH);
}

/** Hash of an entry's content; the order of keys does not matter, as some servers change it from answer to answer. */
export function contentHash(entry: unknown): string {
  return digest(canonical(entry));
}

/** The id of the entry that has `occurrence` equals before it. */
export function occurrenceId(content: string, occurrence: number): string {
  return occurrence === 0 ? content : digest(`${content}#${occurrence}`);
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 22);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`;
}
