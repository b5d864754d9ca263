import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A file of log lines to ship. Each event holds one `~event`. */
export interface Corpus {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly lines: number;
  /** As many as lines, where no line continues another. */
  readonly events: number;
}

/** The text of the nth event, its newlines included. */
type MakeEvent = (n: number) => string;

const pad = (n: number, digits: number) => String(n).padStart(digits, '0');
const time = (n: number) => new Date(1_704_067_200_000 + n * 7).toISOString();

/** 200 bytes with the newline. */
const plain: MakeEvent = (n) =>
  `${time(n)} INFO [worker-${pad(n % 64, 2)}] ~event handled path=/api/v1/items/${pad(n, 9)} status=200 ` +
  `duration=${pad(n % 1000, 3)}ms user=alice bytes=${pad(n % 100_000, 5)} trace=${pad(n, 36)} upstream=10.0.3.17 ok\n`;

const words = 'der Kunde hat die Bestellung überprüft — 注文を確認しました ✓ оплата прошла';

/** 60 % JSON, 15 % CRLF, 15 % non-ASCII, 10 % short; one line in 500 is of 4 to 36 KB. About 200 bytes a line. */
const mixed: MakeEvent = (n) => {
  if (n % 500 === 499) return `${time(n)} DEBUG ~event payload=${'0123456789abcdef'.repeat(256 * (1 + (n % 9)))}\n`;
  const kind = (n * 7) % 20;
  if (kind < 12) {
    const msg = n % 5 === 0 ? `rule "deny \\ all" ~event matched\tat ${n}` : `~event handled in ${n % 977} ms`;
    const request = { path: `/api/v1/items/${n}`, method: 'GET', status: 200, ip: `10.0.${n % 256}.17` };
    return `${JSON.stringify({ time: time(n), level: 'info', msg, user: `user${n % 997}@example.com`, request })}\n`;
  }
  if (kind < 15)
    return `${time(n)} Information 4624 ~event An account was successfully logged on. Account: CORP\\user${n % 997}\r\n`;
  if (kind < 18) return `${time(n)} INFO ~event ${words} (${n})\n`;
  return `${time(n)} ~event ok ${n}\n`;
};

const frames = Array.from(
  { length: 8 },
  (_, n) => `    at Handler.step${n} (/app/dist/handlers/items.js:${n + 17}:9)\n`,
);

/** 60 % JSON, 40 % text; one event in 30 has a stack trace of 8 lines. */
const services: MakeEvent = (n) => {
  const user = `user${n % 997}@example.com`;
  if (n % 30 === 29) return `${time(n)} ERROR ~event Error: item ${n} of ${user} is gone\n${frames.join('')}`;
  if (n % 5 < 3) {
    const request = { url: `/api/v1/items/${n}`, method: 'GET', status: 200, ip: `10.0.${n % 256}.17` };
    const msg = `~event handled in ${n % 977} ms`;
    return `${JSON.stringify({ time: time(n), level: 'info', msg, user, request })}\n`;
  }
  return `${time(n)} INFO ~event handled ${n} for ${user} from 10.0.${n % 256}.17 in ${n % 977} ms, status 200\n`;
};

const kinds: Readonly<Record<string, MakeEvent>> = {
  'lines of 200 bytes': plain,
  'realistic mix': mixed,
  'logs of services': services,
};
export const shippedAsTheyAre = ['lines of 200 bytes', 'realistic mix'];

/** Writes `megabytes` MB of one kind into a folder. */
export function writeCorpus(folder: string, name: string, megabytes: number): Corpus {
  const make = kinds[name];
  if (!make) throw new Error(`no corpus ${name}; there are ${Object.keys(kinds).join(', ')}`);
  const file = join(folder, `${name.replaceAll(' ', '-')}.log`);
  const handle = openSync(file, 'w');
  let events = 0;
  let lines = 0;
  for (let bytes = 0; bytes < megabytes * 1e6;) {
    let block = '';
    while (block.length < 1e6) {
      const event = make(events++);
      lines += event.split('\n').length - 1;
      block += event;
    }
    bytes += writeSync(handle, block);
  }
  closeSync(handle);
  return { name, file, lines, events, bytes: statSync(file).size };
}
