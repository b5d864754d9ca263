import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import type { Answer, Destination } from '../../../../runtime/flicker/destination';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { closeAll, closers, receiver, serve } from './receiver';
import { context, destinationConfig, listen, never, records, shipment } from './support';

const tls = (name: string) => join(__dirname, '../../../fixtures/tls', name);
afterEach(closeAll);

async function http(settings: object): Promise<Destination> {
  const destination = await createDestination(destinationConfig({ type: 'http', ...settings }), context);
  closers.push(() => destination.close());
  return destination;
}

describe('the request', () => {
  test('is a POST of a JSON array of {path, line, id} with the headers of the config', async () => {
    const { url, received } = await receiver((response) => response.end());
    const to = await http({ endpoint: url, headers: { 'X-Team': 'blue', 'Content-Type': 'application/x-logs' } });
    expect(await to.send(shipment(['é "1"', 'two']), never)).toEqual({ kind: 'accepted' });
    expect(received).toHaveLength(1);
    const [got] = received;
    expect(got).toMatchObject({ method: 'POST', url: '/logs?team=a' });
    expect(got?.headers).toMatchObject({ 'x-team': 'blue', 'content-type': 'application/x-logs' });
    expect(got?.headers['content-length']).toBe(String(got?.body.length));
    expect(JSON.parse(String(got?.body))).toEqual([
      { path: '/var/log/app.log', line: 'é "1"', id: 'id-0' },
      { path: '/var/log/app.log', line: 'two', id: 'id-1' },
    ]);
  });

  test('is compressed when asked for', async () => {
    const { url, received } = await receiver((response) => response.end());
    const to = await http({ endpoint: url, compression: true });
    await to.send(shipment(['one']), never);
    expect(received[0]?.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-type': 'application/json' });
    expect(JSON.parse(String(gunzipSync(received[0]?.body ?? '')))).toMatchObject([{ line: 'one' }]);
  });

  const basic = { username: 'ann', password: 'p:w' };
  test.each([
    ['api_key', { api_key: 'k' }, 'Bearer k'],
    ['api_key before basic', { api_key: 'k', basic }, 'Bearer k'],
    ['basic', { basic }, `Basic ${Buffer.from('ann:p:w').toString('base64')}`],
    ['auth', { auth: { type: 'bearer', token: 't' } }, 'Bearer t'],
    ['auth before basic', { auth: { type: 'bearer', token: 't' }, basic }, 'Bearer t'],
    ['a header of the config', { headers: { Authorization: 'Splunk x' } }, 'Splunk x'],
    ['nothing', {}, undefined],
    ['an empty text', { api_key: '', basic }, `Basic ${Buffer.from('ann:p:w').toString('base64')}`],
  ])('is authorized by %s', async (_, settings, expected) => {
    const { url, received } = await receiver((response) => response.end());
    await (await http({ endpoint: url, ...settings })).send(shipment(['one']), never);
    expect(received[0]?.headers.authorization).toBe(expected);
  });

  test.each([
    ['a header value with a line break', { api_key: 'secret\n' }, /header "authorization".*line break/],
    ['a header that frames the request', { headers: { 'Content-Length': '3' } }, /"content-length".*remove it/],
    ['credentials in the endpoint', { endpoint: 'http://ann:secret@127.0.0.1/' }, /move them to basic/],
    [
      'an authority that is none',
      { tls: { ca_cert_path: __filename } },
      /http\.test\.ts is no certificate.*expected PEM files/,
    ],
    [
      'a certificate that is not there',
      { tls: { cert_path: '/no/cert', key_path: '/no/key' } },
      /tls\.cert_path.*ENOENT.*\/no\/cert/,
    ],
    [
      'a key of another certificate',
      { tls: { cert_path: tls('client.pem'), key_path: tls('server-key.pem') } },
      /do not make a client certificate/,
    ],
  ])('is refused at the start with %s', async (_, settings, message) => {
    const failure = await http({ endpoint: 'http://127.0.0.1:1/', ...settings }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(Error);
    expect(String(failure)).toMatch(message);
    expect(String(failure)).not.toContain('secret');
  });
});

describe('the answer', () => {
  const wait = { 'Retry-After': '7' };
  test.each<[number, Record<string, string>, Partial<Answer>]>([
    [200, {}, { kind: 'accepted' }],
    [204, {}, { kind: 'accepted' }],
    [299, {}, { kind: 'accepted' }],
    [301, { Location: '/other' }, { kind: 'blocked', reason: expect.stringContaining('redirects are not followed') }],
    [400, {}, { kind: 'refused', reason: 'the receiver answered 400 Bad Request' }],
    [401, {}, { kind: 'blocked' }],
    [403, {}, { kind: 'blocked' }],
    [404, {}, { kind: 'blocked' }],
    [405, {}, { kind: 'blocked' }],
    [408, {}, { kind: 'retry', uncertain: false }],
    [409, {}, { kind: 'blocked' }],
    [413, {}, { kind: 'too-large' }],
    [415, {}, { kind: 'refused' }],
    [422, {}, { kind: 'refused' }],
    [425, {}, { kind: 'retry', uncertain: false }],
    [429, wait, { kind: 'retry', uncertain: false, retryAfterMs: 7000 }],
    [500, {}, { kind: 'retry', uncertain: true }],
    [502, {}, { kind: 'retry', uncertain: true }],
    [503, wait, { kind: 'retry', uncertain: false, retryAfterMs: 7000 }],
    [504, {}, { kind: 'retry', uncertain: true }],
  ])('%i', async (status, headers, expected) => {
    const { url } = await receiver((response) => response.writeHead(status, headers).end());
    expect(await (await http({ endpoint: url })).send(shipment(['one']), never)).toMatchObject(expected);
  });

  test('garbage in a 200 is fine, and the connection is kept', async () => {
    const { url, received } = await receiver((response) => response.end('<html>\0 not json {'));
    const to = await http({ endpoint: url });
    for (let i = 0; i < 3; i++) expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    expect(new Set(received.map(({ port }) => port)).size).toBe(1);
  });

  test('an answer without end is cut off, and counts', async () => {
    const { url, received } = await receiver((response, { body }) => {
      if (!String(body).includes('endless')) return void response.end();
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
      };
      response.on('drain', more);
      more();
    });
    const to = await http({ endpoint: url });
    expect(await to.send(shipment(['endless']), never)).toEqual({ kind: 'accepted' });
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    expect(received).toHaveLength(2);
  });

  test('early hints are no answer', async () => {
    const { url } = await receiver((response, { body }) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' });
      if (String(body).includes('lost')) response.destroy();
      else response.writeHead(400).end();
    });
    const to = await http({ endpoint: url });
    expect(await to.send(shipment(['one']), never)).toMatchObject({ kind: 'refused' });
    expect(await to.send(shipment(['lost']), never)).toMatchObject({ kind: 'retry', uncertain: true });
  });

  test('a 413 before the request was read counts', async () => {
    const server = createServer((request, response) => {
      response.writeHead(413, { connection: 'close' }).end();
      request.socket.end();
    });
    const to = await http({ endpoint: `http://127.0.0.1:${await serve(server)}/` });
    const large = shipment([], { records: records(['x'.repeat(5_000_000)]) });
    for (let i = 0; i < 3; i++) expect(await to.send(large, never)).toMatchObject({ kind: 'too-large' });
  });
});

