import type { z } from 'zod';
import type { SettingsMode } from '../../settings';

/**
 * What flicker knows of one vendor's audit API. Data only: the engine in `runtime/flicker/sources/api` obeys it.
 *
 * Templates are texts with `{name}`: a setting of the user (`{domain}`), or one of
 * - `{from}`, `{to}`: the time range asked for, written as `requestTime`; `{to}` only in mode `window`,
 * - `{cursor}`: the cursor, page number, offset or last id that `paging` found; only in `next`,
 * - `{size}`: the page size.
 *
 * In a query or body, what holds a setting that is not given is left out. In a body, a text that is one placeholder and
 * nothing else becomes that value: `"{size}"` a number.
 */
export interface Preset {
  /** What a config writes: `preset: okta`. */
  readonly name: string;
  /** The vendor's name of the log: `Okta System Log`. */
  readonly title: string;
  /** Page of the vendor that describes the API. */
  readonly reference: string;
  /** Nobody has run it against the vendor yet: a warning says so at the start. */
  readonly experimental?: true;
  /** Settings of the user, beside the keys that every preset takes. Names must be in the vendor's own terms. */
  readonly settings: (mode: SettingsMode) => z.core.$ZodLooseShape;
  /** Template of the URL. Of several the first is taken whose settings are all given. Settings are URL-encoded. */
  readonly endpoint: string | readonly string[];
  /** @default 'GET' */
  readonly method?: 'GET' | 'POST';
  /** Templates of request headers, beside those of `auth`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ways to authenticate. The first is taken whose settings are all given. */
  readonly auth: readonly [PresetAuth, ...PresetAuth[]];
  /** The request that begins a walk over pages. */
  readonly first: RequestTemplate;
  /** Every further request, unless `paging` is by a whole URL. What must be repeated is written again. */
  readonly next?: RequestTemplate;
  /** How `{from}` and `{to}` are written. @default 'rfc3339' */
  readonly requestTime?: RequestTime;
  readonly paging: Paging;
  readonly pageSize: { readonly default: number; readonly max: number };
  /** Dot path to the array of entries; empty when the answer itself is the array. */
  readonly results: Choice<string>;
  /** The array is missing from an answer that has no entries. */
  readonly resultsMayBeMissing?: true;
  /** Dot paths to the fields that together are unique. An entry that lacks one is told by a hash of its content. @default the hash */
  readonly id?: readonly [string, ...string[]];
  /** An entry's own time. */
  readonly time: { readonly field: Choice<string>; readonly format: EntryTime };
  /** Dot path to the text to ship. @default the whole entry as JSON */
  readonly message?: string;
  readonly mode: CursorMode | WatermarkMode | WindowMode;
  /** Default of `polling_frequency_ms`. */
  readonly pollMs: number;
  /** How long the vendor keeps entries: nothing older is asked for. */
  readonly retentionMs: Choice<number>;
  readonly rate?: RateRules;
  /** Answers that mean that a saved cursor is too old or unknown, beside 404 and 410: the walk begins again before the newest entry seen. */
  readonly expired?: readonly AnswerMatch[];
  /** An answer 200 that may tell of an error. */
  readonly envelope?: {
    /** Dot path to a boolean that is false then. */
    readonly ok: string;
    /** Dot path to the error's code: shown, and matched by `expired` and `rate.refusals`. */
    readonly code?: string;
  };
}

/** One value, or one for each value of a setting. */
export type Choice<T extends string | number> =
  T | { readonly setting: string; readonly values: Readonly<Record<string, T>>; readonly otherwise: T };

/** How an entry writes its time; `auto` tells RFC 3339 and seconds, milliseconds, microseconds by magnitude. */
export type EntryTime = 'auto' | 'rfc3339' | 'unix' | 'unix_ms' | 'unix_us';

/**
 * How a request writes a time: `2026-01-02T03:04:05.678Z`, the same in whole seconds (`2026-01-02T03:04:05Z`), seconds or
 * milliseconds since the epoch, or `2026-01-02`. Cut, never rounded up.
 */
export type RequestTime = 'rfc3339' | 'rfc3339_seconds' | 'unix' | 'unix_ms' | 'date';

export type JsonTemplate =
  string | number | boolean | readonly JsonTemplate[] | { readonly [key: string]: JsonTemplate };

export interface RequestTemplate {
  /** Template of a URL relative to the endpoint: `get_events/continue`. @default the endpoint */
  readonly path?: string;
  /** A list is a parameter that is given several times. */
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as JSON, with `method: 'POST'`. */
  readonly body?: JsonTemplate;
}

