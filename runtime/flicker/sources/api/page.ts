import type { AnyApiConfig } from '../../../../contract/flicker';
import { SourceError } from '../../source';
import { fieldAt } from './fields';
import { place, type HttpAnswer } from './http';
import { DEFAULT_WAIT_MS, rateLimitWait } from './rate-limit';

export interface Page {
  readonly body: unknown;
  readonly entries: readonly unknown[];
}

/** An answer that is no page. */
export type Refusal =
  | { readonly kind: 'rate-limited'; readonly waitMs: number; readonly message: string }
  /** The saved place of a walk means nothing to the API any more. */
  | { readonly kind: 'place-refused'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

/** What a status other than 2xx means. `given`: the request named a place that an earlier answer gave, a cursor or a link. */
export function refusalOf({ status, headers, url }: HttpAnswer, given: boolean, now: number): Refusal | undefined {
  if (status >= 200 && status < 300) return undefined;
  const where = place(url);
  const wait = rateLimitWait(headers, now);
  if (status === 429 || (wait !== undefined && (status === 403 || status === 503))) {
    return {
      kind: 'rate-limited',
      waitMs: wait ?? DEFAULT_WAIT_MS,
      message: `${where} limits the rate of requests (${status})`,
    };
  }
  if (given && [400, 404, 410, 422].includes(status)) {
    return {
      kind: 'place-refused',
      message: `${where} refused the page at which the walk was to go on (${status}); the next poll starts again from the newest time seen`,
    };
  }
  return { kind: 'failed', message: `${where} answered ${status}: ${advice(status)}` };
}

function advice(status: number): string {
  if (status === 401 || status === 403)
    return 'check `api_key`, `basic` or `headers`, and what the credentials may read';
  if (status === 404 || status === 410) return 'check `endpoint`';
  if (status >= 500) return 'the API has failed; the next poll tries again';
  if (status >= 300 && status < 400) return 'expected a redirect with a location, or an answer 200; check `endpoint`';
  return 'expected 200; check `endpoint`, `time_filter_param`, `time_filter_format` and `pagination`';
}

/** The entries of an answer. @throws SourceError when it is not what the config says */
export function parsePage(config: AnyApiConfig, { status, headers, url, text }: HttpAnswer): Page {
  if (status === 204) return { body: undefined, entries: [] };
  const body = parseJson(text, headers['content-type'], `${place(url)} answered ${status}`);
  const path = config.results_field;
  const results = path === '' || path === '$' ? body : fieldAt(body, path);
  if (Array.isArray(results)) return { body, entries: results };
  const subject = path === '' || path === '$' ? 'the answer' : `results_field "${path}"`;
  const got =
    results === undefined
      ? 'missing'
      : typeof results === 'object' && results
        ? 'an object'
        : `${results === null ? 'null' : `a ${typeof results}`}`;
  throw new SourceError(
    `${place(url)} answered ${status}, but ${subject} is ${got}; expected an array of entries: check \`results_field\`` +
      (path === '' || path === '$' ? '' : ' (empty when the answer itself is the array)'),
  );
}

function parseJson(text: string, contentType: string | undefined, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const type = /^[\w.+-]+\/[\w.+-]+/.exec(contentType ?? '')?.[0] ?? 'none';
    const got = /html/i.test(type) || text.trimStart().startsWith('<') ? 'HTML' : 'something that is not JSON';
    throw new SourceError(
      `${what} with ${got} (content type ${type}); expected JSON: check \`endpoint\` and the credentials, as login pages answer so`,
    );
  }
}
