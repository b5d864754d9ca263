import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where a PUT of the watched key is: not yet forwarded, or stored and not yet answered. */
export type PutMoment = 'before' | 'after';

export interface S3Proxy {
  readonly endpoint: string;
  /** Called at both moments of every PUT of the watched key; the request waits for it. */
  onPut: ((moment: PutMoment) => void) | undefined;
  readonly puts: number;
  stop(): Promise<void>;
}

/** Stands between a program and an S3 server, so that a run can strike while a PUT is under way. */
export async function startS3Proxy(target: string, key: string): Promise<S3Proxy> {
  const upstream = new URL(target);
  let puts = 0;
  const server = createServer((request, response) => {
    const watched = request.method === 'PUT' && (request.url ?? '').split('?')[0]?.endsWith(key);
    if (watched) {
      puts++;
      proxy.onPut?.('before');
    }
    const forwarded = httpRequest(
      {
        host: upstream.hostname,
        port: upstream.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          if (watched) proxy.onPut?.('after');
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          response.end(Buffer.concat(chunks));
        });
      },
    );
    forwarded.on('error', () => response.destroy());
    // A request that its sender did not finish must not reach the server as if it were whole.
    request.on('error', () => forwarded.destroy());
    request.on('aborted', () => forwarded.destroy());
    request.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: S3Proxy = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    onPut: undefined,
    get puts() {
      return puts;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}
