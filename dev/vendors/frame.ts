import { createHash } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { listen } from './listen';
import { RateLimit, type Budget } from './rate-limit';

/** What every vendor can be told. */
export interface VendorOptions {
  /** The time at the vendor, milliseconds since the epoch. @default Date.now */
  readonly now?: () => number;
  /** Requests allowed in a window of the rate limit, instead of the vendor's own number. */
  readonly limitPerWindow?: number;
  /** Length of a window of the rate limit in milliseconds, instead of the vendor's own. */
  readonly windowMs?: number;
}

/** A request, as far as a vendor looks at it. */
export interface Ask {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** The JSON or form of the body; undefined when there is none that can be read. */
  readonly body: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number | readonly string[]>>;
  readonly body: unknown;
}

/** What a request is answered with instead of its page: an answer, or no more than a closed connection. */
export type Failure = Answer | 'cut';

export interface VendorRequest extends Ask {
  /** 0 when the connection was closed. */
  readonly status: number;
  readonly query: Readonly<Record<string, string>>;
  /** The body of the answer. */
  readonly answer: unknown;
}

/** An event, when it happened (`time`) and its place in the order in which events came to be known. */
export interface Stored<E> {
  readonly event: E;
  readonly time: number;
  /** When it was persisted. */
  readonly at: number;
  readonly n: number;
}

/** Cursors that only this vendor can make: names of a place, the same for the same place. */
export interface Cursors<P> {
  issue(place: P): string;
  /** The place of a cursor; undefined when this vendor has not made it or no longer knows it. */
  read(cursor: string): P | undefined;
}

/** The rules of one vendor. `P`: what a cursor stands for. */
export interface VendorRules<E, P> {
  readonly limitPerWindow: number;
  readonly windowMs: number;
  /** How long everything is refused once the limit was exceeded; until the end of the window by default. */
  readonly blockMs?: number;
  /** The nth event, from 0. */
  create(n: number, time: number): E;
  /** Requests that no rate limit counts, such as those for tokens. */
  uncounted?(ask: Ask): Answer | undefined;
  /** Headers that every counted answer carries. */
  budgetHeaders?(budget: Budget): Readonly<Record<string, string | number>>;
  /** What a request beyond the limit is answered. */
  limited(budget: Budget): Answer;
  answer(ask: Ask, log: readonly Stored<E>[], cursors: Cursors<P>): Answer;
}

export interface Vendor<E> {
  readonly origin: string;
  /** Every event that the vendor still has, in the order in which they came to be known. */
  readonly events: readonly E[];
  readonly requests: readonly VendorRequest[];
  /** That many new events, known from now on, that happened now or at `time`. */
  append(count: number, time?: number): readonly E[];
  /** An event written out, that happened at `time`. */
  add(event: E, time: number): void;
  /** Answers the next requests so, one each. */
  fail(...failures: readonly Failure[]): void;
  /** Leaves that many requests of the current window, none by default, as if others had used up what they share. */
  exhaust(left?: number): void;
  /** Forgets every cursor made so far. */
  expireCursors(): void;
  /** Forgets events, as at the end of their retention. */
  forget(gone: (stored: Stored<E>) => boolean): void;
  stop(): Promise<void>;
}

