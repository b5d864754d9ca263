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
import { field, jwtProblem, Tokens } from './tokens';

/** An activity of the Reports API, as far as a log shipper looks at it. */
export interface GoogleActivity {
  readonly kind: 'admin#reports#activity';
  /** `uniqueQualifier` tells activities of one time apart, and no others. */
  readonly id: { readonly time: string; readonly uniqueQualifier: string; readonly applicationName: string };
  readonly actor: { readonly email: string };
  readonly events: readonly { readonly type: string; readonly name: string }[];
}

export interface GoogleOptions extends VendorOptions {
  /** The application whose activities there are. @default 'login' */
  readonly application?: string;
  /** The service account, the administrator it acts for, and its public key. */
  readonly account: { readonly email: string; readonly subject: string; readonly publicKey: string };
}

export interface Google extends Vendor<GoogleActivity> {
  readonly url: string;
  readonly tokenUrl: string;
  /** Makes every access token bad. */
  expireTokens(): void;
}

const SCOPE = 'https://www.googleapis.com/auth/admin.reports.audit.readonly';
const DAY_MS = 86_400_000;
const TOKEN_LIFETIME_S = 3600;

interface Place extends Spot {
  /** The request that a page token belongs to. */
  readonly of: string;
}

/** Google refuses for its quota with 403; the reason tells it from a 403 for good. */
export function quotaExceeded(reason: 'rateLimitExceeded' | 'quotaExceeded' | 'userRateLimitExceeded'): Answer {
  return failure(403, 'Quota exceeded', reason);
}

/**
 * The Reports API of Google Workspace: newest first and never otherwise, activities come late, `items` is missing when there
 * are none, a page token belongs to one pair of times, and access tokens come for a JWT that a service account has signed.
 */
export async function startGoogleWorkspace(options: GoogleOptions): Promise<Google> {
  const { application = 'login', account, now = Date.now } = options;
  const pathname = `/admin/reports/v1/activity/users/all/applications/${application}`;
  const tokens = new Tokens(now, TOKEN_LIFETIME_S);
  const sameTime = new Map<number, number>();
  let refusals = 0;

  function issueToken({ url, method, body }: Ask): Answer | undefined {
    if (url.pathname !== '/token') return undefined;
    const refuse = (error: string, error_description: string) => ({ status: 400, body: { error, error_description } });
    if (method !== 'POST' || field(body, 'grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      return refuse('unsupported_grant_type', 'Invalid grant_type');
    const problem = jwtProblem(field(body, 'assertion') ?? '', {
      publicKey: account.publicKey,
      issuer: account.email,
      subject: account.subject,
      audience: url.href,
      scope: SCOPE,
      now: now(),
    });
    if (problem !== undefined) return refuse('invalid_grant', problem);
    return { status: 200, body: { access_token: tokens.issue(), expires_in: TOKEN_LIFETIME_S, token_type: 'Bearer' } };
  }

  function refused({ url, headers }: Ask): Answer | undefined {
    if (url.pathname !== pathname) return failure(404, 'Not Found', 'notFound');
    if (!tokens.accepts(headers.authorization)) return failure(401, 'Invalid Credentials', 'authError');
    return undefined;
  }

  function page({ url }: Ask, log: readonly Stored<GoogleActivity>[], cursors: Cursors<Place>): Answer {
    const query = url.searchParams;
    const start = rfc3339(query.get('startTime')) ?? now() - 180 * DAY_MS;
    const end = rfc3339(query.get('endTime')) ?? now();
    for (const name of ['startTime', 'endTime'])
      if (query.has(name) && rfc3339(query.get(name)) === undefined) return invalid(name);
    if (start >= end || start > now() || end > now()) return invalid('startTime');
    if (application === 'gmail' && !(query.has('startTime') && query.has('endTime') && end - start <= 30 * DAY_MS))
      return invalid('startTime and endTime');
    const size = wholeNumber(query.get('maxResults'), { least: 1, most: 1000, default: 1000 });
    if (size === undefined) return invalid('maxResults');
    const of = JSON.stringify([query.get('startTime'), query.get('endTime'), query.get('eventName')]);
    const token = query.get('pageToken');
    const place = token === null ? undefined : cursors.read(token);
    if (token !== null && place?.of !== of) return invalid('pageToken');
    const within = log.filter(({ time }) => time >= Math.max(start, now() - 180 * DAY_MS) && time < end);
    const rest = behind(sorted(within, 'desc'), place, 'desc');
    const items = rest.slice(0, size);
    const last = items.at(-1);
    return {
      status: 200,
      body: {
        kind: 'admin#reports#activities',
        ...(last && { items: items.map(({ event }) => event) }),
        ...(last && items.length < rest.length && { nextPageToken: cursors.issue({ of, time: last.time, n: last.n }) }),
      },
    };
  }

  const vendor = await startVendor<GoogleActivity, Place>(options, {
    limitPerWindow: 2400,
    windowMs: 60_000,
    uncounted: issueToken,
    limited: () =>
      refusals++ % 2 === 0
        ? quotaExceeded('userRateLimitExceeded')
        : failure(429, 'Too many requests', 'rateLimitExceeded'),
    answer: (ask, log, cursors) => refused(ask) ?? page(ask, log, cursors),
    create: (n, time) => {
      const before = sameTime.get(time) ?? 0;
      sameTime.set(time, before + 1);
      return {
        kind: 'admin#reports#activity',
        id: { time: new Date(time).toISOString(), uniqueQualifier: String(-before - 1), applicationName: application },
        actor: { email: `user${n % 13}@example.com` },
        events: [{ type: 'login', name: 'login_success' }],
      };
    },
  });
  return {
    ...vendor,
    url: `${vendor.origin}${pathname}`,
    tokenUrl: `${vendor.origin}/token`,
    expireTokens: () => tokens.expire(),
  };
}

const invalid = (name: string) => failure(400, `Invalid value for ${name}`, 'invalid');

function failure(code: number, message: string, reason: string): Answer {
  return { status: code, body: { error: { code, message, errors: [{ domain: 'global', reason, message }] } } };
}
