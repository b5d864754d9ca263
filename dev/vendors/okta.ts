import { seededRandom } from '../sim/random';
import {
  indexFrom,
  rfc3339,
  startVendor,
  wholeNumber,
  type Answer,
  type Ask,
  type Cursors,
  type Stored,
  type Vendor,
  type VendorOptions,
} from './frame';
import { field, jwtProblem, Tokens } from './tokens';

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

export interface OktaOptions extends VendorOptions {
  /** Same seed, same events, same empty pages. @default 1 */
  readonly seed?: number;
  /** Share of pages that are empty though there are events, from 0 up to, not including, 1. @default 0.05 */
  readonly emptyPages?: number;
  /** The token that requests must carry; any `SSWS` token when absent. */
  readonly token?: string;
  /** A service app that gets its tokens with a JWT that its private key has signed. */
  readonly app?: { readonly clientId: string; readonly publicKey: string };
}

export interface Okta extends Omit<Vendor<OktaEvent>, 'append'> {
  /** The endpoint of the System Log. */
  readonly url: string;
  /** Persists events now: that many new ones, that happened now or at `time`, or those given. */
  append(events: number | readonly OktaEvent[], time?: number): readonly OktaEvent[];
  /** Makes every access token of the service app bad. */
  expireTokens(): void;
}

const DAY_MS = 86_400_000;
const OLDEST_SINCE_MS = 180 * DAY_MS;
const TOKEN_LIFETIME_S = 3600;
/** Events are published up to this long before they are persisted, so that `published` is out of order. */
const LATENESS_MS = 5000;
const PARAMETERS = new Set(['since', 'until', 'after', 'limit', 'sortOrder', 'filter', 'q']);

/** What a cursor stands for: the next event by persistence, or how many events of a bounded request came. */
type Place = { readonly n: number } | { readonly skip: number };

/**
 * Okta's System Log as its documentation describes it: polling requests are in the order of persistence and always have a
 * `next` link; `self` and `next` come as two headers; `after` is opaque; `since` and `after` exclude one another; the rate
 * limit has windows; a token comes from the organisation's settings (`SSWS`) or from `/oauth2/v1/token`.
 */
