import { connect } from 'node:net';
import { flickerPort } from '../../../contract/flicker';
import { serveHealth, type HealthPages, type HealthServer } from '../../../runtime/core/server';

const loopback = { host: '127.0.0.1', port: 0 };
const healthy: HealthPages = {
  live: () => ({ ok: true, detail: 'live' }),
  ready: () => ({ ok: false, detail: 'starting' }),
  metrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
};
let server: HealthServer | undefined;
afterEach(() => server?.close());

async function ask(path: string, pages = healthy, init: RequestInit = {}) {
  server = await serveHealth(flickerPort, loopback, pages);
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
}

test.each([
  ['/livez', 200, 'live\n'],
  ['/livez?verbose', 200, 'live\n'],
  ['/readyz', 503, 'starting\n'],
  ['/metrics', 200, 'up 1\n'],
  ['/', 404, 'not found; there are /livez, /readyz, /metrics, /, /status.json\n'],
])('%s is answered %d', async (path, status, text) => {
  expect(await ask(path)).toMatchObject({ status, text });
});

test('further pages are served with their headers, and names that every object has are none', async () => {
  const page = { type: 'text/html', text: 'hello', headers: { 'content-security-policy': 'none' } };
  server = await serveHealth(flickerPort, loopback, { ...healthy, pages: { '/': () => page } });
  const at = (path: string) => fetch(`http://127.0.0.1:${server?.port}${path}`);
  const answer = await at('/?x=1');
  expect([answer.status, await answer.text()]).toEqual([200, 'hello']);
  expect(answer.headers.get('content-security-policy')).toBe('none');
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  for (const path of ['/constructor', '/toString', '/__proto__', '/index.html']) {
    expect((await at(path)).status).toBe(404);
  }
});

test('metrics carry their content type, and a failure to make them is told', async () => {
  expect(await ask('/metrics')).toMatchObject({ type: 'text/plain; version=0.0.4' });
  await server?.close();
  const failing = { ...healthy, metrics: () => Promise.reject(new Error('no metrics today')) };
  expect(await ask('/metrics', failing)).toMatchObject({
    status: 500,
    text: expect.stringContaining('no metrics today'),
  });
});

test('only GET and HEAD are answered, HEAD without a body', async () => {
  expect(await ask('/livez', healthy, { method: 'POST', body: 'x' })).toMatchObject({ status: 405 });
  await server?.close();
  expect(await ask('/readyz', healthy, { method: 'HEAD' })).toMatchObject({ status: 503, text: '' });
});

test.each(['//', 'http://', '/%', '*'])('a request for %p does no harm', async (target) => {
  server = await serveHealth(flickerPort, loopback, healthy);
  const { port } = server;
  const answer = await new Promise<string>((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    );
    socket
      .on('data', (chunk) => (text += String(chunk)))
      .on('end', () => resolve(text))
      .on('error', reject);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 40[04] /);
  expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
});

test('a port that is taken is named', async () => {
  server = await serveHealth(flickerPort, loopback, healthy);
  const taken = { host: '127.0.0.1', port: server.port };
  await expect(serveHealth(flickerPort, taken, healthy)).rejects.toThrow(
    `cannot listen on 127.0.0.1:${server.port}: listen EADDRINUSE`,
  );
});

test('closing does not wait for open connections', async () => {
  server = await serveHealth(flickerPort, loopback, healthy);
  const { port } = server;
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve).once('error', () => {}));
  await server.close();
  await closed;
});
