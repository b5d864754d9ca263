import { flickerEvents, type ApiSourceConfig } from '../../../../contract/flicker';
import type { BatchBuilder } from '../../batch';
import { createTransform, observeLines } from '../../filters';
import { SourceError, type Source, type SourceContext } from '../../source';
import type { Position } from '../../state';
import { createAsker } from './asker';
import { present, restarted, Sieve, type FreshEntry } from './entries';
import { keyOf, lineOf } from './fields';
import { requestHeaders } from './headers';
import { MAX_BODY_BYTES, place, REQUEST_TIMEOUT_MS, type HttpLimits } from './http';
import { readAnswer } from './page';
import { firstEntries, nextPage, type Next } from './pagination';
import { packKeys, unpackKeys, type ApiPosition } from './position';
import { rateFacts } from './rate-limit';
import { pageRequest, type PageRef, type Range } from './request';
import { specOf } from './spec';
import { startPosition } from './start';
import { aheadOf, closeWindow, crowdedOut, cutWindow, EDGE_MS, horizonOf, lostBefore, openWindow } from './windows';

/** Filters may leave out the time they are given, or count in whole seconds. */
const FILTER_MARGIN_MS = 1000;
/** Equal pages in a row that raise the suspicion that the API does not look at the parameter that pages. */
const EQUAL_PAGES = 4;
const FAR_BEYOND = 1_000_000_000;
/** A window that had nothing new is not worth a save, unless this long has passed. */
const QUIET_MS = 600_000;

/** A page that was read, and how far it was handed on. */
interface OpenPage {
  readonly fresh: readonly FreshEntry[];
  handedOn: number;
  readonly next: Next;
}

/**
 * A source that polls a paginated HTTP API: a preset of a vendor's, or any. Each poll walks over pages and ships what is new;
 * which pages these are, the mode of its spec says, and what is new, `Sieve` does.
 *
 * @throws Error when a header or the endpoint cannot be used
 */
