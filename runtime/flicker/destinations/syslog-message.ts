import type { ShippedRecord } from './record';

/** What all messages of a destination have in common. */
export interface MessageSettings {
  readonly format: 'rfc3164' | 'rfc5424';
  readonly priority: number;
  readonly host: string;
  readonly tag: string;
  readonly maxBytes: number;
}

/** The number that RFC 5612 gives to documentation, as the specification's own examples have it. */
const SD_ID = 'flicker@32473';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * The messages of a record: one, or numbered parts of a line that is longer than a message may be. Nothing in a line can
 * end a message: control characters are written as `#` and three octal digits, as rsyslog does.
 */
export function syslogMessages(record: ShippedRecord, sentAt: number, settings: MessageSettings): Buffer[] {
  const head = settings.format === 'rfc3164' ? head3164 : head5424;
  const text = Buffer.from(printable(record.line));
  const whole = Buffer.from(head(record, sentAt, settings, ''));
  if (whole.length + text.length <= settings.maxBytes) return [Buffer.concat([whole, text])];
  const fit = (parts: number) => {
    const longest = Buffer.byteLength(head(record, sentAt, settings, `${parts}/${parts}`));
    // A head may be longer than a message, when the path is: then there is little text in each.
    return pieces(text, Math.max(settings.maxBytes - longest, 128));
  };
  let parts = fit(10);
  if (parts.length > 9) parts = fit(100_000);
  return parts.map((part, i) =>
    Buffer.concat([Buffer.from(head(record, sentAt, settings, `${i + 1}/${parts.length}`)), part]),
  );
}

function head3164({ path, time }: ShippedRecord, sentAt: number, settings: MessageSettings, part: string): string {
  const { priority, host, tag } = settings;
  const mark = part && ` part ${part}`;
  return `<${priority}>${time3164(time, sentAt)} ${host} ${tag}: [${printable(path)}${mark}] `;
}

/** Local time, as the format has no zone. */
function time3164(time: string | undefined, sentAt: number): string {
  const at = new Date(time ?? sentAt);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = String(at.getDate()).padStart(2);
  return `${MONTHS[at.getMonth()]} ${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function head5424(record: ShippedRecord, sentAt: number, settings: MessageSettings, part: string): string {
  const { path, id, time, attributes } = record;
  const params = Object.entries({ path, ...(id !== undefined && { id }), ...(part && { part }), ...attributes })
    .filter(([name]) => /^[!#-<>-\\^-~]{1,32}$/.test(name))
    .map(([name, value]) => ` ${name}="${printable(value).replace(/["\\\]]/g, '\\$&')}"`);
  // At most six digits of a second.
  const at = (time ?? new Date(sentAt).toISOString()).replace(/(\.\d{6})\d+/, '$1');
  const { priority, host, tag } = settings;
  return `<${priority}>1 ${at} ${host} ${tag} - - [${SD_ID}${params.join('')}] `;
}

function printable(text: string): string {
  return text.replace(/[\0-\x1f\x7f]/g, (char) => `#${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

/** Cuts between characters. */
function pieces(text: Buffer, size: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < text.length;) {
    let end = Math.min(at + size, text.length);
    while (end < text.length && ((text[end] ?? 0) & 0xc0) === 0x80) end--;
    parts.push(text.subarray(at, end));
    at = end;
  }
  return parts;
}
