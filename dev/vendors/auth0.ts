import {
  sorted,
  startVendor,
  wholeNumber,
  type Answer,
  type Ask,
  type Stored,
  type Vendor,
  type VendorOptions,
} from './frame';
import { field, Tokens } from './tokens';

/** A tenant log of Auth0, as far as a log shipper looks at it. */
export interface Auth0Log {
  readonly log_id: string;
  readonly date: string;
  readonly type: string;
  readonly client_id: string;
  readonly user_id: string;
}

export interface Auth0Options extends VendorOptions {
  readonly clientId: string;
  readonly clientSecret: string;
  /** What tokens must be asked for. @default the one of `tenant.auth0.com` */
  readonly audience?: string;
  /** How long an access token is good, seconds. @default 86400 */
  readonly tokenLifetimeS?: number;
}

export interface Auth0 extends Vendor<Auth0Log> {
  readonly url: string;
  /** Forgets the logs up to the furthest checkpoint, and with them every checkpoint. */
  expireCursors(): void;
  /** Makes every access token bad. */
  expireTokens(): void;
}

const AUDIENCE = 'https://tenant.auth0.com/api/v2/';
/** Page by page a search shows so many logs, and no more. */
const MOST_FOUND = 1000;

/**
 * Auth0's tenant logs: by checkpoint (`from`, `take`), where every other parameter is ignored, the order is that of `log_id`
 * and not of dates, and the `next` link of an empty page names the same place; or by search, which shows 1,000 logs at most.
 * The checkpoint is no opaque cursor: it is the id of a log, and of no use once that log has aged out.
 */
export async function startAuth0(options: Auth0Options): Promise<Auth0> {
  const { clientId, clientSecret, audience = AUDIENCE, tokenLifetimeS = 86_400, now = Date.now } = options;
  const tokens = new Tokens(now, tokenLifetimeS);
  /** The furthest log that was given as a checkpoint. */
  let furthest = -1;

  function issueToken({ url, method, body }: Ask): Answer | undefined {
    if (url.pathname !== '/oauth/token') return undefined;
    const refuse = (status: number, error: string, error_description: string) => ({
      status,
      body: { error, error_description },
    });
    if (method !== 'POST' || field(body, 'grant_type') !== 'client_credentials')
      return refuse(403, 'unauthorized_client', 'Grant type not allowed for the client.');
    if (field(body, 'client_id') !== clientId || field(body, 'client_secret') !== clientSecret)
      return refuse(401, 'access_denied', 'Unauthorized');
    if (field(body, 'audience') !== audience)
      return refuse(403, 'access_denied', `Service not found: ${field(body, 'audience') ?? ''}`);
    return {
      status: 200,
      body: { access_token: tokens.issue(), scope: 'read:logs', expires_in: tokenLifetimeS, token_type: 'Bearer' },
    };
  }

  function refused({ url, headers }: Ask): Answer | undefined {
    if (url.pathname !== '/api/v2/logs') return failure(404, 'Not Found', 'Not Found');
    if (!tokens.accepts(headers.authorization)) return failure(401, 'Unauthorized', 'Invalid token');
    return undefined;
  }

  function checkpoint(url: URL, log: readonly Stored<Auth0Log>[], from: string | undefined): Answer {
    const take = wholeNumber(url.searchParams.get('take'), { least: 1, most: 100, default: 50 });
    if (take === undefined) return failure(400, 'Bad Request', "Query validation error: 'take'");
    const known = log.find(({ event }) => event.log_id === from);
    if (from !== undefined && !known) return failure(400, 'Bad Request', 'Invalid log id');
    const logs = log.filter(({ n }) => known === undefined || n > known.n).slice(0, take);
    furthest = Math.max(furthest, logs.at(-1)?.n ?? known?.n ?? -1);
    const next = new URL('/api/v2/logs', url);
    next.searchParams.set('from', logs.at(-1)?.event.log_id ?? from ?? '');
    next.searchParams.set('take', String(take));
    return {
      status: 200,
      headers: logs.length > 0 || from !== undefined ? { Link: `<${next.href}>; rel="next"` } : {},
      body: logs.map(({ event }) => event),
    };
  }

  function search(query: URLSearchParams, log: readonly Stored<Auth0Log>[]): Answer {
    const size = wholeNumber(query.get('per_page'), { least: 0, most: 100, default: 50 });
    const page = wholeNumber(query.get('page'), { least: 0, most: 1e6, default: 0 });
    const sort = /^date:(-?1)$/.exec(query.get('sort') ?? 'date:-1')?.[1];
    const bounds = dates(query.get('q'));
    if (size === undefined || page === undefined || sort === undefined || !bounds)
      return failure(400, 'Bad Request', 'Query validation error');
    if ((page + 1) * size > MOST_FOUND)
      return failure(400, 'Bad Request', `You can only page through the first ${MOST_FOUND} records`);
    const found = sorted(log, sort === '1' ? 'asc' : 'desc').filter(
      ({ time }) => time >= bounds.from && time <= bounds.to,
    );
    return { status: 200, body: found.slice(page * size, (page + 1) * size).map(({ event }) => event) };
  }

  function page({ url }: Ask, log: readonly Stored<Auth0Log>[]): Answer {
    const query = url.searchParams;
    const from = query.get('from');
    return from !== null || query.has('take') ? checkpoint(url, log, from ?? undefined) : search(query, log);
  }

  const vendor = await startVendor<Auth0Log, string>(options, {
    limitPerWindow: 10,
    windowMs: 1000,
    uncounted: issueToken,
    budgetHeaders: ({ limit, remaining, resetAt }) => ({
      'x-ratelimit-limit': limit,
      'x-ratelimit-remaining': remaining,
      'x-ratelimit-reset': Math.ceil(resetAt / 1000),
    }),
    limited: () => failure(429, 'Too Many Requests', 'Global limit has been reached'),
    answer: (ask, log) => refused(ask) ?? page(ask, log),
    create: (n, time) => ({
      log_id: `90020261${String(n).padStart(32, '0')}`,
      date: new Date(time).toISOString(),
      type: 's',
      client_id: 'client',
      user_id: `auth0|${n % 11}`,
    }),
  });
  return {
    ...vendor,
    url: `${vendor.origin}/api/v2/logs`,
    expireCursors: () => vendor.forget(({ n }) => n <= furthest),
    expireTokens: () => tokens.expire(),
  };
}

/** The bounds of a search `date:[from TO to]`, either of which may be `*`. */
function dates(q: string | null): { from: number; to: number } | undefined {
  if (q === null) return { from: -Infinity, to: Infinity };
  const [, from = '', to = ''] = /^date:\[(\S+) TO (\S+)\]$/.exec(q) ?? [];
  const bounds = { from: from === '*' ? -Infinity : Date.parse(from), to: to === '*' ? Infinity : Date.parse(to) };
  return Number.isNaN(bounds.from) || Number.isNaN(bounds.to) ? undefined : bounds;
}

const failure = (statusCode: number, error: string, message: string): Answer => ({
  status: statusCode,
  body: { statusCode, error, message },
});