export function createApiSource(
  config: ApiSourceConfig,
  context: SourceContext & { readonly limits?: HttpLimits },
): Source {
  const spec = specOf(config);
  const { name, mode } = spec;
  const { clock, log, metrics } = context;
  const labels = { source: name };
  const path = `api://${name}`;
  const transform = createTransform(config, observeLines(metrics, name));
  requestHeaders(spec, spec.auth.type === 'headers' ? spec.auth.headers : {});
  const asker = createAsker(spec, {
    clock,
    metrics,
    limits: context.limits ?? { timeoutMs: REQUEST_TIMEOUT_MS, maxBodyBytes: MAX_BODY_BYTES },
  });

  let position: ApiPosition = { watermark: null, floor: null };
  let sieve = new Sieve(spec, position);
  let visited = new Set<PageRef>();
  let open: OpenPage | undefined;
  let told = { text: '', essence: '', at: 0 };
  let pagesInPoll = 0;
  let pollBegan = 0;
  /** By how much this clock is ahead of the vendor's. */
  let ahead = 0;
  let unreadableInPoll = 0;
  let refusals = 0;
  let crowdedUntil = 0;
  let last: { readonly at: PageRef; readonly signature: string; readonly count: number } | undefined;

  function resumeAt(next: ApiPosition): void {
    position = next;
    sieve = new Sieve(spec, position);
    visited = new Set();
    last = undefined;
  }

  function tell(builder: BatchBuilder, reached: ApiPosition): void {
    const { notBefore, rate } = asker.memory();
    const text = JSON.stringify(present({ ...reached, notBefore }));
    const { watermark, floor, recent, undated, walk } = reached;
    const essence = JSON.stringify([watermark, floor, recent, undated, walk]);
    const quiet = notBefore === undefined && essence === told.essence && clock.now() - told.at < QUIET_MS;
    if (text === told.text || quiet) return;
    told = { text, essence, at: clock.now() };
    builder.advance({ position: toJson({ ...reached, notBefore, rate }) });
  }

  function endPoll(): void {
    pagesInPoll = 0;
    if (unreadableInPoll > 0) {
      log.warn(flickerEvents.timestampUnreadable, `the time "${spec.time.field}" of entries cannot be read`, {
        ...labels,
        entries: unreadableInPoll,
      });
    }
    unreadableInPoll = 0;
  }

  /** Events of this range may be missing, or come twice. */
  function reportGap(from: number | null, to: number, why: string): void {
    metrics.apiGaps.inc(labels);
    log.warn(flickerEvents.gap, why, {
      ...labels,
      from: from === null ? 'the beginning' : new Date(from).toISOString(),
      to: new Date(to).toISOString(),
    });
  }

  /** Once for each time range. */
  function reportCrowd(): void {
    const { from = 0, to = 0 } = crowdedOut(spec, position) ?? {};
    if (from <= crowdedUntil) return;
    crowdedUntil = to;
    const advice = mode.kind === 'window' ? '; raise `lag_ms`' : '';
    reportGap(from, to, `more events came than can be remembered: of this time no late ones are read${advice}`);
  }

  /** The times to ask for; undefined when there is nothing to ask for yet. */
  function rangeNow(): Range | undefined {
    const { retentionMs } = spec;
    if (mode.kind !== 'window') {
      const margin = mode.kind === 'watermark' ? FILTER_MARGIN_MS : mode.earlierMs;
      const oldest = retentionMs === undefined ? 0 : clock.now() - retentionMs + EDGE_MS;
      return { from: position.floor === null ? undefined : Math.max(position.floor - margin, oldest) };
    }
    if (position.walk?.to === undefined) {
      const lost = lostBefore(spec, position, clock.now() - ahead);
      const opened = openWindow(spec, mode, position, { now: pollBegan - ahead, first: pagesInPoll === 0 });
      if (!opened) return undefined;
      if (lost !== undefined && position.closed !== undefined) {
        reportGap(position.closed, lost, 'the vendor no longer keeps events that were not read yet');
      }
      resumeAt(opened);
    }
    const { from = 0, to } = position.walk ?? {};
    return { from: mode.exclusive ? from - FILTER_MARGIN_MS : from, to };
  }

  async function readPage(builder: BatchBuilder, range: Range, signal: AbortSignal): Promise<OpenPage> {
    const at = position.walk?.at;
    const request = pageRequest(spec, at, range);
    const answer = await ask(request);
    const given = at !== undefined && spec.paging.by !== 'offset' && spec.paging.by !== 'page';
    const reading = readAnswer(spec, answer, { given, now: clock.now(), refusals });
    refusals = reading.kind === 'rate-limited' ? refusals + 1 : 0;
    switch (reading.kind) {
      case 'page':
        break;
      case 'rate-limited':
        asker.wait(reading.waitMs);
        tell(builder, position);
        throw new SourceError(reading.message, reading.waitMs);
      case 'place-refused': {
        const before = position;
        resumeAt(restarted(spec, position));
        if (spec.preset !== undefined) {
          const reached = Math.max(before.watermark ?? 0, before.walk?.newest ?? 0);
          reportGap(reached === 0 ? before.floor : reached, clock.now(), 'the API no longer knows the saved cursor');
        }
        tell(builder, position);
        throw new SourceError(reading.message);
      }
      case 'failed':
        throw new SourceError(reading.message, rateFacts(answer.headers, clock.now(), spec.rate).waitMs);
    }
    const { body } = reading;
    const entries = at === undefined ? firstEntries(spec.paging, reading.entries) : reading.entries;
    const signature = keyOf(JSON.stringify(entries));
    const repeated = last !== undefined && last.at === at && at !== undefined && last.signature === signature;
    const facts = { body, headers: answer.headers, url: answer.url, entries, repeated };
    const next = nextPage(spec, at, facts, visited);
    last = { at, signature, count: signature === last?.signature ? last.count + 1 : 1 };
    await refuseEqualPages();
    const serverNow = Date.parse(answer.headers.date ?? '');
    const now = Math.max(clock.now(), Number.isNaN(serverNow) ? 0 : serverNow);
    if (!Number.isNaN(serverNow)) ahead = aheadOf(serverNow, clock.now());
    const { fresh, unreadable } = sieve.sift(entries, now, range);
    metrics.eventsRead.inc(labels, fresh.length);
    if (unreadable > 0) metrics.timestampsUnreadable.inc(labels, unreadable);
    unreadableInPoll += unreadable;
    visited.add(at);
    return { fresh, handedOn: 0, next };

    async function ask(asked: typeof request) {
      try {
        return await asker.ask(asked, signal);
      } catch (error) {
        if (error instanceof SourceError && asker.memory().notBefore !== undefined) {
          log.info(flickerEvents.rateLimited, 'waiting for the rate limit of the API', {
            ...labels,
            seconds: Math.ceil((error.retryAfterMs ?? 0) / 1000),
          });
        }
        throw error;
      }
    }

    /**
     * An API that does not look at the parameter that counts would answer its first page forever. After some equal pages in a
     * row a page is asked for that lies far behind the end: the same answer proves it. Entries may rightly be equal.
     */
    async function refuseEqualPages(): Promise<void> {
      const { by } = spec.paging;
      if (!last || last.count < EQUAL_PAGES || (by !== 'offset' && by !== 'page')) return;
      const beyond = await ask(pageRequest(spec, Number(at ?? 1) + FAR_BEYOND, {}));
      const read = readAnswer(spec, beyond, { given: false, now: clock.now(), refusals });
      if (read.kind !== 'page' || keyOf(JSON.stringify(read.entries)) !== signature) {
        last = { ...last, count: 0 };
        return;
      }
      const [parameter] = Object.entries(spec.next.query ?? {}).find(([, value]) => value === '{cursor}') ?? ['?'];
      throw new SourceError(
        `${place(request.url)} answers every page with the same entries; it does not seem to know "${parameter}": check \`${by}_param\``,
      );
    }
  }

  /** Takes up the position after a page. @returns whether the walk goes on at once */
  function pass(next: Next): boolean {
    const { of } = spec;
    switch (next.kind) {
      case 'page':
      case 'pause': {
        const { tail, from, to } = position.walk ?? {};
        position = { ...position, walk: present({ of, at: next.at, tail, from, to, ...sieve.walkState() }) };
        return next.kind === 'page';
      }
      case 'tail':
        resumeAt({ ...sieve.completed(), walk: { of, at: next.at, tail: true, newest: null } });
        return next.more;
      case 'end': {
        if (mode.kind === 'window') {
          const cut = cutWindow(mode, position, clock.now() - ahead);
          resumeAt(closeWindow(cut, { ...sieve.completed(horizonOf(cut)), again: cut.again }));
          reportCrowd();
          return true;
        }
        resumeAt(sieve.completed());
        reportCrowd();
        // Without a cursor the next walk begins at the newest entry.
        if (mode.kind === 'cursor') resumeAt({ ...position, floor: position.watermark });
        return false;
      }
    }
  }

  function handOn(page: OpenPage, builder: BatchBuilder): boolean {
    for (; page.handedOn < page.fresh.length; page.handedOn++) {
      const { entry, id, time } = page.fresh[page.handedOn] as FreshEntry;
      const text = lineOf(entry, spec.message);
      const shipped = transform ? transform(text) : { line: text };
      if (shipped === undefined) {
        metrics.eventsFiltered.inc(labels);
        continue;
      }
      const extra = { time: time === undefined ? undefined : new Date(time).toISOString(), fields: shipped.fields };
      if (!builder.addText(path, shipped.line, context.includeId ? id : undefined, extra)) return false;
    }
    return true;
  }

  /** The position in the middle of a page: the page is read again, without what was delivered of it. */
  function positionWithin(page: OpenPage): ApiPosition {
    const walk = position.walk ?? { of: spec.of, newest: null };
    const delivered = page.fresh.slice(0, page.handedOn).map(({ key }) => key);
    return { ...position, walk: present({ ...walk, done: packKeys([...unpackKeys(walk.done), ...delivered]) }) };
  }

  return {
    name,
    kind: 'api',
    start: (state) => {
      const saved = state.sources[name]?.position;
      const { notBefore, rate, ...reached } = startPosition(spec, state, clock.now());
      asker.remember({ notBefore, rate });
      resumeAt(reached);
      open = undefined;
      endPoll();
      const start = toJson({ ...reached, notBefore, rate });
      told = { text: JSON.stringify(present({ ...reached, notBefore })), essence: '', at: clock.now() };
      return Promise.resolve(JSON.stringify(saved) === JSON.stringify(start) ? {} : { position: start });
    },
    fill: async (builder, signal) => {
      try {
        if (!open) {
          if (pagesInPoll === 0) pollBegan = clock.now();
          const range = rangeNow();
          if (!range) {
            endPoll();
            return 'idle';
          }
          open = await readPage(builder, range, signal);
        }
      } catch (error) {
        endPoll();
        throw error;
      }
      if (!handOn(open, builder)) {
        tell(builder, positionWithin(open));
        return 'more';
      }
      const { next } = open;
      open = undefined;
      const more = pass(next);
      tell(builder, position);
      pagesInPoll++;
      if (more && pagesInPoll < spec.maxPages) return 'more';
      endPoll();
      return 'idle';
    },
    lag: () => undefined,
    close: () => asker.close(),
  };
}

function toJson(position: ApiPosition): Position {
  return Object.fromEntries(Object.entries(position).filter(([, value]) => value !== undefined));
}
