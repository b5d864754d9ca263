import { STATUS_CODES } from 'node:http';
import { retryAfterMs } from '../../core/retry';
import type { Answer } from '../destination';
import type { Reply } from './http-request';

/** Server errors after which the receiver may have kept the events all the same. */
const conclusive = new Set([501, 503, 505]);

/** What a reply means for the events of the request, when its status tells all. */
export function answerOfReply(reply: Reply, now: number): Answer {
  if (reply.kind === 'failed') return { kind: 'retry', reason: reply.reason, uncertain: reply.uncertain };
  return answerOfStatus(reply.status, reply.retryAfter, now);
}

/** What an HTTP status means for the events of the request. */
function answerOfStatus(status: number, retryAfter: string | undefined, now: number): Answer {
  const name = STATUS_CODES[status];
  const reason = `the receiver answered ${status}${name ? ` ${name}` : ''}`;
  if (status >= 200 && status < 300) return { kind: 'accepted' };
  if (status >= 300 && status < 400) {
    return { kind: 'blocked', reason: `${reason}; redirects are not followed: set endpoint to the final address` };
  }
  switch (status) {
    case 413:
      return { kind: 'too-large', reason };
    case 400:
    case 415:
    case 422:
      return { kind: 'refused', reason };
    case 401:
    case 403:
      return { kind: 'blocked', reason: `${reason}; check the credentials of the destination` };
    case 404:
      return { kind: 'blocked', reason: `${reason}; check the endpoint of the destination` };
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const wait = retryAfterMs(retryAfter, now);
    const uncertain = status >= 500 && !conclusive.has(status);
    return { kind: 'retry', reason, uncertain, ...(wait !== undefined && { retryAfterMs: wait }) };
  }
  return { kind: 'blocked', reason };
}
