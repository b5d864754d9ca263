import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { syslogPort, type DestinationConfig } from '../../../contract/flicker';
import { errorText } from '../../core/errors';
import type { Clock } from '../../core/clock';
import type { Answer, Destination } from '../destination';
import { tlsOptions } from './http-settings';
import { decodeAll } from './record';
import { syslogMessages, type MessageSettings } from './syslog-message';

type Config = Extract<DestinationConfig, { type: 'syslog' }>;

/** A way to the receiver. What it has written may be lost: the protocol has no answers. */
interface Transport {
  /** Writes all of it to the socket, or rejects. */
  write(messages: readonly Buffer[], progress: Progress): Promise<void>;
  /** Ends the connection; the next write makes another. */
  drop(): void;
}

interface Progress {
  /** Set before the first byte is written. */
  begun: boolean;
}

/** Sends messages of syslog. Accepted means written to the socket. @throws Error when a file of `tls` cannot be used */
export async function createSyslogDestination(config: Config, clock: Clock): Promise<Destination> {
  const { host, protocol, timeout_ms: timeout } = config;
  const port = syslogPort(config);
  const settings: MessageSettings = {
    format: config.format,
    priority: config.facility * 8 + config.severity,
    host:
      hostname()
        .replace(/[^!-~]/g, '')
        .slice(0, 255) || '-',
    tag: config.tag,
    maxBytes: config.max_message_bytes,
  };
  const options = await tlsOptions(config.tls, 'a syslog destination');
  const open =
    protocol === 'tls' ? () => connectTls({ host, port, ...options }) : () => connectTcp({ host, port, noDelay: true });
  const transport =
    protocol === 'udp'
      ? datagrams(host, port)
      : stream(open, protocol === 'tls' ? 'secureConnect' : 'connect', framing(config));

  return {
    label: `syslog ${protocol}://${host}:${port}`,
    layout: 'lines',
    send({ records }, signal): Promise<Answer> {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error);
        const now = clock.now();
        const messages = decodeAll(records).flatMap((record) => syslogMessages(record, now, settings));
        const progress: Progress = { begun: false };
        let settled = false;
        const finish = (act: () => void) => {
          settled = true;
          clearTimeout(timer);
          signal.removeEventListener('abort', onAbort);
          act();
        };
        const fail = (reason: string) => {
          // What was given up ends with an error of its own, and must not end what came after it.
          if (settled) return;
          transport.drop();
          finish(() => resolve({ kind: 'retry', reason, uncertain: progress.begun }));
        };
        const onAbort = () => {
          transport.drop();
          finish(() => reject(signal.reason as Error));
        };
        const timer = setTimeout(() => fail(`not written within ${timeout} ms`), timeout);
        signal.addEventListener('abort', onAbort, { once: true });
        transport.write(messages, progress).then(
          () => finish(() => resolve({ kind: 'accepted' })),
          (error: unknown) => fail(errorText(error)),
        );
      });
    },
    close: () => {
      transport.drop();
      return Promise.resolve();
    },
  };
}

/** RFC 6587: octet counting, or messages that end in a line feed. */
function framing({ format }: Config): (message: Buffer) => readonly Buffer[] {
  if (format === 'rfc5424') return (message) => [Buffer.from(`${message.length} `), message];
  return (message) => [message, LINE_FEED];
}

const LINE_FEED = Buffer.from('\n');

function stream(
  open: () => Socket,
  ready: 'connect' | 'secureConnect',
  frame: (message: Buffer) => readonly Buffer[],
): Transport {
  let current: Socket | undefined;
  const connection = () =>
    new Promise<Socket>((resolve, reject) => {
      // A receiver that has ended its side reads no more: what is written then is lost.
      if (current?.writable) return resolve(current);
      const socket = open();
      current = socket;
      const gone = () => {
        if (current === socket) current = undefined;
        socket.destroy();
        reject(new Error('the connection ended'));
      };
      socket.on('close', gone);
      socket.on('error', (error) => {
        if (current === socket) current = undefined;
        reject(error);
      });
      socket.on(ready, () => resolve(socket));
      socket.resume();
    });
  return {
    async write(messages, progress) {
      const socket = await connection();
      progress.begun = true;
      await new Promise<void>((resolve, reject) => {
        const ended = () => reject(new Error('the connection ended'));
        // A connection that was reset calls back without an error for what it has not written: the event tells.
        socket.once('error', reject).once('close', ended);
        socket.write(Buffer.concat(messages.flatMap(frame)), (error) => {
          socket.off('error', reject).off('close', ended);
          if (error) reject(error);
          else resolve();
        });
      });
    },
    drop() {
      current?.destroy();
      current = undefined;
    },
  };
}

function datagrams(host: string, port: number): Transport {
  let socket: ReturnType<typeof createSocket> | undefined;
  let failure: Error | undefined;
  const drop = () => {
    socket?.close();
    socket = undefined;
  };
  const open = async () => {
    if (socket) return socket;
    const { address, family } = await lookup(host);
    const opened = createSocket(family === 6 ? 'udp6' : 'udp4');
    opened.unref();
    // "Nobody listens" arrives some time after the message that it is about.
    failure = undefined;
    opened.on('error', (error) => (failure = error));
    await new Promise<void>((resolve, reject) => {
      opened.once('error', reject);
      opened.connect(port, address, resolve);
    });
    socket = opened;
    return opened;
  };
  return {
    async write(messages, progress) {
      const to = await open();
      for (const message of messages) {
        if (failure) throw failure;
        progress.begun = true;
        await new Promise<void>((resolve, reject) => to.send(message, (error) => (error ? reject(error) : resolve())));
      }
    },
    drop,
  };
}
