import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { listen } from './support';

/** A request as a receiver has read it. */
export interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly port: number | undefined;
}

/** What a test has opened; `afterEach(closeAll)` closes it. */
export const closers: (() => unknown)[] = [];

export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0)) await close();
}

/** A receiver that reads each request and answers as told. */
export async function receiver(answer: (response: ServerResponse, request: Received) => void, make = createServer) {
  const received: Received[] = [];
  const server = make((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers, socket } = request;
      const got = { method, url, headers, body: Buffer.concat(chunks), port: socket.remotePort };
      received.push(got);
      answer(response, got);
    });
  });
  const port = await serve(server);
  return { received, port, origin: `http://127.0.0.1:${port}`, url: `http://127.0.0.1:${port}/logs?team=a`, server };
}

export async function serve(server: Server): Promise<number> {
  const port = await listen(server);
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return port;
}

/** The body of a request, unpacked if it was packed. */
export const textOf = ({ headers, body }: Received): string =>
  String(headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
