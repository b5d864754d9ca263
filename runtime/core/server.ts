import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PortSpec } from '../../contract/program';

/** What a probe is told: `ok`, and in words why not. */
export interface Health {
  readonly ok: boolean;
  readonly detail: string;
}

/** A page that a program serves besides its probes. */
export interface Page {
  /** Content type. */
  readonly type: string;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the HTTP port of a program serves. */
export interface HealthPages {
  /** Live: the loop moves. */
  live(): Health;
  /** Ready: the program could serve. Never "is the leader". */
  ready(): Health;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** More pages, by their paths. */
  readonly pages?: Readonly<Record<string, () => Page>>;
}

export interface HealthServer {
  /** The port that it listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/** Serves probes and metrics on one port. @throws Error with the address when the port cannot be had */
export async function serveHealth(
  spec: PortSpec,
  address: { readonly host: string; readonly port: number },
  pages: HealthPages,
): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const answer = (status: number, type: string, text: string, more: Page['headers'] = {}) => {
      const headers = { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
      response.writeHead(status, { ...headers, ...more });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    const health = ({ ok, detail }: Health) => answer(ok ? 200 : 503, 'text/plain; charset=utf-8', `${detail}\n`);
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'text/plain', 'GET or HEAD only\n');
    const path = request.url?.split('?', 1)[0] ?? '';
    switch (path) {
      case '/livez':
        return health(pages.live());
      case '/readyz':
        return health(pages.ready());
      case '/metrics':
        return void pages.metrics().then(
          ({ contentType, text }) => answer(200, contentType, text),
          (error: unknown) => answer(500, 'text/plain', `metrics failed: ${String(error)}\n`),
        );
      default: {
        const page = pages.pages && Object.hasOwn(pages.pages, path) ? pages.pages[path]?.() : undefined;
        if (page) return answer(200, page.type, page.text, page.headers);
        return answer(404, 'text/plain', `not found; there are ${spec.paths.join(', ')}\n`);
      }
    }
  });
  await listen(server, address);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    // Not once: an accept that fails later, for want of file handles, must not end the program.
    server.on('error', (error) => reject(new Error(`cannot listen on ${host}:${port}: ${error.message}`)));
    server.listen(port, host, resolve);
  });
}
