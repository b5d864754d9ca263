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

/** An entry of GitHub's audit log, as far as a log shipper looks at it. Both times are in milliseconds. */
export interface GithubEvent {
  readonly '@timestamp': number;
  readonly created_at: number;
  readonly _document_id: string;
  readonly action: string;
  readonly actor: string;
  readonly org: string;
}

export interface GithubOptions extends VendorOptions {
  /** @default 'org' */
  readonly scope?: 'org' | 'enterprise';
  readonly token: string;
}

export interface Github extends Vendor<GithubEvent> {
  readonly url: string;
}

const DAY_MS = 86_400_000;
const NAME = 'example';
const RETENTION_MS = 180 * DAY_MS;
const GIT_RETENTION_MS = 7 * DAY_MS;
const DEFAULT_RANGE_MS = 90 * DAY_MS;
/** Every so many-th event comes from Git. */
const GIT_SHARE = 4;

/** GitHub refuses for its rate limit with 403 as well as with 429, and may name no time. */
export const secondaryLimitInWords: Answer = {
  status: 403,
  body: { message: 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.' },
};
export const secondaryLimit: Answer = { ...secondaryLimitInWords, headers: { 'Retry-After': 60 } };

/**
 * The audit log of an organisation or an enterprise on GitHub: newest first unless asked otherwise, Git events on request
 * only, `created:` counts whole seconds, cursors stand in `Link` alone, and no link follows the last page.
 */
export async function startGithub(options: GithubOptions): Promise<Github> {
  const { token, scope = 'org', now = Date.now } = options;
  const pathname = scope === 'org' ? `/orgs/${NAME}/audit-log` : `/enterprises/${NAME}/audit-log`;
  let refusals = 0;

  function refused({ url, headers }: Ask): Answer | undefined {
    if (headers['user-agent'] === undefined)
      return message(
        403,
        'Request forbidden by administrative rules. Please make sure your request has a User-Agent header.',
      );
    if (!/^(Bearer|token) /.test(headers.authorization ?? '')) return message(401, 'Requires authentication');
    if (headers.authorization?.split(' ')[1] !== token) return message(401, 'Bad credentials');
    if (url.pathname !== pathname) return message(404, 'Not Found');
    return undefined;
  }

  function page({ url }: Ask, log: readonly Stored<GithubEvent>[], cursors: Cursors<Spot>): Answer {
    const query = url.searchParams;
    const after = query.get('after');
    const spot = after === null ? undefined : cursors.read(after);
    if (after !== null && !spot) return message(400, 'The cursor is not valid');
    const order = query.get('order') ?? 'desc';
    if (order !== 'asc' && order !== 'desc') return message(422, 'order must be asc or desc');
    const include = query.get('include') ?? 'web';
    const phrase = query.get('phrase');
    const created = phrase === null ? null : createdSince(phrase);
    if (created === undefined) return message(422, 'The phrase cannot be read');
    // Above the most, GitHub gives the most.
    const size = Math.min(wholeNumber(query.get('per_page'), { least: 1, most: 1e9, default: 30 }) ?? 30, 100);
    const from = created ?? now() - DEFAULT_RANGE_MS;
    const kept = log.filter(({ event, time }) => {
      const git = event.action.startsWith('git.');
      const wanted = include === 'all' || (include === 'git') === git;
      // Whole seconds on both sides.
      return (
        wanted &&
        Math.floor(time / 1000) >= Math.floor(from / 1000) &&
        time >= now() - (git ? GIT_RETENTION_MS : RETENTION_MS)
      );
    });
    const rest = behind(sorted(kept, order), spot, order);
    const events = rest.slice(0, size);
    const last = events.at(-1);
    if (!last || rest.length === events.length) return { status: 200, body: events.map(({ event }) => event) };
    const next = new URL(url);
    next.searchParams.set('after', cursors.issue({ time: last.time, n: last.n }));
    const prev = new URL(url);
    prev.searchParams.delete('after');
    return {
      status: 200,
      headers: { Link: `<${next.href}>; rel="next", <${prev.href}>; rel="prev"` },
      body: events.map(({ event }) => event),
    };
  }

  const vendor = await startVendor<GithubEvent, Spot>(options, {
    limitPerWindow: 1750,
    windowMs: 3_600_000,
    budgetHeaders: ({ limit, remaining, resetAt }) => ({
      'X-RateLimit-Limit': limit,
      'X-RateLimit-Remaining': remaining,
      'X-RateLimit-Reset': Math.ceil(resetAt / 1000),
    }),
    limited: () => message(refusals++ % 2 === 0 ? 403 : 429, 'API rate limit exceeded'),
    answer: (ask, log, cursors) => refused(ask) ?? page(ask, log, cursors),
    create: (n, time) => ({
      '@timestamp': time,
      created_at: Math.max(time, now()),
      _document_id: `doc-${Buffer.from(`${n}`).toString('base64url')}`,
      action: n % GIT_SHARE === GIT_SHARE - 1 ? 'git.clone' : 'repo.access',
      actor: `user${n % 7}`,
      org: NAME,
    }),
  });
  return { ...vendor, url: `${vendor.origin}${pathname}` };
}

/** The time of a phrase `created:>=…`. */
function createdSince(phrase: string): number | undefined {
  const text = /^created:>=(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))$/.exec(phrase)?.[1];
  return text === undefined ? undefined : Date.parse(text);
}

const message = (status: number, text: string): Answer => ({ status, body: { message: text } });
