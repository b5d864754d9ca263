import type { EntryTime, RequestTime } from '../../../../contract/flicker';

const dateTime =
  /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d+))?\s?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/;

/** Numbers below each bound are in that unit: the bounds lie in the year 5138 of the smaller and 1973 of the larger. */
const magnitudes = [
  { below: 1e11, perMs: 1e-3 },
  { below: 1e14, perMs: 1 },
  { below: 1e17, perMs: 1e3 },
  { below: 1e20, perMs: 1e6 },
] as const;

const units = { unix: 1e-3, unix_ms: 1, unix_us: 1e3 } as const;

/** The time of an entry in milliseconds since the epoch; undefined when it cannot be read. */
export function readTime(value: unknown, format: EntryTime): number | undefined {
  const number = typeof value === 'number' ? value : numberIn(value);
  switch (format) {
    case 'rfc3339':
      return typeof value === 'string' ? readDate(value) : undefined;
    case 'unix':
    case 'unix_ms':
    case 'unix_us':
      return valid(number === undefined ? undefined : number / units[format]);
    case 'auto': {
      if (number === undefined) return typeof value === 'string' ? readDate(value) : undefined;
      const magnitude = magnitudes.find(({ below }) => number < below);
      return valid(magnitude && number / magnitude.perMs);
    }
  }
}

/** A time as a request carries it. */
export function writeTime(ms: number, format: RequestTime): string | number {
  const time = Math.max(0, ms);
  switch (format) {
    case 'unix':
      return Math.floor(time / 1000);
    case 'unix_ms':
      return time;
    case 'rfc3339':
      return new Date(time).toISOString();
    case 'rfc3339_seconds':
      return `${new Date(time).toISOString().slice(0, 19)}Z`;
    case 'date':
      return new Date(time).toISOString().slice(0, 10);
  }
}

function numberIn(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d+(\.\d+)?$/.test(value.trim()) ? Number(value) : undefined;
}

/** RFC 3339 and its near relatives; a time without a zone is UTC, whatever the zone of this machine. */
function readDate(text: string): number | undefined {
  const match = dateTime.exec(text.trim());
  if (!match) return undefined;
  const [, date, time = '00:00', fraction = '0', zone = 'Z'] = match;
  const offset = /^z$/i.test(zone) ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}`;
  const seconds = time.length === 5 ? `${time}:00` : time;
  return valid(Date.parse(`${date}T${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`));
}

function valid(ms: number | undefined): number | undefined {
  return ms !== undefined && ms > 0 && ms <= 8.64e15 ? Math.floor(ms) : undefined;
}
