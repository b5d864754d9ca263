import {
  behind,
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

/** An entry of Slack's audit log, as far as a log shipper looks at it. */
export interface SlackEntry {
  readonly id: string;
  /** Whole seconds since the epoch. */
  readonly date_create: number;
  readonly action: string;
  readonly actor: { readonly type: string; readonly user: { readonly id: string } };
}

export interface SlackOptions extends VendorOptions {
  readonly token: string;
}

export interface Slack extends Vendor<SlackEntry> {
  readonly url: string;
}

/**
 * Slack's audit logs: newest first and never otherwise, both bounds inclusive and in whole seconds, `limit` is a wish. A
 * cursor remembers its place and nothing else: a request that does not repeat `oldest` runs back to the beginning.
 */
export async function startSlack(options: SlackOptions): Promise<Slack> {
  function refused({ url, method, headers }: Ask): Answer | undefined {
    if (url.pathname !== '/audit/v1/logs' || method !== 'GET') return failure(404, 'not_found');
    if (headers.authorization === undefined) return failure(401, 'missing_authentication');
    if (headers.authorization !== `Bearer ${options.token}`) return failure(401, 'invalid_authentication');
    return undefined;
  }

  function page({ url }: Ask, log: readonly Stored<SlackEntry>[], cursors: Cursors<Spot>): Answer {
    const query = url.searchParams;
    const seconds = { least: 0, most: 1e11 };
    const oldest = wholeNumber(query.get('oldest'), { ...seconds, default: 0 });
    const latest = wholeNumber(query.get('latest'), { ...seconds, default: 1e11 });
    const limit = wholeNumber(query.get('limit'), { least: 1, most: 9999, default: 1000 });
    if (oldest === undefined || latest === undefined || limit === undefined) return failure(400, 'invalid_arguments');
    const cursor = query.get('cursor');
    const spot = cursor === null || cursor === '' ? undefined : cursors.read(cursor);
    if (cursor && !spot) return failure(400, 'invalid_cursor');
    const within = log.filter(({ event: { date_create } }) => date_create >= oldest && date_create <= latest);
    const rest = behind(sorted(within, 'desc'), spot, 'desc');
    // What is asked for is seldom what comes.
    const entries = rest.slice(0, Math.max(1, limit - (limit % 3)));
    const last = entries.at(-1);
    const more = last !== undefined && entries.length < rest.length;
    return {
      status: 200,
      body: {
        entries: entries.map(({ event }) => event),
        response_metadata: { next_cursor: more ? cursors.issue({ time: last.time, n: last.n }) : '' },
      },
    };
  }

  const vendor = await startVendor<SlackEntry, Spot>(options, {
    limitPerWindow: 50,
    windowMs: 60_000,
    limited: ({ resetInS }) => ({ ...failure(429, 'rate_limited'), headers: { 'Retry-After': resetInS } }),
    answer: (ask, log, cursors) => refused(ask) ?? page(ask, log, cursors),
    create: (n, time) => ({
      id: `0123a45b-6c7d-8900-e12f-${n.toString(16).padStart(12, '0')}`,
      date_create: Math.floor(time / 1000),
      action: 'user_login',
      actor: { type: 'user', user: { id: `W${n % 9}` } },
    }),
  });
  return { ...vendor, url: `${vendor.origin}/audit/v1/logs` };
}

const failure = (status: number, error: string): Answer => ({ status, body: { ok: false, error } });