/** Runs the rules of a vendor on loopback. */
export async function startVendor<E, P>(options: VendorOptions, rules: VendorRules<E, P>): Promise<Vendor<E>> {
  const now = options.now ?? Date.now;
  const rate = new RateLimit(now, {
    limit: options.limitPerWindow ?? rules.limitPerWindow,
    windowMs: options.windowMs ?? rules.windowMs,
    blockMs: rules.blockMs,
  });
  const cursors = new OpaqueCursors<P>();
  const requests: VendorRequest[] = [];
  const failures: Failure[] = [];
  const log: Stored<E>[] = [];
  const events: E[] = [];
  let appended = 0;

  function answerOf(ask: Ask): Failure {
    const failure = failures.shift();
    if (failure) return failure;
    const uncounted = rules.uncounted?.(ask);
    if (uncounted) return uncounted;
    const budget = rate.take();
    const answer = budget.exceeded ? rules.limited(budget) : rules.answer(ask, log, cursors);
    return { ...answer, headers: { ...rules.budgetHeaders?.(budget), ...answer.headers } };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const ask: Ask = {
      method: request.method ?? '',
      url: new URL(request.url ?? '/', `http://${request.headers.host}`),
      headers: request.headers,
      body: readBody(request.headers['content-type'], await textOf(request)),
    };
    const answer = answerOf(ask);
    const cut = answer === 'cut';
    requests.push({
      ...ask,
      status: cut ? 0 : answer.status,
      query: Object.fromEntries(ask.url.searchParams),
      answer: cut ? undefined : answer.body,
    });
    if (cut) {
      response.socket?.destroy();
      return;
    }
    response.setHeader('Date', new Date(now()).toUTCString());
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
    response.writeHead(answer.status).end(JSON.stringify(answer.body));
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error: Error) => response.destroy(error));
  });
  const { origin, stop } = await listen(server);

  function add(event: E, time: number): void {
    log.push({ event, time, at: Math.max(now(), log.at(-1)?.at ?? 0), n: appended++ });
    events.push(event);
  }

  return {
    origin,
    events,
    requests,
    append: (count, time = now()) => {
      const first = events.length;
      while (events.length < first + count) add(rules.create(appended, time), time);
      return events.slice(first);
    },
    add,
    fail: (...more) => void failures.push(...more),
    exhaust: (left = 0) => rate.leave(left),
    expireCursors: () => cursors.expire(),
    forget: (gone) => {
      log.splice(0, log.length, ...log.filter((stored) => !gone(stored)));
      events.splice(0, events.length, ...log.map(({ event }) => event));
    },
    stop,
  };
}

class OpaqueCursors<P> implements Cursors<P> {
  private readonly places = new Map<string, P>();
  private generation = 0;

  issue(place: P): string {
    const text = `${this.generation} ${JSON.stringify(place)}`;
    const cursor = createHash('sha256').update(text).digest('base64url').slice(0, 24);
    this.places.set(cursor, place);
    return cursor;
  }

  read(cursor: string): P | undefined {
    return this.places.get(cursor);
  }

  expire(): void {
    this.places.clear();
    this.generation++;
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function readBody(type: string | undefined, text: string): unknown {
  if (text === '') return undefined;
  if (type?.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(text));
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The parameter of a request as a whole number within bounds; undefined when it is none. */
export function wholeNumber(text: string | null, bounds: { least: number; most: number; default: number }) {
  if (text === null) return bounds.default;
  const number = Number(text);
  return /^\d+$/.test(text) && number >= bounds.least && number <= bounds.most ? number : undefined;
}

/** An RFC 3339 time in milliseconds; undefined when it is none. */
export function rfc3339(text: string | null): number | undefined {
  if (text === null || !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(text)) return undefined;
  return Date.parse(text);
}

/** Where in a log the events from the nth on begin. */
export function indexFrom(log: readonly Stored<unknown>[], n: number): number {
  let from = 0;
  for (let to = log.length; from < to;) {
    const middle = (from + to) >> 1;
    if ((log[middle]?.n ?? n) < n) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Of events ordered by time, equal ones as they came to be known: `direction` of the vendor. */
export function sorted<E>(log: readonly Stored<E>[], direction: 'asc' | 'desc'): Stored<E>[] {
  const sign = direction === 'asc' ? 1 : -1;
  return [...log].sort((a, b) => sign * (a.time - b.time || a.n - b.n));
}

export interface Spot {
  readonly time: number;
  readonly n: number;
}

/** Of sorted events those behind a spot. */
export function behind<E>(events: readonly Stored<E>[], spot: Spot | undefined, direction: 'asc' | 'desc') {
  if (!spot) return events;
  const sign = direction === 'asc' ? 1 : -1;
  return events.filter((stored) => sign * (stored.time - spot.time || stored.n - spot.n) > 0);
}
