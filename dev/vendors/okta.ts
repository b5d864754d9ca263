import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen, type Running } from './listen';

/** An event of Okta's System Log, as far as a log shipper looks at it. */
export interface OktaEvent {
  readonly uuid: string;
  readonly published: string;
  readonly eventType: string;
  readonly displayMessage: string;
  readonly severity: string;
  readonly actor: { readonly id: string; readonly type: string; readonly alternateId: string };
  readonly outcome: { readonly result: string };
}

export interface OktaOptions {
  /** Same seed, same events, same empty pages. @default 1 */
  readonly seed?: number;
  /** Requests allowed in a window. @default 600 */
  readonly limitPerWindow?: number;
  /** Length of a window of the rate limit, milliseconds. @default 60000 */
  readonly windowMs?: number;
  /** Share of pages that are empty though there are events, from 0 up to, not including, 1. @default 0.05 */
  readonly emptyPages?: number;
  /** The token that requests must carry; any `SSWS` token when absent. */
  readonly token?: string;
}

export interface OktaRequest {
  readonly status: number;
  readonly query: Readonly<Record<string, string>>;
  readonly events: number;
}

export interface Okta {
  /** The endpoint of the System Log. */
  readonly url: string;
  /** Persists events now: that many new ones, or those given. */
  append(events: number | readonly OktaEvent[]): readonly OktaEvent[];
  /** Every event, in the order in which they were persisted. */
  readonly events: readonly OktaEvent[];
  readonly requests: readonly OktaRequest[];
  stop(): Promise<void>;
}

interface Persisted {
  readonly event: OktaEvent;
  readonly at: number;
}

const DEFAULT_LIMIT = 100;
const MOST = 1000;
/** Events are published up to this long before they are persisted, so that `published` is out of order. */
const LATENESS_MS = 5000;
const PARAMETERS = new Set(['since', 'until', 'after', 'limit', 'sortOrder', 'filter', 'q']);

/**
 * Okta's System Log as its documentation describes it, on loopback: polling requests are in the order of persistence and
 * always have a `next` link; `self` and `next` come as two headers; `after` is opaque; the rate limit has windows.
 */
