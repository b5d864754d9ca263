/**
 * The copy limit: what plain Node needs to read a file in chunks, find its lines and POST the raw bytes, 1 MiB a request,
 * one request under way while the next is read. No escapes, no ids, no checkpoints, no errors handled. Waits for the
 * file: `node copy-limit.ts <file> <url>`, through tsx.
 */
import { existsSync, readSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'undici';

const REQUEST_BYTES = 1024 ** 2;
const NEWLINE = 0x0a;

async function main([file, url]: string[]): Promise<void> {
  if (file === undefined || url === undefined) throw new Error('usage: copy-limit.ts <file> <url>');
  const { origin, pathname } = new URL(url);
  const client = new Client(origin);
  while (!existsSync(file)) await delay(20);
  const handle = openSync(file, 'r');
  const buffers = [Buffer.allocUnsafeSlow(REQUEST_BYTES), Buffer.allocUnsafeSlow(REQUEST_BYTES)];
  let position = 0;
  let lines = 0;
  let sending: Promise<unknown> = Promise.resolve();
  for (let turn = 0; ; turn++) {
    const buffer = buffers[turn % 2] as Buffer;
    const read = readSync(handle, buffer, 0, buffer.length, position);
    let used = 0;
    for (let at = buffer.indexOf(NEWLINE); at !== -1 && at < read; at = buffer.indexOf(NEWLINE, used)) {
      used = at + 1;
      lines++;
    }
    await sending;
    if (used === 0) break;
    position += used;
    sending = client
      .request({ path: pathname, method: 'POST', body: buffer.subarray(0, used) })
      .then((answer) => answer.body.dump());
  }
  console.log(`${lines} lines`);
  await client.close();
  // What it took is read while it is there: it ends when it is told to.
  setInterval(() => {}, 60_000);
}

void main(process.argv.slice(2));
