import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A file of log lines to ship. Each line holds one `~event`, by which the sink counts. */
export interface Corpus {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly lines: number;
}

type MakeLine = (n: number) => string;

const pad = (n: number, digits: number) => String(n).padStart(digits, '0');
const time = (n: number) => new Date(1_704_067_200_000 + n * 7).toISOString();

/** 200 bytes with the newline. */
const plain: MakeLine = (n) =>
  `${time(n)} INFO [worker-${pad(n % 64, 2)}] ~event handled path=/api/v1/items/${pad(n, 9)} status=200 ` +
  `duration=${pad(n % 1000, 3)}ms user=alice bytes=${pad(n % 100_000, 5)} trace=${pad(n, 36)} upstream=10.0.3.17 ok\n`;

const words = 'der Kunde hat die Bestellung überprüft — 注文を確認しました ✓ оплата прошла';

/** 60 % JSON, 15 % CRLF, 15 % non-ASCII, 10 % short; one line in 500 is of 4 to 36 KB. About 200 bytes a line. */
const mixed: MakeLine = (n) => {
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

const kinds: Readonly<Record<string, MakeLine>> = { 'lines of 200 bytes': plain, 'realistic mix': mixed };
export const corpusNames = Object.keys(kinds);

/** Writes `megabytes` MB of one kind into a folder. */
export function writeCorpus(folder: string, name: string, megabytes: number): Corpus {
  const make = kinds[name];
  if (!make) throw new Error(`no corpus ${name}; there are ${corpusNames.join(', ')}`);
  const file = join(folder, `${name.replaceAll(' ', '-')}.log`);
  const handle = openSync(file, 'w');
  let lines = 0;
  for (let bytes = 0; bytes < megabytes * 1e6;) {
    let block = '';
    while (block.length < 1e6) block += make(lines++);
    bytes += writeSync(handle, block);
  }
  closeSync(handle);
  return { name, file, lines, bytes: statSync(file).size };
}
