import {
  behind,
  rfc3339,
  sorted,
  startVendor,
  wholeNumber,
  type Answer,
  type Ask,
  type Cursors,
  type Spot,
  type Stored,
  type Vendor,
  type VendorOptions,
} from './frame';

/** A log of version 2, as far as a log shipper looks at it. */
export interface CloudflareLog {
  readonly id: string;
  readonly action: { readonly time: string; readonly type: string; readonly result: string };
  readonly actor: { readonly email: string };
}

/** A log of version 1. */
export interface CloudflareLogV1 {
  readonly id: string;
  readonly when: string;
  readonly action: { readonly type: string; readonly result: boolean };
  readonly actor: { readonly email: string };
}

export interface CloudflareOptions extends VendorOptions {
  readonly token: string;
}

export interface Cloudflare<E> extends Vendor<E> {
  readonly url: string;
}

const ACCOUNT = '4bb334f7c94c4a29a045f03944f072e5';
const LIMITS = { limitPerWindow: 1200, windowMs: 300_000, blockMs: 300_000 } as const;

/** An error in the clothes of an answer. */
export const failureAs200: Answer = failure(200, 10_000, 'Internal error');

/** Version 2 of Cloudflare's audit logs: both bounds must be there and are exclusive ("newer than", "older than"), the cursor stands in `result_info.cursors.after`. */
export async function startCloudflare(options: CloudflareOptions): Promise<Cloudflare<CloudflareLog>> {
  const pathname = `/client/v4/accounts/${ACCOUNT}/logs/audit`;

  function page({ url }: Ask, log: readonly Stored<CloudflareLog>[], cursors: Cursors<Spot>): Answer {
    const query = url.searchParams;
    if (!query.has('since') || !query.has('before')) return failure(400, 7001, 'since and before are required');
    const found = within(query, log);
    const limit = wholeNumber(query.get('limit'), { least: 1, most: 1000, default: 100 });
    const cursor = query.get('cursor');
    const spot = cursor === null ? undefined : cursors.read(cursor);
    if (!found || limit === undefined || (cursor !== null && !spot)) return failure(400, 7003, 'Invalid parameters');
    const rest = behind(found.events, spot, found.direction);
    const events = rest.slice(0, limit);
    const last = events.at(-1);
    const after = last && events.length < rest.length ? cursors.issue({ time: last.time, n: last.n }) : undefined;
    return {
      status: 200,
      body: {
        success: true,
        errors: [],
        result: events.map(({ event }) => event),
        result_info: { count: events.length, cursors: after === undefined ? {} : { after } },
      },
    };
  }

  const vendor = await startVendor<CloudflareLog, Spot>(options, {
    ...LIMITS,
    limited,
    answer: (ask, log, cursors) => refused(ask, pathname, options.token) ?? page(ask, log, cursors),
    create: (n, time) => ({
      id: idOf(n),
      action: { time: new Date(time).toISOString(), type: 'create', result: 'success' },
      actor: { email: `user${n % 5}@example.com` },
    }),
  });
  return { ...vendor, url: `${vendor.origin}${pathname}` };
}

/** Version 1: numbered pages, bounds as one likes. */
export async function startCloudflareV1(options: CloudflareOptions): Promise<Cloudflare<CloudflareLogV1>> {
  const pathname = `/client/v4/accounts/${ACCOUNT}/audit_logs`;

  function page({ url }: Ask, log: readonly Stored<CloudflareLogV1>[]): Answer {
    const query = url.searchParams;
    const found = within(query, log);
    const number = wholeNumber(query.get('page'), { least: 1, most: 1e9, default: 1 });
    const size = wholeNumber(query.get('per_page'), { least: 1, most: 1000, default: 100 });
    if (!found || number === undefined || size === undefined) return failure(400, 7003, 'Invalid parameters');
    const events = found.events.slice((number - 1) * size, number * size).map(({ event }) => event);
    return { status: 200, body: { success: true, errors: [], messages: [], result: events } };
  }

  const vendor = await startVendor<CloudflareLogV1, never>(options, {
    ...LIMITS,
    limited,
    answer: (ask, log) => refused(ask, pathname, options.token) ?? page(ask, log),
    create: (n, time) => ({
      id: idOf(n),
      when: new Date(time).toISOString(),
      action: { type: 'add', result: true },
      actor: { email: `user${n % 5}@example.com` },
    }),
  });
  return { ...vendor, url: `${vendor.origin}${pathname}` };
}

function refused({ url, headers }: Ask, pathname: string, token: string): Answer | undefined {
  if (url.pathname !== pathname) return failure(404, 7000, 'No route for that URI');
  if (headers.authorization !== `Bearer ${token}`) return failure(403, 10_000, 'Authentication error');
  return undefined;
}

function within<E>(query: URLSearchParams, log: readonly Stored<E>[]) {
  const direction = query.get('direction') ?? 'desc';
  const since = time(query.get('since'), -Infinity);
  const before = time(query.get('before'), Infinity);
  if (since === undefined || before === undefined || (direction !== 'asc' && direction !== 'desc')) return undefined;
  const kept = log.filter((stored) => stored.time > since && stored.time < before);
  return { events: sorted(kept, direction), direction } as const;
}

/** A date is its midnight in UTC. */
function time(text: string | null, absent: number): number | undefined {
  if (text === null) return absent;
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : rfc3339(text);
}

const idOf = (n: number) => n.toString(16).padStart(32, '0');
const limited = () => failure(429, 971, 'Please wait and consider throttling your request speed');

function failure(status: number, code: number, message: string): Answer {
  return { status, body: { success: false, errors: [{ code, message }], messages: [], result: null } };
}
