import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

const records = z.array(z.object({ path: z.string(), line: z.string(), id: z.string().optional() }));
export type ReceivedRecord = z.output<typeof records>[number];

/** What the receiver does with a request that it could read. */
export type Verdict =
  | { readonly kind: 'accept' }
  /** Takes the records and then loses its answer. */
  | { readonly kind: 'accept-and-drop' }
  | { readonly kind: 'answer'; readonly status: number; readonly headers?: Readonly<Record<string, string>> };

export interface Receiver {
  readonly url: string;
  /** Requests that are under way. */
  readonly busy: () => number;
  stop(): Promise<void>;
}

/** An HTTP endpoint that takes JSON arrays of records, as flicker sends them, on a port of loopback, by default a free one. */
export async function startReceiver(
  onRecords: (records: readonly ReceivedRecord[], accepted: boolean) => void,
  judge: (records: readonly ReceivedRecord[]) => Verdict = () => ({ kind: 'accept' }),
  port = 0,
): Promise<Receiver> {
  let busy = 0;
  const server = createServer((request, response) => {
    busy++;
    receive(request, response)
      .catch(() => response.destroy()) // the sender was killed in the middle of its request
      .finally(() => busy--);
  });
  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    const parsed = records.parse(JSON.parse(text.toString('utf8')));
    const verdict = judge(parsed);
    onRecords(parsed, verdict.kind !== 'answer');
    switch (verdict.kind) {
      case 'accept':
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ status: 'ok', received: parsed.length }));
        return;
      case 'accept-and-drop':
        request.socket.destroy();
        return;
      case 'answer':
        response.writeHead(verdict.status, verdict.headers);
        response.end();
    }
  };
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ingest`,
    busy: () => busy,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
