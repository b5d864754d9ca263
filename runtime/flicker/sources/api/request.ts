import { fill, namesIn, type JsonTemplate, type Paging, type Values } from '../../../../contract/flicker';
import { SourceError } from '../../source';
import { place } from './http';
import type { ApiSpec } from './spec';
import { writeTime } from './timestamp';

/** A page of a walk: an offset, a page number, a cursor, or the URL of a next page. The first one has none. */
export type PageRef = string | number | undefined;

/** The times that a request asks for. */
export interface Range {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export interface PageRequest {
  readonly url: URL;
  readonly body: string | undefined;
}

/** The request of a page. @throws SourceError when a saved link leads to another host */
export function pageRequest(spec: ApiSpec, at: PageRef, range: Range): PageRequest {
  const { endpoint, paging } = spec;
  if (at !== undefined && isUrl(paging, at)) {
    return { url: sameOrigin(new URL(String(at), endpoint), endpoint), body: undefined };
  }
  const template = at === undefined ? spec.first : spec.next;
  const values = requestValues(spec, at, range);
  const url = new URL(
    template.path === undefined ? endpoint : (fill(template.path, values, encodeURIComponent) ?? ''),
    endpoint,
  );
  for (const [name, texts] of Object.entries(template.query ?? {})) {
    const filled = [texts].flat().map((text) => fill(text, values));
    const given = filled.filter((value) => value !== undefined);
    if (given.length > 0) url.searchParams.delete(name);
    for (const value of given) url.searchParams.append(name, value);
  }
  const body = template.body === undefined ? undefined : JSON.stringify(fillJson(template.body, values));
  return { url: sameOrigin(url, endpoint), body };
}

/** Whether a page is named by a whole URL. */
function isUrl(paging: Paging, at: string | number): boolean {
  return (
    paging.by === 'link' || paging.by === 'url' || (paging.by === 'last_id' && !!paging.link && URL.canParse(`${at}`))
  );
}

function requestValues(spec: ApiSpec, at: PageRef, { from, to }: Range): Values {
  const { paging, requestTime, pageSize } = spec;
  const start = paging.by === 'offset' ? 0 : paging.by === 'page' ? paging.start : undefined;
  return {
    ...spec.values,
    from: from === undefined ? undefined : writeTime(from, requestTime),
    to: to === undefined ? undefined : writeTime(to, requestTime),
    cursor: at ?? start,
    size: pageSize,
  };
}

/** A template of JSON with its names filled in; undefined when that needs what is not there. */
function fillJson(template: JsonTemplate, values: Values): unknown {
  if (typeof template === 'string') {
    const [name] = namesIn(template);
    return name !== undefined && template === `{${name}}` ? values[name] : fill(template, values);
  }
  if (typeof template !== 'object') return template;
  if (isList(template)) return template.map((item) => fillJson(item, values)).filter((item) => item !== undefined);
  return Object.fromEntries(Object.entries(template).map(([key, item]) => [key, fillJson(item, values)]));
}

function isList(template: JsonTemplate): template is readonly JsonTemplate[] {
  return Array.isArray(template);
}

/** @throws SourceError when it is on another host: credentials would go there */
export function sameOrigin(target: URL, endpoint: URL): URL {
  if (target.origin === endpoint.origin) return target;
  throw new SourceError(
    `the next page of ${place(endpoint)} is on ${target.origin}, but credentials are sent to ${endpoint.origin} only; ` +
      'set `endpoint` to the address that the API gives in its links',
  );
}
