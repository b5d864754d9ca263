import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request, type Dispatcher } from 'undici';
import { SourceError } from '../../source';

/** How long one page may take, redirects and body included. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Largest page that is read. */
export const MAX_BODY_BYTES = 32 * 1024 ** 2;
const MAX_REDIRECTS = 5;

export interface HttpLimits {
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The address that answered, redirects followed. */
  readonly url: URL;
  /** Of an answer other than 2xx the beginning, if it is text that came whole. Never for people: it may hold anything. */
  readonly text: string;
}

export interface HttpClient {
  /** @throws SourceError when there is no whole answer; an abort rejects with the signal's reason */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** A client that sends what it is given, which holds credentials, to one origin and to no other. */
export function createHttpClient(origin: string, limits: HttpLimits): HttpClient {
  const agent = new Agent({ connections: 1, connect: { timeout: limits.timeoutMs } });
  return {
    send: (sent, signal) =>
      withTimeout(sent.url, signal, limits, (both) => follow(sent, { agent, origin, limits }, both)),
    close: () => agent.destroy(),
  };
}

interface Sending {
  readonly agent: Agent;
  readonly origin: string;
  readonly limits: HttpLimits;
}

async function follow(
  { method, url: first, headers, body }: HttpRequest,
  { agent, origin, limits }: Sending,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  let url = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    refuseOther(url, origin, `a request for ${place(url)}`);
    const answer = await request(url, { method, headers, body: body ?? null, dispatcher: agent, signal });
    const target = location(answer, url);
    if (target === undefined) {
      const { statusCode: status } = answer;
      const ok = status >= 200 && status < 300;
      const text = ok ? await readBody(answer, url, limits) : await readFailure(answer);
      return { status, headers: answer.headers, url, text };
    }
    await answer.body.dump();
    if (method === 'POST' && answer.statusCode < 307) {
      throw new SourceError(
        `${place(url)} redirects a POST with ${answer.statusCode}; set \`endpoint\` to the address that answers`,
      );
    }
    refuseOther(target, origin, `${place(url)} redirects`);
    url = target;
  }
  throw new SourceError(
    `${place(first)} redirects more than ${MAX_REDIRECTS} times; set \`endpoint\` to the address that answers`,
  );
}

function refuseOther(target: URL, origin: string, what: string): void {
  if (target.origin === origin) return;
  throw new SourceError(
    `${what} to ${target.origin}, but credentials are sent to ${origin} only; ` +
      'set `endpoint` to the address that answers',
  );
}

/** Enough for the code of an error. What is longer is not read. */
const FAILURE_BYTES = 64 * 1024;

async function readFailure(answer: Dispatcher.ResponseData): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > FAILURE_BYTES) return '';
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function location(answer: Dispatcher.ResponseData, base: URL): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(answer.statusCode)) return undefined;
  const header = answer.headers.location;
  const text = Array.isArray(header) ? header[0] : header;
  return text !== undefined && URL.canParse(text, base.href) ? new URL(text, base) : undefined;
}

async function readBody(answer: Dispatcher.ResponseData, url: URL, { maxBodyBytes }: HttpLimits): Promise<string> {
  const encoding = answer.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    await answer.body.dump();
    throw new SourceError(
      `${place(url)} answered in content encoding ${String(encoding)}, which was not asked for; ` +
        'remove Accept-Encoding from `headers`',
    );
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop destroys the body, and its connection with it.
    if (bytes > maxBodyBytes) {
      throw new SourceError(
        `${place(url)} answered with more than ${maxBodyBytes} bytes; ask for smaller pages (\`page_size\` with \`limit_param\`)`,
      );
    }
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

async function withTimeout<T>(
  url: URL,
  signal: AbortSignal,
  { timeoutMs }: HttpLimits,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const both = new AbortController();
  const stop = () => both.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    both.abort();
  }, timeoutMs);
  try {
    return await work(both.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof SourceError) throw error;
    if (late)
      throw new SourceError(`${place(url)} did not answer within ${timeoutMs / 1000} s; the next poll tries again`);
    throw new SourceError(`cannot reach ${place(url)}: ${reason(error)}; the next poll tries again`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** Error codes only: messages may quote an address or a header. */
function reason(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown error';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if ('cause' in error && error.cause !== undefined) return reason(error.cause);
  return 'name' in error ? String(error.name) : 'unknown error';
}

/** An address without its query, which may hold secrets. */
export function place(url: URL): string {
  return `${url.origin}${url.pathname}`;
}