/** How the next page is found. */
export type Paging =
  /** One page has all. */
  | { readonly by: 'none' }
  /** `Link: <url>; rel="next"` (RFC 8288), followed as it is. */
  | { readonly by: 'link' }
  /** Dot path to the next URL in the answer, whole or relative, followed as it is. Ends where there is none, or where `more` is false. */
  | { readonly by: 'url'; readonly field: string; readonly more?: string }
  /** Dot path to a cursor in the answer. Ends where there is none, or where `more` is false. */
  | { readonly by: 'cursor'; readonly field: string; readonly more?: string }
  /**
   * The id of the last entry of a page, by its dot path. Ends at an empty page, or where `more` is false. `first: 'least'`: the
   * first page is a search in another order; only its entry with the least id counts, and the walk goes on behind that.
   * `link`: pages behind the first have a `Link` to the next, which is followed as it is.
   */
  | {
      readonly by: 'last_id';
      readonly field: string;
      readonly more?: string;
      readonly first?: 'least';
      readonly link?: true;
    }
  /** Page numbers, from `start`. `next`: dot path to the next number. Ends where that or `more` says so, else at an empty page. */
  | { readonly by: 'page'; readonly start: number; readonly next?: string; readonly more?: string }
  /** Number of entries to pass over. Ends at an empty page. */
  | { readonly by: 'offset' };

/**
 * The server keeps the place: everything it sends after a cursor is new, late entries too. The cursor is saved after every
 * page, an empty one too, and used as long as it lives. With `paging` by link, url, cursor or last_id.
 */
export interface CursorMode {
  readonly kind: 'cursor';
  /** When to wait for the next poll: at an empty page, at one that is not full, or where `paging.more` is false. */
  readonly restAt: 'empty_page' | 'short_page' | 'no_more';
  /** How far before the newest entry a walk begins again when a cursor has expired. @default 600000 */
  readonly overlapMs?: number;
  /**
   * A walk begins this much before its start, because entries do not come in the order of their times; those from before the
   * start are passed over. @default 0
   */
  readonly earlierMs?: number;
}

/**
 * Entries are asked for from the newest time seen, less an overlap. Entries in it that were seen are told by id. For entries
 * in ascending order: a walk that breaks goes on at the newest entry seen, less the overlap.
 */
export interface WatermarkMode {
  readonly kind: 'watermark';
  /** How late an entry may come. */
  readonly overlapMs: number;
}

/**
 * Windows `[from, to)` in the past, each read to its end before the next begins; the order of entries in a window does not
 * matter. Without `{to}` in a template one window reaches up to now.
 */
export interface WindowMode {
  readonly kind: 'window';
  /** Longest window. */
  readonly chunkMs: number;
  /** Windows end this long ago: entries are usually there by then. */
  readonly lagMs: Choice<number>;
  /** Windows are read again this far back, for entries that came later still. */
  readonly overlapMs: Choice<number>;
  /** How often that is done. @default every time */
  readonly rereadMs?: number;
  /** Requests can only name whole days, say: the server sends more than was asked for, and entries outside a window are passed over. */
  readonly coarse?: true;
  /** The vendor leaves out entries of exactly `{from}`, or does not say that it does not: requests begin a second earlier. */
  readonly exclusive?: true;
}

export type PresetAuth =
  /** Templates of headers: `{Authorization: 'Bearer {token}'}`. */
  | { readonly type: 'headers'; readonly headers: Readonly<Record<string, string>> }
  /** Templates. */
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  /** OAuth 2 client credentials, or a grant with the same request (`account_credentials`). */
  | {
      readonly type: 'client_credentials';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly clientSecret: string;
      /** @default 'client_credentials' */
      readonly grant?: string;
      /** Where id and secret are: HTTP basic, or the form. @default 'basic' */
      readonly send?: 'basic' | 'form' | 'json';
      /** Templates of further parameters: scope, audience. */
      readonly params?: Readonly<Record<string, string>>;
    }
  /** OAuth 2 client credentials with a signed assertion (RFC 7523). The key is PKCS #8 PEM or a JWK. */
  | {
      readonly type: 'private_key_jwt';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly privateKey: string;
      readonly keyId?: string;
      readonly params?: Readonly<Record<string, string>>;
    }
  /** A Google service account with domain-wide delegation. `key`: the JSON key file's text. */
  | {
      readonly type: 'google_service_account';
      readonly key: string;
      readonly subject: string;
      readonly scope: string;
      /** @default 'https://oauth2.googleapis.com/token' */
      readonly tokenUrl?: string;
    };
// `tokenUrl` is a template; one without an origin is on the endpoint's.

/** An answer, by all that is given. */
export interface AnswerMatch {
  readonly status?: number;
  /** Dot path to a text or number in the body. */
  readonly field?: string;
  /** Its values. @default any */
  readonly values?: readonly (string | number)[];
  /** Lower-case words that the text holds, in whatever case. */
  readonly words?: string;
  /** A response header that must be there. */
  readonly header?: string;
}

/** How requests are limited. `Retry-After` is always obeyed, and so are 429 and the usual headers. */
export interface RateRules {
  /** Names of the headers that tell what remains and when it is full again. @default x-rate-limit-, x-ratelimit-, ratelimit- */
  readonly headers?: { readonly remaining: string; readonly reset: string };
  /** Requests of what remains that are left to others. @default 0 */
  readonly reserve?: number;
  /** What is allowed, for a vendor that does not tell what remains: counted here. */
  readonly budget?: { readonly requests: number; readonly perMs: number };
  /** First wait after a refusal that does not say how long; doubles up to an hour. @default 60000 */
  readonly waitMs?: number;
  /** Answers that are refusals for the rate, beside 429. */
  readonly refusals?: readonly AnswerMatch[];
}