describe('the memory of a shipment', () => {
  const sent = async (to: Destination, lines: readonly string[]) => {
    const given = shipment(lines, { records: records(lines) });
    const release = jest.spyOn(given.records, 'release');
    const kinds = [(await to.send(given, never)).kind];
    if (kinds[0] === 'retry') kinds.push((await to.send(given, never)).kind);
    return { kinds, released: release.mock.calls.length };
  };

  test('is released when the receiver has all of it, at the first attempt', async () => {
    const statuses = [200, 503, 200, 400];
    const { url } = await receiver((response) => response.writeHead(statuses.shift() ?? 0).end());
    const to = await http({ endpoint: url });
    expect(await sent(to, ['one'])).toEqual({ kinds: ['accepted'], released: 1 });
    expect(await sent(to, ['two'])).toEqual({ kinds: ['retry', 'accepted'], released: 0 });
    expect(await sent(to, ['three'])).toEqual({ kinds: ['refused'], released: 0 });
  });

  test('is not released while the rest of it is on its way to a receiver that answers first', async () => {
    const server = createTcpServer((socket) => {
      closers.push(() => socket.destroy());
      socket
        .on('error', () => {})
        .once('data', () => {
          socket.pause();
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        });
    });
    closers.push(() => server.close());
    const to = await http({ endpoint: `http://127.0.0.1:${await listen(server)}/` });
    expect(await sent(to, ['x'.repeat(30_000_000)])).toEqual({ kinds: ['accepted'], released: 0 });
  });
});

