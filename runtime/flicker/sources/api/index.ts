import { flickerEvents, type AnyApiConfig, type ApiSourceConfig } from '../../../../contract/flicker';
import type { BatchBuilder } from '../../batch';
import { createTransform, observeLines } from '../../filters';
import { SourceError, type Source, type SourceContext } from '../../source';
import type { Position } from '../../state';
import { present, restarted, Sieve, type FreshEntry } from './entries';
import { keyOf, lineOf } from './fields';
import { requestHeaders } from './headers';
import { createHttpClient, MAX_BODY_BYTES, place, REQUEST_TIMEOUT_MS, type HttpAnswer, type HttpLimits } from './http';
import { parsePage, refusalOf } from './page';
import { nextPage, pageUrl, type Next, type PageRef } from './pagination';
import { packKeys, unpackKeys, type ApiPosition } from './position';
import { rateLimitWait } from './rate-limit';
import { pagesOf, startPosition } from './start';

/** Filters may leave out the time they are given, or count in whole seconds. */
const FILTER_MARGIN_MS = 1000;
/** Equal pages in a row that raise the suspicion that the API does not look at the parameter that pages. */
const EQUAL_PAGES = 4;
const FAR_BEYOND = 1_000_000_000;

/** A page that was read, and how far it was handed on. */
interface OpenPage {
  readonly fresh: readonly FreshEntry[];
  handedOn: number;
  /** The position when all of it was. */
  readonly after: ApiPosition;
  readonly next: Next;
}

/**
 * A source that polls a paginated HTTP API. Each poll walks over the pages from the time of the newest entry of the last
 * walk, less an overlap for late entries, and ships what is new; see `Sieve` for what that means.
 */
