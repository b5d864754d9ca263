import { createServer, type ServerResponse } from 'node:http';
import { listen } from './listen';

/** What a request is answered with instead of its page. */
export type Fault =
  | { readonly kind: 'html' }
  /** A body that begins as JSON and is this long. */
  | { readonly kind: 'huge'; readonly bytes: number }
  | { readonly kind: 'redirect-loop' }
  | { readonly kind: 'redirect'; readonly to: string }
  /** Takes the request and never answers. */
  | { readonly kind: 'hang' }
  /** Answers the head and the first bytes, and never the rest. */
  | { readonly kind: 'hang-in-body' }
  | { readonly kind: 'cut' }
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The page, with this as its next cursor, next page or next link. */
  | { readonly kind: 'next'; readonly value: unknown };

export interface PagesOptions {
  /** Entries on a page when the request names no `limit`. @default 100 */
  readonly pageSize?: number;
  /** Most entries on a page, whatever the request says. */
  readonly maxPageSize?: number;
  /** How entries are ordered: as they were added, or by `time`. @default 'added' */
  readonly order?: 'added' | 'oldest-first' | 'newest-first';
  /** So many entries of the page before come again at the head of a page. @default 0 */
  readonly overlap?: number;
  /** Whether `since` leaves out the entries of exactly that time. @default false */
  readonly exclusive?: boolean;
}

export interface Entry {
  /** Milliseconds since the epoch, for `since` (milliseconds or RFC 3339) and for the order; entries have it or not in their own form. */
  readonly time: number;
  readonly body: unknown;
}

export interface Pages {
  readonly origin: string;
  /** The address of an API that pages in this way. `since` filters by time on each of them; so does no cursor of a link. */
  url(kind: 'offset' | 'page' | 'cursor' | 'link' | 'single'): string;
  add(...entries: readonly Entry[]): void;
  /** Answers the next requests with these, one each. */
  fail(...faults: readonly Fault[]): void;
  /** Called before a page is made. */
  onRequest: (url: URL) => void;
  readonly requests: readonly {
    readonly url: URL;
    readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  }[];
  stop(): Promise<void>;
}

/** An address that redirects to itself. */
const LOOP = '/loop';

/**
 * An API on loopback that pages by offset (`?offset&limit`), page number (`?page&limit`), cursor (`?cursor&limit`, next one in
 * `meta.next`) or Link header. Answers are `{items, meta: {next, more}}`; those of `link` and `single` are arrays.
 */
export async function startPages(options: PagesOptions = {}): Promise<Pages> {
  const { pageSize = 100, maxPageSize = Infinity, order = 'added', overlap = 0, exclusive = false } = options;
  const entries: Entry[] = [];
  const faults: Fault[] = [];
  const requests: { url: URL; headers: Record<string, string | string[] | undefined> }[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
    requests.push({ url, headers: { ...request.headers } });
    pages.onRequest(url);
    const fault: Fault | undefined = url.pathname === LOOP ? { kind: 'redirect-loop' } : faults.shift();
    if (fault && fault.kind !== 'next') fail(fault, response);
    else answer(url, response, fault);
  });

  function selected(url: URL): readonly Entry[] {
    const text = url.searchParams.get('since');
    const since = text === null ? -Infinity : /^\d+$/.test(text) ? Number(text) : Date.parse(text);
    const found = entries.filter(({ time }) => (exclusive ? time > since : time >= since));
    if (order === 'added') return found;
    // Stable: entries of one time stay in the order in which they were added.
    return found.sort((a, b) => (order === 'oldest-first' ? a.time - b.time : b.time - a.time));
  }

  function answer(url: URL, response: ServerResponse, fault: { readonly value: unknown } | undefined): void {
    const kind = url.pathname.slice(1);
    const query = url.searchParams;
    const size = Math.min(Number(query.get('limit') ?? pageSize), maxPageSize);
    const all = selected(url);
    const at =
      kind === 'page'
        ? (Number(query.get('page') ?? 1) - 1) * size
        : Number(query.get('offset') ?? query.get('cursor') ?? 0);
    const items = kind === 'single' ? all : all.slice(Math.max(0, at - overlap), at + size);
    const bodies = items.map(({ body }) => body);
    const more = at + size < all.length;
    const following = kind === 'page' ? Number(query.get('page') ?? 1) + 1 : String(at + size);
    const next = fault ? fault.value : more ? following : null;
    if (kind === 'link' && next !== null && next !== undefined) {
      const link = new URL(url);
      link.searchParams.set('cursor', String(next));
      response.setHeader('Link', [`<${url.href}>; rel="self"`, `<${fault ? String(next) : link.href}>; rel="next"`]);
    }
    const body = kind === 'link' || kind === 'single' ? bodies : { items: bodies, meta: { next, more } };
    response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
  }

  const running = await listen(server);
  const pages: Pages = {
    origin: running.origin,
    url: (kind) => `${running.origin}/${kind}`,
    add: (...added) => void entries.push(...added),
    fail: (...more) => void faults.push(...more),
    onRequest: () => {},
    requests,
    stop: running.stop,
  };
  return pages;
}

function fail(fault: Exclude<Fault, { kind: 'next' }>, response: ServerResponse): void {
  switch (fault.kind) {
    case 'html':
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Sign in</title>');
      return;
    case 'huge': {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      const chunk = Buffer.alloc(64 * 1024, ' ');
      let left = fault.bytes;
      const write = () => {
        while (left > 0 && !response.destroyed) {
          left -= chunk.length;
          if (!response.write(chunk)) return void response.once('drain', write);
        }
        response.end('[]');
      };
      write();
      return;
    }
    case 'redirect-loop':
      response.writeHead(302, { Location: LOOP }).end();
      return;
    case 'redirect':
      response.writeHead(302, { Location: fault.to }).end();
      return;
    case 'hang':
      return;
    case 'hang-in-body':
      response.writeHead(200, { 'Content-Type': 'application/json' }).write('[');
      return;
    case 'cut':
      response.socket?.destroy();
      return;
    case 'answer':
      response
        .writeHead(fault.status, { 'Content-Type': 'application/json', ...fault.headers })
        .end(fault.body ?? '{"error":"secret-in-body"}');
      return;
  }
}
