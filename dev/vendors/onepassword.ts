import {
  indexFrom,
  rfc3339,
  startVendor,
  type Answer,
  type Ask,
  type Cursors,
  type Stored,
  type Vendor,
  type VendorOptions,
} from './frame';

/** An event of 1Password, as far as a log shipper looks at it; times are whole seconds with an offset. */
export interface OnepasswordEvent {
  readonly uuid: string;
  readonly timestamp: string;
  readonly action: string;
  readonly actor_uuid: string;
}

export interface OnepasswordOptions extends VendorOptions {
  readonly token: string;
  /** The feature that the token may read. @default 'auditevents' */
  readonly feature?: 'auditevents' | 'itemusages' | 'signinattempts';
}

export interface Onepassword extends Vendor<OnepasswordEvent> {
  readonly url: string;
}

interface Place {
  /** The next event. */
  readonly n: number;
  readonly limit: number;
  readonly end: number | undefined;
}

const HOUR_MS = 3_600_000;

/**
 * The Events API of 1Password: POST, oldest first. The first body says where to start and how much to send, each later one
 * holds the cursor alone. A cursor is good for ever, also that of the last page.
 */
export async function startOnepassword(options: OnepasswordOptions): Promise<Onepassword> {
  const { feature = 'auditevents', token, now = Date.now } = options;
  const pathname = `/api/v2/${feature}`;

  function refused({ url, method, headers }: Ask): Answer | undefined {
    if (headers.authorization !== `Bearer ${token}`) return failure(401, 'Unauthorized');
    if (url.pathname !== pathname) return failure(401, 'Unauthorized: the token has no such feature');
    return method === 'POST' ? undefined : failure(405, 'Method Not Allowed');
  }

  function placeOf(body: object, log: readonly Stored<OnepasswordEvent>[], cursors: Cursors<Place>): Place | undefined {
    const { cursor, limit = 100, start_time, end_time, ...others } = body as Record<string, unknown>;
    if (Object.keys(others).length > 0) return undefined;
    if (cursor !== undefined) {
      const alone = Object.keys(body).length === 1;
      return alone && typeof cursor === 'string' ? cursors.read(cursor) : undefined;
    }
    const end = end_time === undefined ? undefined : timeOf(end_time);
    const start = start_time === undefined ? (end ?? now()) - HOUR_MS : timeOf(start_time);
    const whole = typeof limit === 'number' && Number.isInteger(limit) && limit >= 1 && limit <= 1000;
    if (!whole || start === undefined || (end_time !== undefined && end === undefined)) return undefined;
    const first = log.find(({ event }) => Date.parse(event.timestamp) >= start);
    return { n: first?.n ?? (log.at(-1)?.n ?? -1) + 1, limit, end };
  }

  function page({ body }: Ask, log: readonly Stored<OnepasswordEvent>[], cursors: Cursors<Place>): Answer {
    if (typeof body !== 'object' || body === null) return failure(400, 'Bad Request');
    const place = placeOf(body, log, cursors);
    if (!place) return failure(400, 'Bad Request');
    const rest = log.slice(indexFrom(log, place.n)).filter(({ time }) => place.end === undefined || time < place.end);
    // Only `has_more` tells the end: pages before it are a tenth short of what was asked for.
    const events = rest.slice(0, place.limit - Math.floor(place.limit / 10));
    const n = (events.at(-1)?.n ?? place.n - 1) + 1;
    return {
      status: 200,
      body: {
        cursor: cursors.issue({ ...place, n }),
        has_more: events.length < rest.length,
        items: events.map(({ event }) => event),
      },
    };
  }

  const vendor = await startVendor<OnepasswordEvent, Place>(options, {
    limitPerWindow: 600,
    windowMs: 60_000,
    limited: () => failure(429, 'Too Many Requests'),
    answer: (ask, log, cursors) => refused(ask) ?? page(ask, log, cursors),
    create: (n, time) => ({
      uuid: `EVENT${String(n).padStart(21, '0')}`,
      timestamp: `${new Date(Math.floor(time / 1000) * 1000 - 3 * HOUR_MS).toISOString().slice(0, 19)}-03:00`,
      action: 'create',
      actor_uuid: `USER${n % 3}`,
    }),
  });
  return { ...vendor, url: `${vendor.origin}${pathname}` };
}

const timeOf = (value: unknown) => (typeof value === 'string' ? rfc3339(value) : undefined);
const failure = (status: number, message: string): Answer => ({ status, body: { Error: { Message: message } } });
