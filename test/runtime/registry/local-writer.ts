import { appendFileSync } from 'node:fs';
import { systemClock } from '../../../runtime/core/clock';
import { createLocalStore } from '../../../runtime/registry/local-store';

/**
 * A process that writes a local registry as fast as it can: `local-writer <file> <log> <writes>`. Each version counts one
 * up; what it has committed goes to the log, a line each.
 */
async function main([file = '', log = '', writes = '0']: string[]): Promise<void> {
  const store = createLocalStore(file, systemClock);
  const { signal } = new AbortController();
  for (let committed = 0; committed < Number(writes);) {
    const before = await store.read(signal);
    if (before.kind !== 'found' && before.kind !== 'missing') throw new Error(`read: ${before.kind}`);
    const count = before.kind === 'found' ? Number(JSON.parse(Buffer.from(before.body).toString()).count) + 1 : 1;
    const body = Buffer.from(JSON.stringify({ count, filler: 'x'.repeat(200_000), end: count }));
    const reply = await store.write(
      body,
      before.kind === 'found' ? { ifMatch: before.etag } : { ifNoneMatch: '*' },
      signal,
    );
    if (reply.kind === 'precondition-failed') continue;
    if (reply.kind !== 'committed') throw new Error(`write: ${JSON.stringify(reply)}`);
    committed++;
    appendFileSync(log, `${count}\n`);
  }
}

void main(process.argv.slice(2));