export async function startOkta(options: OktaOptions = {}): Promise<Okta> {
  const { seed = 1, limitPerWindow = 600, windowMs = 60_000, emptyPages = 0.05, token } = options;
  const random = generator(seed);
  const log: Persisted[] = [];
  const requests: OktaRequest[] = [];
  let window = 0;
  let used = 0;

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
    const answer = rateLimited(response) ?? refused(request, url) ?? page(url, response);
    requests.push({
      status: answer.status,
      query: Object.fromEntries(url.searchParams),
      events: Array.isArray(answer.body) ? answer.body.length : 0,
    });
    response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer.body));
  });
  const running: Running = await listen(server);

  function rateLimited(response: ServerResponse): Answer | undefined {
    const current = Math.floor(Date.now() / windowMs);
    if (current !== window) used = 0;
    window = current;
    used++;
    response.setHeader('X-Rate-Limit-Limit', limitPerWindow);
    response.setHeader('X-Rate-Limit-Remaining', Math.max(0, limitPerWindow - used));
    response.setHeader('X-Rate-Limit-Reset', Math.ceil(((window + 1) * windowMs) / 1000));
    return used > limitPerWindow
      ? failure(429, 'E0000047', 'API call exceeded rate limit due to too many requests.')
      : undefined;
  }

  function refused(request: IncomingMessage, url: URL): Answer | undefined {
    if (url.pathname !== '/api/v1/logs') return failure(404, 'E0000007', 'Not found');
    const sent = /^SSWS (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (sent === undefined || (token !== undefined && sent !== token))
      return failure(401, 'E0000011', 'Invalid token provided');
    const query = url.searchParams;
    const unknown = [...query.keys()].find((name) => !PARAMETERS.has(name));
    if (unknown !== undefined) return failure(400, 'E0000001', `Api validation failed: ${unknown}`);
    if (query.has('since') && query.has('after'))
      return failure(400, 'E0000053', 'since and after are mutually exclusive');
    if (query.has('since') && Number.isNaN(Date.parse(query.get('since') ?? '')))
      return failure(400, 'E0000001', 'Api validation failed: since');
    const limit = Number(query.get('limit') ?? DEFAULT_LIMIT);
    if (!Number.isInteger(limit) || limit < 0 || limit > MOST)
      return failure(400, 'E0000001', 'Api validation failed: limit');
    const order = query.get('sortOrder') ?? 'ASCENDING';
    if (order !== 'ASCENDING') return failure(400, 'E0000001', 'Api validation failed: sortOrder');
    return undefined;
  }

  function page(url: URL, response: ServerResponse): Answer {
    const query = url.searchParams;
    const from = start(query);
    if (from === undefined) return failure(400, 'E0000001', 'Api validation failed: after');
    const limit = Number(query.get('limit') ?? DEFAULT_LIMIT);
    const until = query.has('until') ? Date.parse(query.get('until') ?? '') : undefined;
    if (until !== undefined) return bounded(from, until, limit);
    const empty = random() < emptyPages;
    const persisted = empty ? [] : log.slice(from, from + limit);
    const next = new URL(url);
    next.searchParams.delete('since');
    next.searchParams.set('after', cursor(from + persisted.length));
    response.setHeader('Link', [`<${url.href}>; rel="self"`, `<${next.href}>; rel="next"`]);
    return { status: 200, body: persisted.map(({ event }) => event) };
  }

  /** Finite, and in the order of publication. */
  function bounded(from: number, until: number, limit: number): Answer {
    const within = log
      .slice(from)
      .map(({ event }) => event)
      .filter(({ published }) => Date.parse(published) < until);
    return {
      status: 200,
      body: within.sort((a, b) => Date.parse(a.published) - Date.parse(b.published)).slice(0, limit),
    };
  }

  /** Index of the first event of a request. A cursor that Okta has not made is none. */
  function start(query: URLSearchParams): number | undefined {
    const after = query.get('after');
    if (after === null) {
      const since = query.has('since') ? Date.parse(query.get('since') ?? '') : Date.now() - 7 * 86_400_000;
      const first = log.findIndex(({ at }) => at >= since);
      return first < 0 ? log.length : first;
    }
    const index = Number(after.split('_')[0]);
    return Number.isInteger(index) && cursor(index) === after ? index : undefined;
  }

  const cursor = (index: number) =>
    `${index}_${createHash('sha256').update(`${seed} ${index}`).digest('base64url').slice(0, 12)}`;

  function create(): OktaEvent {
    const hex = Array.from({ length: 8 }, () =>
      Math.floor(random() * 65_536)
        .toString(16)
        .padStart(4, '0'),
    ).join('');
    const user = `user${Math.floor(random() * 100)}`;
    return {
      uuid: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
      published: new Date(Date.now() - Math.floor(random() ** 3 * LATENESS_MS)).toISOString(),
      eventType: 'user.session.start',
      displayMessage: 'User login to Okta',
      severity: 'INFO',
      actor: { id: user, type: 'User', alternateId: `${user}@example.com` },
      outcome: { result: random() < 0.9 ? 'SUCCESS' : 'FAILURE' },
    };
  }

  return {
    url: `${running.origin}/api/v1/logs`,
    append: (events) => {
      const added = typeof events === 'number' ? Array.from({ length: events }, create) : events;
      const at = Math.max(Date.now(), log.at(-1)?.at ?? 0);
      for (const event of added) log.push({ event, at });
      return added;
    },
    get events() {
      return log.map(({ event }) => event);
    },
    requests,
    stop: running.stop,
  };
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

function failure(status: number, errorCode: string, errorSummary: string): Answer {
  return { status, body: { errorCode, errorSummary, errorLink: errorCode, errorId: 'oae', errorCauses: [] } };
}

/** Numbers from 0 up to, not including, 1; the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
