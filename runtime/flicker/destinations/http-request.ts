import type { Socket } from 'node:net';
import type { Client, Dispatcher } from 'undici';
import type { TlsSettings } from '../../../contract/flicker';
import { errorText } from '../../core/errors';
import { tlsOptions } from './http-settings';

/** Of an answer that nobody reads, more than this is cut off with the connection. */
const MAX_UNREAD_BYTES = 64 * 1024;

/** What one request came to. */
export type Reply =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfter: string | undefined;
      /** Empty when it was not asked for. */
      readonly body: Buffer;
      /** Whether the body has all of its bytes. */
      readonly whole: boolean;
    }
  /** There was no answer. `uncertain`: some of the request may have arrived. */
  | { readonly kind: 'failed'; readonly reason: string; readonly uncertain: boolean };

export interface HttpRequest {
  readonly path: string;
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface HttpConnection {
  /**
   * One request. Settles once, at the end of the answer or at whatever comes before. An abort rejects with the signal's
   * reason. `maxBytes`: how much of the answer's body is read; 0 when nobody needs it.
   */
  request(request: HttpRequest, maxBytes: number, signal: AbortSignal): Promise<Reply>;
  /** Whether bytes of a request are still on their way: a receiver may answer before it has read all of it. */
  writing(): boolean;
  close(): Promise<void>;
}

/**
 * A connection that is kept. `of` tells whose it is, such as `an http destination`.
 * @throws Error naming the key of a file that cannot be used
 */
export async function openHttp(
  url: URL,
  settings: { readonly timeout_ms: number; readonly tls?: TlsSettings | undefined },
  of: string,
): Promise<HttpConnection> {
  const timeout = settings.timeout_ms;
  const undici = await import('undici');
  const connect = undici.buildConnector({ ...(await tlsOptions(settings.tls, of)), timeout });
  let socket: Socket | undefined;
  const client = new undici.Client(url.origin, {
    connect: (to, done) =>
      connect(to, (...result) => {
        socket = result[1] ?? undefined;
        done(...result);
      }),
    // One time-out covers the whole request.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  return {
    request: (request, maxBytes, signal) => exchange(client, request, maxBytes, timeout, signal),
    writing: () => socket?.writableLength !== 0,
    close: () => client.destroy(),
  };
}

function exchange(
  client: Client,
  request: HttpRequest,
  maxBytes: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined;
    let head: { status: number; retryAfter: string | undefined } | undefined;
    const chunks: Buffer[] = [];
    let received = 0;
    let settled = false;

    /** A request that waits for its connection has no controller yet: it ends as soon as it gets one. */
    const finish = (act: () => void, cut: boolean) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      act();
      if (cut) controller?.abort(new Error('given up'));
    };
    const end = (reason: string, cut: boolean, whole = false) =>
      finish(() => {
        if (head) resolve({ kind: 'answered', ...head, body: Buffer.concat(chunks), whole });
        else resolve({ kind: 'failed', reason, uncertain: controller !== undefined });
      }, cut);
    const onAbort = () => finish(() => reject(signal.reason as Error), true);
    const timer = setTimeout(() => end(`no answer within ${timeoutMs} ms`, true), timeoutMs);

    // Somebody may have aborted while the body was made.
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    client.dispatch(request, {
      // Called when there is a connection, before the first byte is written.
      onRequestStart(started) {
        controller = started;
        if (settled) started.abort(new Error('given up'));
      },
      onResponseStart(_controller, status, headers) {
        if (status < 200) return;
        const wait = headers['retry-after'];
        head = { status, retryAfter: Array.isArray(wait) ? wait[0] : wait };
      },
      onResponseData(_controller, chunk) {
        received += chunk.length;
        if (received > (maxBytes || MAX_UNREAD_BYTES)) end('the answer has no end', true);
        else if (maxBytes > 0) chunks.push(chunk);
      },
      onResponseEnd() {
        end('the connection ended without an answer', false, true);
      },
      onResponseError(_controller, error) {
        end(errorText(error), false);
      },
    });
  });
}
