import type { Client, Dispatcher } from 'undici';
import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock';
import type { Records } from '../batch';
import type { Answer, Destination, Shipment } from '../destination';
import { errorText } from '../../core/errors';
import { gzip } from './gzip';
import { answerOfStatus } from './http-answer';
import { requestHeaders, tlsOptions, type HttpConfig } from './http-settings';

/** Of an answer's body nothing is needed; more than this is cut off with the connection. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** POSTs each shipment as one JSON array on a connection that is kept. @throws Error when a setting cannot be used */
export async function createHttpDestination(config: HttpConfig, clock: Clock): Promise<Destination> {
  const url = new URL(config.endpoint);
  if (url.username || url.password) {
    throw new Error(`the endpoint of an http destination (${url.host}) holds credentials: move them to basic`);
  }
  const headers = requestHeaders(config);
  const timeout = config.timeout_ms;
  const undici = await import('undici');
  const connect = undici.buildConnector({ ...(await tlsOptions(config.tls)), timeout });
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
  const request = { path: `${url.pathname}${url.search}`, method: 'POST', headers } as const;
  /** Records of an attempt that came to nothing. */
  let tried: Records | undefined;

  return {
    label: `http ${url.origin}`,
    layout: 'array',
    async send(shipment: Shipment, signal: AbortSignal): Promise<Answer> {
      signal.throwIfAborted();
      const { records } = shipment;
      const plain = records.body('array');
      const body = config.compression ? await gzip(plain) : plain;
      const answer = await exchange(client, { ...request, body }, timeout, clock, signal);
      // A receiver may answer before it has read the request: what is left of it is still on its way then.
      if (answer.kind !== 'accepted') tried = records;
      else if (records !== tried && socket?.writableLength === 0) records.release();
      return answer;
    },
    close: () => client.destroy(),
  };
}

/** One request. Settles once, at the end of the answer or at whatever comes before. */
function exchange(
  client: Client,
  request: Dispatcher.DispatchOptions,
  timeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined;
    let answer: Answer | undefined;
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
    const end = (reason: string, cut: boolean) =>
      finish(() => resolve(answer ?? { kind: 'retry', reason, uncertain: controller !== undefined }), cut);
    const onAbort = () => finish(() => reject(signal.reason as Error), true);
    const timer = setTimeout(() => end(`no answer within ${timeoutMs} ms`, true), timeoutMs);

    // Somebody may have aborted while the body was compressed.
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
        answer = answerOfStatus(status, Array.isArray(wait) ? wait[0] : wait, clock.now());
      },
      onResponseData(_controller, chunk) {
        received += chunk.length;
        if (received > MAX_ANSWER_BYTES) end('the answer has no end', true);
      },
      onResponseEnd() {
        end('the connection ended without an answer', false);
      },
      onResponseError(_controller, error) {
        end(errorText(error), false);
      },
    });
  });
}
