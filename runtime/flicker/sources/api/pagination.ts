import type { IncomingHttpHeaders } from 'node:http';
import LinkHeader from 'http-link-header';
import type { Paging } from '../../../../contract/flicker';
import { SourceError } from '../../source';
import { fieldAt } from './fields';
import { place } from './http';
import { sameOrigin, type PageRef } from './request';
import type { ApiSpec } from './spec';

export interface PageFacts {
  readonly body: unknown;
  readonly headers: IncomingHttpHeaders;
  readonly url: URL;
  readonly entries: readonly unknown[];
  /** The page before was asked for with the same reference and had the same entries. */
  readonly repeated: boolean;
}

/** Where a walk goes on after a page. */
export type Next =
  | { readonly kind: 'page'; readonly at: string | number }
  /** The walk goes on with this page, but not before the next poll. */
  | { readonly kind: 'pause'; readonly at: string | number }
  /** The walk has come to its end; the next one begins with this page, without a time filter. */
  | { readonly kind: 'tail'; readonly at: string | number; readonly more: boolean }
  | { readonly kind: 'end' };

const END: Next = { kind: 'end' };

/**
 * What follows a page. Where nothing tells the last page an empty one does: a short page may only mean that the server
 * caps its size. `visited`: pages of this walk so far.
 * @throws SourceError when the answer cannot be followed
 */
export function nextPage(spec: ApiSpec, at: PageRef, page: PageFacts, visited: ReadonlySet<PageRef>): Next {
  if (spec.mode.kind === 'cursor') return nextPlace(spec, at, page);
  const { paging, onEmpty } = spec;
  const empty = page.entries.length === 0;
  if (empty && onEmpty === 'tail') {
    const kept = referenceIn(spec, at, page) ?? at;
    return kept === undefined ? END : { kind: 'tail', at: kept, more: false };
  }
  if (empty && onEmpty === 'end') return END;
  const next =
    paging.by === 'offset' || paging.by === 'page' ? nextNumber(paging, at, page) : referenceIn(spec, at, page);
  if (next === undefined || !goesOn(paging, page)) return END;
  if (spec.preset === undefined && (next === at || visited.has(next))) return END;
  // A vendor may keep one cursor for a whole walk; only the same page again proves that it does not move.
  if (page.repeated || (next !== at && visited.has(next))) return END;
  return { kind: empty && onEmpty === 'pause' ? 'pause' : 'page', at: next };
}

/** The entries that count of the page that begins a walk. */
export function firstEntries(paging: Paging, entries: readonly unknown[]): readonly unknown[] {
  if (paging.by !== 'last_id' || paging.first !== 'least') return entries;
  const ids = entries.map((entry) => String(fieldAt(entry, paging.field)));
  const [least] = [...ids].sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return entries.filter((_, i) => ids[i] === least);
}

/** The server keeps the place: there is always a next one, if only the same. */
function nextPlace(spec: ApiSpec, at: PageRef, page: PageFacts): Next {
  const next = referenceIn(spec, at, page) ?? at;
  if (next === undefined) return END;
  const { mode, paging } = spec;
  const { length } = page.entries;
  const restAt = mode.kind === 'cursor' ? mode.restAt : 'empty_page';
  const full = restAt === 'short_page' ? length >= sizeAsked(spec, at) : length > 0 || restAt === 'no_more';
  return { kind: 'tail', at: next, more: full && next !== at && goesOn(paging, page) };
}

/** How many entries a page was asked for: a saved link keeps the size that it was made with. */
function sizeAsked({ first, pageSize }: ApiSpec, at: PageRef): number {
  const [name = ''] = Object.entries(first.query ?? {}).find(([, value]) => value === '{size}') ?? [];
  const told = typeof at === 'string' && URL.canParse(at) ? Number(new URL(at).searchParams.get(name)) : 0;
  return told > 0 ? told : pageSize;
}

function nextNumber(paging: Extract<Paging, { by: 'offset' | 'page' }>, at: PageRef, page: PageFacts): PageRef {
  if (paging.by === 'offset') return Number(at ?? 0) + page.entries.length;
  const current = at ?? paging.start;
  const named = paging.next === undefined ? undefined : reference(fieldAt(page.body, paging.next));
  if (named !== undefined && String(named) === String(current)) return undefined;
  const following = named ?? Number(current) + 1;
  if (paging.more !== undefined) {
    const more = fieldAt(page.body, paging.more);
    if (more === true || more === 'true') return following;
    if (more !== undefined && more !== null) return undefined;
  }
  if (paging.next !== undefined) return named;
  return paging.more === undefined ? following : undefined;
}

/** Whether the answer does not say that there are no more pages. */
function goesOn(paging: Paging, { body, entries }: PageFacts): boolean {
  if (paging.by !== 'url' && paging.by !== 'cursor' && paging.by !== 'last_id') return true;
  const more = paging.more === undefined ? undefined : fieldAt(body, paging.more);
  if (more === false || more === 'false') return false;
  return paging.by !== 'last_id' || entries.length > 0;
}

/** What names the next page. */
function referenceIn({ paging, endpoint }: ApiSpec, at: PageRef, page: PageFacts): string | number | undefined {
  switch (paging.by) {
    case 'link':
      return nextLink(page, endpoint);
    case 'url': {
      const url = reference(fieldAt(page.body, paging.field));
      return url === undefined ? undefined : linkTo(String(url), page.url, endpoint);
    }
    case 'cursor':
      return reference(fieldAt(page.body, paging.field));
    case 'last_id': {
      const link = paging.link && at !== undefined ? nextLink(page, endpoint) : undefined;
      return link ?? reference(fieldAt(page.entries.at(-1), paging.field));
    }
    case 'none':
    case 'offset':
    case 'page':
      return undefined;
  }
}

function reference(value: unknown): string | number | undefined {
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? value : undefined;
}

function nextLink({ headers, url }: PageFacts, endpoint: URL): string | undefined {
  const header = headers.link;
  if (header === undefined) return undefined;
  let target: string | undefined;
  try {
    target = LinkHeader.parse(Array.isArray(header) ? header.join(', ') : header).rel('next')[0]?.uri;
  } catch {
    throw new SourceError(
      `${place(url)} answered with a Link header that cannot be read; expected the form of RFC 8288: <url>; rel="next"`,
    );
  }
  return target === undefined ? undefined : linkTo(target, url, endpoint);
}

function linkTo(target: string, base: URL, endpoint: URL): string {
  if (!URL.canParse(target, base.href)) {
    throw new SourceError(`${place(base)} answered with a next link that is no URL; expected the form of RFC 8288`);
  }
  return sameOrigin(new URL(target, base), endpoint).href;
}
