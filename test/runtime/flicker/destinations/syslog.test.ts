import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { flickerConfig, warningsOf } from '../../../../contract/flicker';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { syslogMessages } from '../../../../runtime/flicker/destinations/syslog-message';
import { closeAll, closers } from './receiver';
import { context, destinationConfig, extraShipment, listen, never, shipment } from './support';

afterEach(closeAll);

const clock = { ...context.clock, now: () => new Date(2026, 0, 2, 3, 4, 5, 678).getTime() };
const tls = (name: string) => join(__dirname, '../../../fixtures/tls', name);

async function syslog(port: number, settings: object) {
  const config = destinationConfig({ type: 'syslog', host: '127.0.0.1', port, ...settings });
  const destination = await createDestination(config, { ...context, clock });
  closers.push(() => destination.close());
  return destination;
}

/** A receiver of streams that keeps what each connection sent. */
async function streams(server: Server = createServer(), event = 'connection') {
  const connections: { socket: Socket; text: () => string }[] = [];
  server.on(event, (socket: Socket) => {
    const chunks: Buffer[] = [];
    connections.push({ socket, text: () => Buffer.concat(chunks).toString() });
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
  });
  const port = await listen(server);
  closers.push(() => {
    for (const { socket } of connections) socket.destroy();
    server.close();
  });
  return { port, connections, server };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

const head = `<134>Jan  2 03:04:05 ${hostname()} flicker: [/var/log/app.log] `;

describe('over TCP', () => {
  test('messages of RFC 3164 are as the original sends them, on one connection', async () => {
    const { port, connections } = await streams();
    const to = await syslog(port, { protocol: 'tcp' });
    expect(await to.send(shipment(['one', 'a\nb\r\0\t']), never)).toEqual({ kind: 'accepted' });
    expect(await to.send(shipment(['é']), never)).toEqual({ kind: 'accepted' });
    const expected = `${head}one\n${head}a#012b#015#000#011\n${head}é\n`;
    await until(() => connections[0]?.text().length === expected.length);
    expect(connections.map(({ text }) => text())).toEqual([expected]);
    expect(to.label).toBe(`syslog tcp://127.0.0.1:${port}`);
  });

  test('messages of RFC 5424 are counted, and carry id, path and attributes', async () => {
    const { port, connections } = await streams();
    const to = await syslog(port, { protocol: 'tcp', format: 'rfc5424', facility: 1, severity: 3, tag: 'audit' });
    const events = extraShipment([
      { line: 'é', time: '2026-01-02T03:04:05.123456789Z', attributes: { 'container.name': 'a"]\\b' } },
      { line: 'two', path: 'api://okta' },
    ]);
    expect(await to.send(events, never)).toEqual({ kind: 'accepted' });
    const messages = [
      `<11>1 2026-01-02T03:04:05.123456Z ${hostname()} audit - - ` +
        '[flicker@32473 path="/var/log/app.log" id="id-0" container.name="a\\"\\]\\\\b"] é',
      `<11>1 ${new Date(clock.now()).toISOString()} ${hostname()} audit - - [flicker@32473 path="api://okta" id="id-1"] two`,
    ];
    const expected = messages.map((message) => `${Buffer.byteLength(message)} ${message}`).join('');
    await until(() => connections[0]?.text().length === expected.length);
    expect(connections[0]?.text()).toBe(expected);
  });

  test('a connection that the receiver has ended is not used again', async () => {
    const { port, connections } = await streams();
    const to = await syslog(port, { protocol: 'tcp' });
    await to.send(shipment(['one']), never);
    await until(() => connections.length === 1);
    const [first] = connections;
    first?.socket.end();
    await once(first?.socket ?? fail(), 'close');
    expect(await to.send(shipment(['two']), never)).toEqual({ kind: 'accepted' });
    await until(() => connections[1]?.text() === `${head}two\n`);
  });

  test('nobody there: nothing was sent', async () => {
    const { port, server } = await streams();
    await new Promise((resolve) => server.close(resolve));
    expect(await (await syslog(port, { protocol: 'tcp' })).send(shipment(['one']), never)).toMatchObject({
      kind: 'retry',
      reason: expect.stringContaining('ECONNREFUSED'),
      uncertain: false,
    });
  });

  const large = shipment(Array.from({ length: 30 }, () => 'x'.repeat(1_000_000)));

  test('a receiver that does not read ends with the time-out, and the next one gets all', async () => {
    const { port, connections, server } = await streams();
    let reads = false;
    server.on('connection', (socket: Socket) => void (reads || socket.pause()));
    const to = await syslog(port, { protocol: 'tcp', timeout_ms: 300 });
    expect(await to.send(large, never)).toEqual({
      kind: 'retry',
      reason: 'not written within 300 ms',
      uncertain: true,
    });
    reads = true;
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    await until(() => connections[1]?.text() === `${head}one\n`);
  });

  test('a connection that breaks may have brought some', async () => {
    const { port, server } = await streams();
    server.on('connection', (socket: Socket) => socket.once('data', () => socket.resetAndDestroy()));
    expect(await (await syslog(port, { protocol: 'tcp' })).send(large, never)).toMatchObject({
      kind: 'retry',
      uncertain: true,
    });
  });

  test.each(['before', 'while it is written'])('an abort %s rejects with its reason', async (when) => {
    const { port, server } = await streams();
    const stop = new AbortController();
    server.on('connection', (socket: Socket) => {
      socket.pause();
      stop.abort(new Error('stopped'));
    });
    if (when === 'before') stop.abort(new Error('stopped'));
    await expect((await syslog(port, { protocol: 'tcp' })).send(large, stop.signal)).rejects.toThrow('stopped');
  });
});

const fail = (): never => {
  throw new Error('there is no connection');
};

test('over UDP each message is a datagram, and "nobody there" is told', async () => {
  const socket = createSocket('udp4');
  const received: string[] = [];
  socket.on('message', (message) => received.push(String(message)));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  const to = await syslog(port, {});
  expect(await to.send(shipment(['one', 'two']), never)).toEqual({ kind: 'accepted' });
  await until(() => received.length === 2);
  expect(received).toEqual([`${head}one`, `${head}two`]);
  socket.close();
  await once(socket, 'close');
  const kinds = new Set<string>();
  while (!kinds.has('retry')) kinds.add((await to.send(shipment(['three']), never)).kind);
});

describe('over TLS', () => {
  const pem = { cert: readFileSync(tls('server.pem')), key: readFileSync(tls('server-key.pem')) };
  const client = { cert_path: tls('client.pem'), key_path: tls('client-key.pem') };

  test('shows the client certificate and checks the server by the given authority', async () => {
    const server = createTlsServer({ ...pem, ca: readFileSync(tls('ca.pem')), requestCert: true });
    const { port, connections } = await streams(server, 'secureConnection');
    const settings = { protocol: 'tls', host: 'localhost', tls: { ...client, ca_cert_path: tls('ca.pem') } };
    expect(await (await syslog(port, settings)).send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    await until(() => connections[0]?.text() === `${head}one\n`);
    const socket = connections[0]?.socket;
    expect(socket instanceof TLSSocket && socket.getPeerCertificate().subject.CN).toBe('holdfast test client');
  });

  test('does not trust a server of an unknown authority', async () => {
    const { port, connections } = await streams(createTlsServer(pem), 'secureConnection');
    const to = await syslog(port, { protocol: 'tls' });
    expect(await to.send(shipment(['one']), never)).toMatchObject({ kind: 'retry', uncertain: false });
    expect(connections.every(({ text }) => text() === '')).toBe(true);
  });
});

test('whatever a line holds, it is told apart from the next one, and its parts make it up', () => {
  const line = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 1500, size: 'max' }),
    fc.string({ unit: 'grapheme', maxLength: 1500, size: 'max' }),
  );
  fc.assert(
    fc.property(
      line,
      fc.constantFrom('rfc3164' as const, 'rfc5424' as const),
      fc.integer({ min: 480, max: 2000 }),
      (text, format, maxBytes) => {
        const settings = { format, priority: 134, host: 'h', tag: 'flicker', maxBytes };
        const messages = syslogMessages({ path: '/p "]\n', line: text, id: 'i' }, 0, settings).map(String);
        const escaped = Buffer.from(text)
          .toString()
          .replace(/[\0-\x1f\x7f]/g, (char) => `#${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
        const count = messages.length;
        const heads =
          format === 'rfc3164'
            ? (part: string) => `[/p "]#012${part && ` part ${part}`}] `
            : (part: string) => `[flicker@32473 path="/p \\"\\]#012" id="i"${part && ` part="${part}"`}] `;
        const bodies = messages.map((message, i) => {
          expect(message).not.toMatch(/[\0-\x1f\x7f]/);
          expect(Buffer.byteLength(message)).toBeLessThanOrEqual(maxBytes);
          const mark = heads(count > 1 ? `${i + 1}/${count}` : '');
          expect(message).toContain(mark);
          return message.slice(message.indexOf(mark) + mark.length);
        });
        expect(bodies.join('')).toBe(escaped);
      },
    ),
    { numRuns: 25 },
  );
});

test('more than nine parts are numbered too', () => {
  const settings = { format: 'rfc3164' as const, priority: 134, host: 'h', tag: 'flicker', maxBytes: 480 };
  const messages = syslogMessages({ path: '/p', line: 'x'.repeat(50_000) }, 0, settings).map(String);
  expect(messages.length).toBeGreaterThan(100);
  expect(Math.max(...messages.map((message) => message.length))).toBeLessThanOrEqual(480);
  expect(messages.at(-1)).toContain(`[/p part ${messages.length}/${messages.length}] x`);
});

test('a config with syslog warns that nothing is acknowledged', () => {
  const config = flickerConfig('final').parse({
    log_files: [{ path: '/var/log/app.log' }],
    destination: { type: 'syslog', host: 'h', protocol: 'tcp' },
  });
  expect(warningsOf(config)).toEqual([
    expect.stringMatching(/^syslog \(tcp\) cannot acknowledge: events of \/var\/log\/app\.log/),
  ]);
});

test.each([
  [{ tls: {} }, /tls goes with protocol: tls/],
  [{ max_message_bytes: 70_000 }, /65507 at most over udp/],
  [{ tag: 'a:b' }, /at most 32 visible characters/],
  [{ protocol: 'tls', tls: { cert_path: 'a' } }, /cert_path and key_path belong together/],
])('%j is refused', (settings, message) => {
  expect(() => destinationConfig({ type: 'syslog', host: 'h', ...settings })).toThrow(message);
});
