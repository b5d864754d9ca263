import type { AnswerMatch } from '../../../../contract/flicker';
import { SourceError } from '../../source';
import { fieldAt } from './fields';
import { place, type HttpAnswer } from './http';
import { rateFacts, refusalWait } from './rate-limit';
import type { ApiSpec } from './spec';

/** What an answer is. */
export type Reading =
  | { readonly kind: 'page'; readonly body: unknown; readonly entries: readonly unknown[] }
  | { readonly kind: 'rate-limited'; readonly waitMs: number; readonly message: string }
  /** The saved place of a walk means nothing to the API any more. */
  | { readonly kind: 'place-refused'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

export interface Asked {
  /** The request named a place that an earlier answer gave, a cursor or a link. */
  readonly given: boolean;
  readonly now: number;
  /** Refusals for the rate before this one, in a row. */
  readonly refusals: number;
}

/** Takes an answer for what it is. @throws SourceError when it is a page, but not of the form that the spec says */
export function readAnswer(spec: ApiSpec, answer: HttpAnswer, { given, now, refusals }: Asked): Reading {
  const { status, headers, url, text } = answer;
  const ok = status >= 200 && status < 300;
  if (ok && (status === 204 || !spec.envelope)) return readPage(spec, answer);
  const body = quietly(text);
  if (ok && !isFailure(spec, body)) return readPage(spec, answer, body);
  const code = spec.envelope?.code === undefined ? undefined : fieldAt(body, spec.envelope.code);
  const said = `${status}${typeof code === 'number' || (typeof code === 'string' && /^[\w.-]{1,60}$/.test(code)) ? `, ${code}` : ''}`;
  const where = place(url);
  const { waitMs } = rateFacts(headers, now, spec.rate);
  const matches = (rule: AnswerMatch) => matchesRule(rule, answer, body);
  if (
    status === 429 ||
    (waitMs !== undefined && (status === 403 || status === 503)) ||
    spec.rate.refusals?.some(matches)
  ) {
    return {
      kind: 'rate-limited',
      waitMs: waitMs ?? refusalWait(spec.rate, refusals),
      message: `${where} limits the rate of requests (${said})`,
    };
  }
  if (given && (status === 404 || status === 410 || spec.expired.some(matches))) {
    return {
      kind: 'place-refused',
      message: `${where} refused the page at which the walk was to go on (${said}); the next poll starts again from the newest time seen`,
    };
  }
  return { kind: 'failed', message: `${where} answered ${said}: ${advice(spec, status)}` };
}

/** An answer 200 that is none. */
function isFailure({ envelope }: ApiSpec, body: unknown): boolean {
  return envelope !== undefined && fieldAt(body, envelope.ok) === false;
}

function matchesRule(
  { status, field, values, words, header }: AnswerMatch,
  answer: HttpAnswer,
  body: unknown,
): boolean {
  if (status !== undefined && status !== answer.status) return false;
  if (header !== undefined && answer.headers[header.toLowerCase()] === undefined) return false;
  if (field === undefined) return true;
  const value = fieldAt(body, field);
  if (words !== undefined && !String(value).toLowerCase().includes(words)) return false;
  return value !== undefined && (values === undefined || values.some((one) => one === value));
}

function advice({ preset }: ApiSpec, status: number): string {
  if (status === 401 || status === 403) return 'check the credentials, and what they may read';
  if (status === 404 || status === 410) {
    return preset === undefined
      ? 'check `endpoint`'
      : 'check the settings of the source, and what its credentials may read';
  }
  if (status >= 500) return 'the API has failed; the next poll tries again';
  if (status >= 300 && status < 400) return 'expected a redirect with a location, or an answer 200; check `endpoint`';
  if (preset !== undefined) return 'expected an answer 200 without an error; check the settings of the source';
  return 'expected 200; check `endpoint`, `time_filter_param`, `time_filter_format` and `pagination`';
}

/** `parsed`: the JSON of the answer, if it was parsed before; undefined when it is none. */
function readPage(spec: ApiSpec, { status, headers, url, text }: HttpAnswer, parsed?: unknown): Reading {
  if (status === 204) return { kind: 'page', body: undefined, entries: [] };
  const body = parsed ?? parseJson(text, headers['content-type'], `${place(url)} answered ${status}`);
  const path = spec.results;
  const root = path === '' || path === '$';
  const results = root ? body : fieldAt(body, path);
  if (Array.isArray(results)) return { kind: 'page', body, entries: results };
  if (spec.resultsMayBeMissing && (results === undefined || results === null))
    return { kind: 'page', body, entries: [] };
  const subject = root ? 'the answer' : spec.preset === undefined ? `results_field "${path}"` : `its field "${path}"`;
  const got =
    results === undefined
      ? 'missing'
      : typeof results === 'object' && results
        ? 'an object'
        : `${results === null ? 'null' : `a ${typeof results}`}`;
  const check =
    spec.preset !== undefined
      ? `check \`endpoint\`, and whether the API still is as the preset "${spec.preset}" says`
      : `check \`results_field\`${root ? '' : ' (empty when the answer itself is the array)'}`;
  throw new SourceError(
    `${place(url)} answered ${status}, but ${subject} is ${got}; expected an array of entries: ${check}`,
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

/** The JSON of an answer that may be anything. */
function quietly(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
