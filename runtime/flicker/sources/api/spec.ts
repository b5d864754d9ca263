import {
  authOf,
  choose,
  endpointOf,
  hasUpperBound,
  presetOf,
  tokenUrlOf,
  valuesOf,
  fill,
  type AnswerMatch,
  type AnyApiConfig,
  type ApiSourceConfig,
  type EntryTime,
  type Paging,
  type Preset,
  type PresetSourceConfig,
  type RateRules,
  type RequestTemplate,
  type RequestTime,
  type Values,
} from '../../../../contract/flicker';
import { keyOf } from './fields';
import { filledAuth, type Auth } from './credentials';

/** What the engine does: all that a preset and its settings, or the keys of a source without one, come to. */
export interface ApiSpec {
  readonly name: string;
  /** The preset's name; undefined without one. */
  readonly preset: string | undefined;
  readonly endpoint: URL;
  /** Names the pages: a saved page of another endpoint, or of another way to page, means nothing. */
  readonly of: string;
  readonly method: 'GET' | 'POST';
  /** Without those of `auth`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly auth: Auth;
  readonly values: Values;
  readonly first: RequestTemplate;
  readonly next: RequestTemplate;
  readonly requestTime: RequestTime;
  readonly paging: Paging;
  /** What an empty page with a next one means. */
  readonly onEmpty: 'end' | 'pause' | 'tail' | 'follow';
  readonly pageSize: number;
  readonly results: string;
  readonly resultsMayBeMissing: boolean;
  readonly id: readonly string[];
  readonly time: { readonly field: string; readonly format: EntryTime };
  readonly message: string | undefined;
  readonly mode: Mode;
  readonly maxPages: number;
  readonly startFrom: string;
  readonly retentionMs: number | undefined;
  readonly rate: RateRules;
  readonly expired: readonly AnswerMatch[];
  readonly envelope: Preset['envelope'];
}

export type Mode =
  | {
      readonly kind: 'cursor';
      readonly restAt: 'empty_page' | 'short_page' | 'no_more';
      readonly earlierMs: number;
      readonly memory: Memory;
    }
  | { readonly kind: 'watermark'; readonly ascending: boolean; readonly memory: Memory }
  | {
      readonly kind: 'window';
      /** Infinite when the API takes no upper bound. */
      readonly chunkMs: number;
      readonly lagMs: number;
      readonly rereadMs: number;
      readonly coarse: boolean;
      /** An entry of exactly the time that is asked for does not come. */
      readonly exclusive: boolean;
      readonly memory: Memory;
    };

/** Which entries are remembered, to tell those that come again. */
export interface Memory {
  /** How far back. */
  readonly overlapMs: number;
  /** How many, at most; more only where they share one time. */
  readonly entries: number;
  /** Times are kept in this unit, milliseconds. */
  readonly unit: number;
}

/** Of a source without a preset. */
export const SMALL_MEMORY: Memory = { overlapMs: 600_000, entries: 64, unit: 1 };
const CURSOR_ENTRIES = 1000;
const OVERLAP_ENTRIES = 10_000;
/** A cursor of a vendor may live for a long time, but events are seldom later than this. */
const DEFAULT_OVERLAP_MS = 600_000;

/** @throws Error when a setting cannot be used; the text holds no secret */
export function specOf(config: ApiSourceConfig): ApiSpec {
  return config.preset === undefined ? anySpec(config) : presetSpec(config);
}

function presetSpec(config: PresetSourceConfig): ApiSpec {
  const preset = presetOf(config);
  const values = valuesOf(config);
  const endpoint = endpointAt(config.name, endpointOf(config));
  const extra = Object.entries(preset.headers ?? {}).flatMap(([name, template]) => {
    const value = fill(template, values);
    return value === undefined ? [] : [[name.toLowerCase(), value] as const];
  });
  const tokenUrl = tokenUrlOf(config);
  return {
    name: config.name,
    preset: preset.name,
    endpoint,
    of: keyOf(JSON.stringify([endpoint.href, preset.name, preset.paging.by])),
    method: preset.method ?? 'GET',
    headers: { ...Object.fromEntries(extra), ...lowerCased(config.headers) },
    auth: filledAuth(authOf(config), values, tokenUrl),
    values,
    first: preset.first,
    next: preset.next ?? preset.first,
    requestTime: preset.requestTime ?? 'rfc3339',
    paging: preset.paging,
    onEmpty: endsEmpty(preset.paging) ? 'end' : 'follow',
    pageSize: config.page_size,
    results: choose(preset.results, values),
    resultsMayBeMissing: preset.resultsMayBeMissing ?? false,
    id: preset.id ?? [],
    time: { field: choose(preset.time.field, values), format: preset.time.format },
    message: config.message_field ?? preset.message,
    mode: presetMode(preset, config, values),
    maxPages: config.max_pages,
    startFrom: config.start_from,
    retentionMs: choose(preset.retentionMs, values),
    rate: preset.rate ?? {},
    expired: preset.expired ?? [],
    envelope: preset.envelope,
  };
}