export function createApiSource(
  given: ApiSourceConfig,
  context: SourceContext & { readonly limits?: HttpLimits },
): Source {
  if (given.preset !== undefined) throw new Error(`preset "${given.preset}" is not available yet`);
  const config: AnyApiConfig = given;
  const { name } = config;
  const { clock, log, metrics } = context;
  const labels = { source: name };
  const path = `api://${name}`;
  const transform = createTransform(config, observeLines(metrics, name));
  const endpoint = new URL(config.endpoint);
  if (endpoint.username || endpoint.password) {
    throw new Error(`the endpoint of the API source ${name} (${endpoint.host}) holds credentials: move them to basic`);
  }
  const http = createHttpClient(
    endpoint.origin,
    requestHeaders(config),
    context.limits ?? { timeoutMs: REQUEST_TIMEOUT_MS, maxBodyBytes: MAX_BODY_BYTES },
  );

  let position: ApiPosition = { watermark: null, floor: null };
  let sieve = new Sieve(config, position);
  let visited = new Set<PageRef>();
  let open: OpenPage | undefined;
  let told = '';
  let pagesInPoll = 0;
  let unreadableInPoll = 0;
  let equalPages = { signature: '', count: 0 };

  function resumeAt(next: ApiPosition): void {
    position = next;
    sieve = new Sieve(config, position);
    visited = new Set();
    equalPages = { signature: '', count: 0 };
  }

  function tell(builder: BatchBuilder, reached: ApiPosition): void {
    const text = JSON.stringify(reached);
    if (text === told) return;
    told = text;
    builder.advance({ position: toJson(reached) });
  }

  function endPoll(): void {
    pagesInPoll = 0;
    if (unreadableInPoll > 0) {
      log.warn(
        flickerEvents.timestampUnreadable,
        `timestamp_field "${config.timestamp_field}" of entries cannot be read`,
        {
          ...labels,
          entries: unreadableInPoll,
        },
      );
    }
    unreadableInPoll = 0;
  }

  async function get(url: URL, signal: AbortSignal): Promise<HttpAnswer> {
    try {
      const answer = await http.get(url, signal);
      metrics.apiRequests.inc({ source: name, status: `${Math.floor(answer.status / 100)}xx` });
      return answer;
    } catch (error) {
      if (error instanceof SourceError) metrics.apiRequests.inc({ source: name, status: 'error' });
      throw error;
    }
  }

  function limit(builder: BatchBuilder, waitMs: number): void {
    position = { ...position, notBefore: clock.now() + Math.ceil(waitMs) };
    tell(builder, position);
  }

  function awaitRateLimit(): void {
    const { notBefore, ...rest } = position;
    if (notBefore === undefined) return;
    const wait = notBefore - clock.now();
    if (wait <= 0) {
      position = rest;
      return;
    }
    log.info(flickerEvents.rateLimited, 'waiting for the rate limit of the API', {
      ...labels,
      seconds: Math.ceil(wait / 1000),
    });
    throw new SourceError(
      `the API limits the rate of requests until ${new Date(notBefore).toISOString()}; the walk goes on then`,
      wait,
    );
  }

  async function readPage(builder: BatchBuilder, signal: AbortSignal): Promise<OpenPage> {
    awaitRateLimit();
    const { walk, floor } = position;
    const url = pageUrl(config, walk?.at, floor === null ? undefined : floor - FILTER_MARGIN_MS);
    const answer = await get(url, signal);
    const type = config.pagination?.pagination_type;
    const given = walk?.at !== undefined && (type === 'cursor' || type === 'link');
    const refusal = refusalOf(answer, given, clock.now());
    switch (refusal?.kind) {
      case undefined:
        break;
      case 'rate-limited':
        limit(builder, refusal.waitMs);
        throw new SourceError(refusal.message, refusal.waitMs);
      case 'place-refused':
        resumeAt(restarted(position));
        tell(builder, position);
        throw new SourceError(refusal.message);
      case 'failed':
        throw new SourceError(refusal.message, rateLimitWait(answer.headers, clock.now()));
    }
    const page = parsePage(config, answer);
    const next = nextPage(config, walk?.at, { ...page, ...answer, entries: page.entries.length }, visited);
    await refuseEqualPages(walk?.at, url, page.entries, signal);
    const serverNow = Date.parse(answer.headers.date ?? '');
    const now = Math.max(clock.now(), Number.isNaN(serverNow) ? 0 : serverNow);
    const { fresh, unreadable } = sieve.sift(page.entries, now);
    metrics.eventsRead.inc(labels, fresh.length);
    if (unreadable > 0) metrics.timestampsUnreadable.inc(labels, unreadable);
    unreadableInPoll += unreadable;
    visited.add(walk?.at);
    const wait = rateLimitWait(answer.headers, clock.now());
    const after = { ...positionAfter(next), ...(wait !== undefined && { notBefore: clock.now() + Math.ceil(wait) }) };
    return { fresh, handedOn: 0, after, next };
  }

  /**
   * An API that does not look at the parameter that counts would answer its first page forever. After some equal pages in a
   * row a page is asked for that lies far behind the end: the same answer proves it. Entries may rightly be equal.
   */
  async function refuseEqualPages(
    at: PageRef,
    url: URL,
    entries: readonly unknown[],
    signal: AbortSignal,
  ): Promise<void> {
    const type = config.pagination?.pagination_type;
    if (type !== 'offset' && type !== 'page') return;
    const signature = keyOf(JSON.stringify(entries));
    equalPages = { signature, count: signature === equalPages.signature ? equalPages.count + 1 : 1 };
    if (equalPages.count < EQUAL_PAGES) return;
    const beyond = await get(pageUrl(config, Number(at ?? 1) + FAR_BEYOND, undefined), signal);
    const refused = refusalOf(beyond, false, clock.now()) !== undefined;
    if (refused || keyOf(JSON.stringify(parsePage(config, beyond).entries)) !== signature) {
      equalPages.count = 0;
      return;
    }
    const key = `${type}_param` as const;
    throw new SourceError(
      `${place(url)} answers every page with the same entries; it does not seem to know "${config.pagination?.[key]}": check \`${key}\``,
    );
  }

  function positionAfter(next: Next): ApiPosition {
    const of = pagesOf(config);
    switch (next.kind) {
      case 'page':
      case 'pause': {
        const tail = position.walk?.tail;
        return { ...position, walk: present({ of, at: next.at, tail, ...sieve.walkState() }) };
      }
      case 'tail':
        return { ...sieve.completed(), walk: { of, at: next.at, tail: true, newest: null } };
      case 'end':
        return sieve.completed();
    }
  }

  function handOn(page: OpenPage, builder: BatchBuilder): boolean {
    for (; page.handedOn < page.fresh.length; page.handedOn++) {
      const { entry, id } = page.fresh[page.handedOn] as FreshEntry;
      const text = lineOf(entry, config.message_field);
      const event = transform ? transform(text) : { line: text };
      if (!event) {
        metrics.eventsFiltered.inc(labels);
        continue;
      }
      if (!builder.addText(path, event.line, context.includeId ? id : undefined, event)) return false;
    }
    return true;
  }

  /** The position in the middle of a page: the page is read again, without what was delivered of it. */
  function positionWithin(page: OpenPage): ApiPosition {
    const walk = position.walk ?? { of: pagesOf(config), newest: null };
    const delivered = page.fresh.slice(0, page.handedOn).map(({ key }) => key);
    return { ...position, walk: present({ ...walk, done: packKeys([...unpackKeys(walk.done), ...delivered]) }) };
  }

  return {
    name,
    kind: 'api',
    start: (state) => {
      const saved = state.sources[name]?.position;
      resumeAt(startPosition(config, state, clock.now()));
      open = undefined;
      endPoll();
      told = JSON.stringify(position);
      return Promise.resolve(JSON.stringify(saved) === told ? {} : { position: toJson(position) });
    },
    fill: async (builder, signal) => {
      try {
        open ??= await readPage(builder, signal);
      } catch (error) {
        endPoll();
        throw error;
      }
      if (!handOn(open, builder)) {
        tell(builder, positionWithin(open));
        return 'more';
      }
      const { after, next } = open;
      open = undefined;
      if (next.kind === 'end' || next.kind === 'tail') resumeAt(after);
      else position = after;
      tell(builder, position);
      pagesInPoll++;
      if (next.kind === 'page' && pagesInPoll < config.max_pages) return 'more';
      endPoll();
      return 'idle';
    },
    lag: () => undefined,
    close: () => http.close(),
  };
}

function toJson(position: ApiPosition): Position {
  return Object.fromEntries(Object.entries(position).filter(([, value]) => value !== undefined));
}
