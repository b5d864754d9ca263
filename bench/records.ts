/**
 * How fast lines become records, without reading and sending: `npx tsx bench/records.ts`. MB of input per second of CPU.
 */
import { isUtf8 } from 'node:buffer';
import { BatchBuilder, recordFrame } from '../runtime/flicker/batch';

const CHUNK = 256 * 1024;
const SECONDS = 2;

const plain =
  '2024-01-01T00:00:00.000Z INFO [worker-17] request handled path=/api/v1/items/123456 status=200 duration=12ms ' +
  'user=alice bytes=5123 trace=0123456789abcdef0123456789abcdef upstream=10.0.3.17:8080 ok\n';
const json = `${JSON.stringify({
  time: '2024-01-01T00:00:00.000Z',
  level: 'info',
  msg: 'request handled',
  path: '/api/v1/items/123456',
  status: 200,
  user: 'alice',
  duration_ms: 12,
  ip: '10.0.3.17',
})}\n`;

const frame = recordFrame('/var/log/app.log', '0123456789abcdef-', true);
for (const [name, line] of Object.entries({ plain, json })) {
  const chunk = Buffer.from(line.repeat(Math.floor(CHUNK / line.length)));
  const started = process.cpuUsage();
  const until = performance.now() + SECONDS * 1000;
  const builder = new BatchBuilder(5000, 1024 ** 2);
  let bytes = 0;
  while (performance.now() < until) {
    if (!isUtf8(chunk)) throw new Error('the chunk is not UTF-8');
    for (let start = 0; start < chunk.length;) {
      const end = chunk.indexOf(10, start);
      if (builder.addLine(frame, chunk, start, end, 1_000_000_000 + start)) start = end + 1;
      else builder.take().records.body('array');
    }
    bytes += chunk.length;
  }
  const { user, system } = process.cpuUsage(started);
  console.log(`${name}, ${line.length} bytes a line: ${Math.round(bytes / (user + system))} MB per CPU second`);
}