function presetMode(preset: Preset, config: PresetSourceConfig, values: Values): Mode {
  const { mode } = preset;
  switch (mode.kind) {
    case 'cursor': {
      const overlapMs = config.overlap_ms ?? mode.overlapMs ?? DEFAULT_OVERLAP_MS;
      const memory = { overlapMs, entries: CURSOR_ENTRIES, unit: 1000 };
      return { kind: 'cursor', restAt: mode.restAt, earlierMs: mode.earlierMs ?? 0, memory };
    }
    case 'watermark': {
      const overlapMs = config.overlap_ms ?? mode.overlapMs;
      return { kind: 'watermark', ascending: true, memory: { overlapMs, entries: OVERLAP_ENTRIES, unit: 1000 } };
    }
    case 'window': {
      const overlapMs = config.overlap_ms ?? choose(mode.overlapMs, values);
      return {
        kind: 'window',
        chunkMs: hasUpperBound(preset) ? (config.window_ms ?? mode.chunkMs) : Number.POSITIVE_INFINITY,
        lagMs: config.lag_ms ?? choose(mode.lagMs, values),
        rereadMs: mode.rereadMs ?? 0,
        coarse: mode.coarse ?? false,
        exclusive: mode.exclusive ?? false,
        memory: { overlapMs, entries: OVERLAP_ENTRIES, unit: 1000 },
      };
    }
  }
}

/** Whether nothing but an empty page tells the end. */
function endsEmpty(paging: Paging): boolean {
  return paging.by === 'offset' || (paging.by === 'page' && paging.next === undefined && paging.more === undefined);
}

function anySpec(config: AnyApiConfig): ApiSpec {
  const { pagination } = config;
  const type = pagination?.pagination_type;
  const params: [string | undefined, string][] = [
    [config.time_filter_param, '{from}'],
    [pagination?.limit_param, '{size}'],
    [type && type !== 'link' ? pagination?.[`${type}_param`] : undefined, '{cursor}'],
  ];
  const request = {
    query: Object.fromEntries(params.flatMap(([name, value]) => (name === undefined ? [] : [[name, value]]))),
  };
  const endpoint = endpointAt(config.name, config.endpoint);
  return {
    name: config.name,
    preset: undefined,
    endpoint,
    of: keyOf(JSON.stringify([config.endpoint, type])),
    method: 'GET',
    headers: lowerCased(config.headers),
    auth: anyAuth(config),
    values: {},
    first: request,
    next: request,
    requestTime: config.time_filter_format === 'iso8601' ? 'rfc3339' : config.time_filter_format,
    paging: anyPaging(pagination),
    onEmpty: type === 'link' ? 'tail' : type === 'cursor' ? 'pause' : 'end',
    pageSize: pagination?.page_size ?? 1,
    results: config.results_field,
    resultsMayBeMissing: false,
    id: config.id_field === undefined ? [] : [config.id_field],
    time: { field: config.timestamp_field, format: config.timestamp_format },
    message: config.message_field,
    mode: { kind: 'watermark', ascending: false, memory: SMALL_MEMORY },
    maxPages: config.max_pages,
    startFrom: config.start_from,
    retentionMs: undefined,
    rate: {},
    expired: [400, 404, 410, 422].map((status) => ({ status })),
    envelope: undefined,
  };
}

function anyAuth({ api_key, basic, oauth2 }: AnyApiConfig): Auth {
  if (oauth2) {
    const { token_url, client_id, client_secret, private_key, key_id, grant_type, params } = oauth2;
    const client = { tokenUrl: token_url, clientId: client_id, params };
    return private_key === undefined
      ? { ...client, type: 'client_credentials', clientSecret: client_secret ?? '', grant: grant_type, send: 'basic' }
      : { ...client, type: 'private_key_jwt', privateKey: private_key, keyId: key_id };
  }
  if (api_key !== undefined) return { type: 'headers', headers: { authorization: `Bearer ${api_key}` } };
  return basic ? { type: 'basic', ...basic } : { type: 'headers', headers: {} };
}

function anyPaging(pagination: AnyApiConfig['pagination']): Paging {
  if (!pagination) return { by: 'none' };
  switch (pagination.pagination_type) {
    case 'offset':
      return { by: 'offset' };
    case 'link':
      return { by: 'link' };
    case 'cursor':
      return { by: 'cursor', field: pagination.next_cursor_field ?? '' };
    case 'page': {
      const { next_page_field: next, has_more_field: more } = pagination;
      return { by: 'page', start: 1, ...(next !== undefined && { next }), ...(more !== undefined && { more }) };
    }
  }
}

function endpointAt(name: string, text: string): URL {
  const endpoint = new URL(text);
  if (endpoint.username || endpoint.password) {
    throw new Error(`the endpoint of the API source ${name} (${endpoint.host}) holds credentials: move them to basic`);
  }
  return endpoint;
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]));
}
