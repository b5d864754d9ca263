import { once } from 'node:events';
import type { Server } from 'node:http';

export interface Running {
  readonly origin: string;
  stop(): Promise<void>;
}

/** Listens on a free port of loopback. `stop` ends open requests too. */
export async function listen(server: Server): Promise<Running> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
