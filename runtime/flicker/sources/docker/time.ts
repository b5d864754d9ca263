const written = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** A time as positions hold it: RFC 3339 in UTC with nine decimals, so that texts compare as times do. */
export function normalTime(text: string): string | undefined {
  const [, seconds = '', decimals = '', zone] = written.exec(text) ?? [];
  if (zone === undefined) return undefined;
  const utc = zone === 'Z' ? seconds : utcOf(`${seconds}${zone}`);
  return utc === undefined ? undefined : `${utc}.${decimals.padEnd(9, '0')}Z`;
}

function utcOf(text: string): string | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString().slice(0, 19);
}

/** A time in milliseconds since the epoch as positions hold it. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000000Z');
}

/** Nanoseconds since the epoch, as digits. */
export function nanoseconds(time: string): string {
  return `${seconds(time)}${time.slice(20, 29)}`;
}

/** Seconds since the epoch with nine decimals, as the daemon takes them; `slack`: whole seconds earlier. */
export function sinceOf(time: string, slack: number): string {
  return `${Math.max(0, seconds(time) - slack)}.${time.slice(20, 29)}`;
}

const seconds = (time: string) => Math.floor(Date.parse(`${time.slice(0, 19)}Z`) / 1000);