export async function startOkta(options: OktaOptions = {}): Promise<Okta> {
  const { seed = 1, emptyPages = 0.05, token, app, now = Date.now } = options;
  const random = seededRandom(seed);
  const tokens = new Tokens(now, TOKEN_LIFETIME_S);

  function refused({ url, headers: { authorization } }: Ask): Answer | undefined {
    if (url.pathname !== '/api/v1/logs') return failure(404, 'E0000007', 'Not found');
    const sent = /^SSWS (.+)$/.exec(authorization ?? '')?.[1];
    const known = sent === undefined ? tokens.accepts(authorization) : token === undefined || sent === token;
    if (!known) return failure(401, 'E0000011', 'Invalid token provided');
    const query = url.searchParams;
    const unknown = [...query.keys()].find((name) => !PARAMETERS.has(name));
    if (unknown !== undefined) return invalid(unknown);
    if (query.has('since') && query.has('after'))
      return failure(400, 'E0000053', 'since and after are mutually exclusive');
    for (const name of ['since', 'until'])
      if (query.has(name) && rfc3339(query.get(name)) === undefined) return invalid(name);
    const since = rfc3339(query.get('since'));
    if (since !== undefined && since < now() - OLDEST_SINCE_MS) return invalid('since');
    if (!['ASCENDING', 'DESCENDING', null].includes(query.get('sortOrder'))) return invalid('sortOrder');
    return undefined;
  }

  function page({ url }: Ask, log: readonly Stored<OktaEvent>[], cursors: Cursors<Place>): Answer {
    const query = url.searchParams;
    const limit = wholeNumber(query.get('limit'), { least: 0, most: 1000, default: 100 });
    if (limit === undefined) return invalid('limit');
    const after = query.get('after');
    const place = after === null ? undefined : cursors.read(after);
    if (after !== null && !place) return invalid('after');
    const polling = !query.has('until') && query.get('sortOrder') !== 'DESCENDING';
    const { events, next } = polling ? polled(query, log, limit, place) : bounded(query, log, limit, place);
    const links = [`<${url.href}>; rel="self"`];
    if (next) {
      const target = new URL(url);
      target.searchParams.delete('since');
      target.searchParams.set('after', cursors.issue(next));
      links.push(`<${target.href}>; rel="next"`);
    }
    return { status: 200, headers: { Link: links }, body: events };
  }

  function polled(query: URLSearchParams, log: readonly Stored<OktaEvent>[], limit: number, place: Place | undefined) {
    const since = rfc3339(query.get('since')) ?? now() - 7 * DAY_MS;
    const first = log.findIndex(({ at }) => at >= since);
    const from = place && 'n' in place ? indexFrom(log, place.n) : first < 0 ? log.length : first;
    const persisted = random.next() < emptyPages ? [] : log.slice(from, from + limit);
    const next = log[from + persisted.length]?.n ?? (log.at(-1)?.n ?? -1) + 1;
    return { events: persisted.map(({ event }) => event), next: { n: next } };
  }

  /** Finite, and in the order of publication. */
  function bounded(query: URLSearchParams, log: readonly Stored<OktaEvent>[], limit: number, place: Place | undefined) {
    const since = rfc3339(query.get('since')) ?? now() - 7 * DAY_MS;
    const until = rfc3339(query.get('until')) ?? now();
    const sign = query.get('sortOrder') === 'DESCENDING' ? -1 : 1;
    const within = log
      .map(({ event }) => event)
      .filter(({ published }) => Date.parse(published) >= since && Date.parse(published) < until)
      .sort((a, b) => sign * (Date.parse(a.published) - Date.parse(b.published)));
    const skip = place && 'skip' in place ? place.skip : 0;
    const events = within.slice(skip, skip + limit);
    return { events, next: skip + events.length < within.length ? { skip: skip + events.length } : undefined };
  }

  function issueToken({ url, method, body }: Ask): Answer | undefined {
    if (url.pathname !== '/oauth2/v1/token') return undefined;
    const refuse = (status: number, error: string, description: string): Answer => ({
      status,
      body: { error, error_description: description },
    });
    if (method !== 'POST' || field(body, 'grant_type') !== 'client_credentials')
      return refuse(400, 'unsupported_grant_type', 'grant_type must be client_credentials');
    if (field(body, 'scope') !== 'okta.logs.read')
      return refuse(400, 'invalid_scope', 'One or more scopes are not granted');
    const problem =
      app && field(body, 'client_assertion_type') === 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
        ? jwtProblem(field(body, 'client_assertion') ?? '', {
            publicKey: app.publicKey,
            issuer: app.clientId,
            subject: app.clientId,
            audience: url.href,
            now: now(),
          })
        : 'a client assertion is needed';
    if (problem !== undefined) return refuse(401, 'invalid_client', problem);
    return {
      status: 200,
      body: {
        token_type: 'Bearer',
        expires_in: TOKEN_LIFETIME_S,
        access_token: tokens.issue(),
        scope: 'okta.logs.read',
      },
    };
  }

  const vendor = await startVendor<OktaEvent, Place>(options, {
    limitPerWindow: 600,
    windowMs: 60_000,
    uncounted: issueToken,
    budgetHeaders: ({ limit, remaining, resetAt }) => ({
      'X-Rate-Limit-Limit': limit,
      'X-Rate-Limit-Remaining': remaining,
      'X-Rate-Limit-Reset': Math.ceil(resetAt / 1000),
    }),
    limited: () => failure(429, 'E0000047', 'API call exceeded rate limit due to too many requests.'),
    answer: (ask, log, cursors) => refused(ask) ?? page(ask, log, cursors),
    create: (_, time) => {
      const hex = Array.from({ length: 8 }, () => random.int(0, 65_535).toString(16).padStart(4, '0')).join('');
      const user = `user${random.int(0, 99)}`;
      return {
        uuid: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`,
        published: new Date(time - Math.floor(random.next() ** 3 * LATENESS_MS)).toISOString(),
        eventType: 'user.session.start',
        displayMessage: 'User login to Okta',
        severity: 'INFO',
        actor: { id: user, type: 'User', alternateId: `${user}@example.com` },
        outcome: { result: random.chance(0.9) ? 'SUCCESS' : 'FAILURE' },
      };
    },
  });

  return {
    ...vendor,
    url: `${vendor.origin}/api/v1/logs`,
    append: (events, time) => {
      if (typeof events === 'number') return vendor.append(events, time);
      for (const event of events) vendor.add(event, Date.parse(event.published));
      return events;
    },
    expireTokens: () => tokens.expire(),
  };
}

const invalid = (name: string) => failure(400, 'E0000001', `Api validation failed: ${name}`);

/** The 429 of too many requests at once: it has no limit, and its reset is a hint only. */
export function tooManyAtOnce(now: number): Answer {
  return {
    ...failure(429, 'E0000047', 'API call exceeded rate limit due to too many requests.'),
    headers: { 'X-Rate-Limit-Limit': 0, 'X-Rate-Limit-Remaining': 0, 'X-Rate-Limit-Reset': Math.ceil(now / 1000) },
  };
}

function failure(status: number, errorCode: string, errorSummary: string): Answer {
  return { status, body: { errorCode, errorSummary, errorLink: errorCode, errorId: 'oae', errorCauses: [] } };
}
