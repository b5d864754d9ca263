import type { IncomingHttpHeaders } from 'node:http';
import LinkHeader from 'http-link-header';
import type { AnyApiConfig } from '../../../../contract/flicker';
import { SourceError } from '../../source';
import { fieldAt } from './fields';
import { place } from './http';
import { writeTime } from './timestamp';

/** A page of a walk: an offset, a page number, a cursor, or the URL of a `next` link. The first one has none. */
export type PageRef = string | number | undefined;

export interface PageFacts {
  readonly body: unknown;
  readonly headers: IncomingHttpHeaders;
  readonly url: URL;
  readonly entries: number;
}

/** Where a walk goes on after a page. */
export type Next =
  | { readonly kind: 'page'; readonly at: string | number }
  /** The walk goes on with this page, but not before the next poll. */
  | { readonly kind: 'pause'; readonly at: string | number }
  /** The walk has come to its end; the next one begins with this page, without a time filter. */
  | { readonly kind: 'tail'; readonly at: string | number }
  | { readonly kind: 'end' };

const END: Next = { kind: 'end' };

/** The request of a page. @throws SourceError when a saved link leads to another host */
export function pageUrl(config: AnyApiConfig, at: PageRef, since: number | undefined): URL {
  const { pagination } = config;
  const endpoint = new URL(config.endpoint);
  if (pagination?.pagination_type === 'link' && at !== undefined) return sameOrigin(new URL(String(at)), endpoint);
  const set = (name: string | undefined, value: string | number | undefined) => {
    if (name !== undefined && value !== undefined) endpoint.searchParams.set(name, String(value));
  };
  if (since !== undefined) set(config.time_filter_param, writeTime(since, config.time_filter_format));
  if (!pagination) return endpoint;
  set(pagination.limit_param, pagination.page_size);
  switch (pagination.pagination_type) {
    case 'offset':
      set(pagination.offset_param, at ?? 0);
      break;
    case 'page':
      set(pagination.page_param, at ?? 1);
      break;
    case 'cursor':
      set(pagination.cursor_param, at);
      break;
    case 'link':
      break;
  }
  return endpoint;
}

/**
 * What follows a page. Where nothing tells the last page an empty one does: a short page may only mean that the server
 * caps its size. `visited`: pages of this walk so far.
 * @throws SourceError when the answer cannot be followed
 */
export function nextPage(config: AnyApiConfig, at: PageRef, page: PageFacts, visited: ReadonlySet<PageRef>): Next {
  const { pagination } = config;
  if (!pagination) return END;
  switch (pagination.pagination_type) {
    case 'offset':
      return page.entries === 0 ? END : { kind: 'page', at: Number(at ?? 0) + page.entries };
    case 'page':
      return nextNumber(pagination, at, page);
    case 'cursor': {
      const cursor = reference(fieldAt(page.body, pagination.next_cursor_field ?? ''));
      if (cursor === undefined || cursor === at || visited.has(cursor)) return END;
      return { kind: page.entries === 0 ? 'pause' : 'page', at: cursor };
    }
    case 'link': {
      const next = nextLink(page, new URL(config.endpoint));
      if (page.entries === 0) {
        const kept = next ?? at;
        return kept === undefined ? END : { kind: 'tail', at: kept };
      }
      return next === undefined || next === at || visited.has(next) ? END : { kind: 'page', at: next };
    }
  }
}

type Pagination = NonNullable<AnyApiConfig['pagination']>;

function nextNumber(pagination: Pagination, at: PageRef, page: PageFacts): Next {
  if (page.entries === 0) return END;
  const named =
    pagination.next_page_field === undefined ? undefined : reference(fieldAt(page.body, pagination.next_page_field));
  const following: Next = { kind: 'page', at: named ?? Number(at ?? 1) + 1 };
  if (named !== undefined && String(named) === String(at ?? 1)) return END;
  if (pagination.has_more_field !== undefined) {
    const more = fieldAt(page.body, pagination.has_more_field);
    if (more === true || more === 'true') return following;
    if (more !== undefined && more !== null) return END;
  }
  if (pagination.next_page_field !== undefined) return named === undefined ? END : following;
  return pagination.has_more_field === undefined ? following : END;
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
  if (target === undefined) return undefined;
  if (!URL.canParse(target, url.href)) {
    throw new SourceError(`${place(url)} answered with a next link that is no URL; expected the form of RFC 8288`);
  }
  return sameOrigin(new URL(target, url), endpoint).href;
}

function sameOrigin(target: URL, endpoint: URL): URL {
  if (target.origin === endpoint.origin) return target;
  throw new SourceError(
    `the next page of ${place(endpoint)} is on ${target.origin}, but credentials are sent to ${endpoint.origin} only; ` +
      'set `endpoint` to the address that the API gives in its links',
  );
}