describe('a connection that fails', () => {
  test('refused: nothing was sent', async () => {
    const { url, server } = await receiver((response) => response.end());
    await new Promise((resolve) => server.close(resolve));
    const answer = await (await http({ endpoint: url })).send(shipment(['one']), never);
    expect(answer).toMatchObject({ kind: 'retry', uncertain: false, reason: expect.stringContaining('ECONNREFUSED') });
  });

  test('a receiver that hangs ends with the time-out, and the next request goes through', async () => {
    const { url } = await receiver((response, { body }) => {
      if (!String(body).includes('hang')) response.end();
    });
    const to = await http({ endpoint: url, timeout_ms: 500 });
    expect(await to.send(shipment(['hang']), never)).toEqual({
      kind: 'retry',
      reason: 'no answer within 500 ms',
      uncertain: true,
    });
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
  });

  test('an answer whose body hangs counts when the time is over', async () => {
    const { url } = await receiver((response) => response.writeHead(200, { 'content-length': '10' }).write('x'));
    const to = await http({ endpoint: url, timeout_ms: 100 });
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
  });

  test('a listener that never accepts ends with the time-out', async () => {
    const server = createTcpServer((socket) => socket.pause());
    const port = await listen(server);
    closers.push(() => server.close());
    // The TLS handshake never ends, so that there is never a connection to send on.
    const to = await http({ endpoint: `https://127.0.0.1:${port}/`, timeout_ms: 100 });
    expect(await to.send(shipment(['one']), never)).toMatchObject({ kind: 'retry', uncertain: false });
  });

  test.each([
    ['in the middle of the request', 0],
    ['after the request', 1],
  ])('reset %s: the events may have arrived', async (_, complete) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (data) => {
        if (complete === 0 || data.includes(']')) socket.resetAndDestroy();
      });
    });
    const port = await listen(server);
    closers.push(() => server.close());
    const to = await http({ endpoint: `http://127.0.0.1:${port}/` });
    const lines = complete === 0 ? ['x'.repeat(5_000_000)] : ['x'];
    expect(await to.send(shipment([], { records: records(lines) }), never)).toMatchObject({
      kind: 'retry',
      uncertain: true,
    });
  });

  test('closed by the receiver between two requests: a new one is made', async () => {
    const { url, server, received } = await receiver((response) => response.end());
    const to = await http({ endpoint: url });
    await to.send(shipment(['one']), never);
    const closed = new Promise((resolve) => server.on('connection', (socket) => socket.on('close', resolve)));
    server.closeIdleConnections();
    let answer = await to.send(shipment(['two']), never);
    // The close may still be under way when the second request is written: then its fate is unknown.
    if (answer.kind === 'retry') {
      expect(answer.uncertain).toBe(true);
      answer = await to.send(shipment(['two']), never);
    }
    expect(answer).toEqual({ kind: 'accepted' });
    expect(new Set(received.map(({ port }) => port)).size).toBe(2);
    await to.close();
    await closed;
  });

  test.each(['while it is answered', 'before'])('an abort %s rejects with its reason', async (when) => {
    const stop = new AbortController();
    const { url, received } = await receiver(() => stop.abort(new Error('stopped')));
    if (when === 'before') stop.abort(new Error('stopped'));
    const to = await http({ endpoint: url });
    await expect(to.send(shipment(['one']), stop.signal)).rejects.toThrow('stopped');
    expect(received).toHaveLength(when === 'before' ? 0 : 1);
  });

  test.each([
    ['while it is compressed', true],
    ['while it is connected', false],
  ])('an abort %s sends nothing', async (_, compression) => {
    const stop = new AbortController();
    const { url, received } = await receiver((response) => response.end());
    const to = await http({ endpoint: url, compression });
    const sending = to.send(shipment(['one']), stop.signal);
    stop.abort(new Error('stopped'));
    await expect(sending).rejects.toThrow('stopped');
    expect(await to.send(shipment(['two']), never)).toEqual({ kind: 'accepted' });
    expect(received).toHaveLength(1);
  });
});

describe('TLS', () => {
  const pem = { cert: readFileSync(tls('server.pem')), key: readFileSync(tls('server-key.pem')) };
  const client = { cert_path: tls('client.pem'), key_path: tls('client-key.pem') };

  async function secure() {
    const names: unknown[] = [];
    const server = createTlsServer(
      { ...pem, ca: readFileSync(tls('ca.pem')), requestCert: true, rejectUnauthorized: true },
      (request, response) => {
        names.push((request.socket as TLSSocket).getPeerCertificate().subject.CN);
        request.resume().on('end', () => response.end());
      },
    );
    const port = await listen(server);
    closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return { names, endpoint: `https://127.0.0.1:${port}/` };
  }

  test('shows the client certificate and checks the server by the given authority', async () => {
    const { names, endpoint } = await secure();
    const to = await http({ endpoint, tls: { ...client, ca_cert_path: tls('ca.pem') } });
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    expect(names).toEqual(['holdfast test client']);
  });

  test('does not trust a server of an unknown authority, unless told so', async () => {
    const { names, endpoint } = await secure();
    const strict = await http({ endpoint, tls: client });
    expect(await strict.send(shipment(['one']), never)).toMatchObject({ kind: 'retry', uncertain: false });
    const lax = await http({ endpoint, tls: { ...client, accept_invalid_certs: true } });
    expect(await lax.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    expect(names).toHaveLength(1);
  });
});
