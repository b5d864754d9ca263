import type { Clock } from '../../core/clock';
import type { Records } from '../batch';
import type { Answer, Destination, Shipment } from '../destination';
import { gzip } from './gzip';
import { answerOfReply } from './http-answer';
import { openHttp } from './http-request';
import { plainUrl, requestHeaders, type HttpConfig } from './http-settings';

const OF = 'an http destination';

/** POSTs each shipment as one JSON array on a connection that is kept. @throws Error when a setting cannot be used */
export async function createHttpDestination(config: HttpConfig, clock: Clock): Promise<Destination> {
  const url = plainUrl(config.endpoint, OF);
  const headers = requestHeaders({ ...config, bearer: config.api_key || config.auth?.token }, OF);
  const connection = await openHttp(url, config, OF);
  const request = { path: `${url.pathname}${url.search}`, method: 'POST', headers } as const;
  /** Records of an attempt that came to nothing. */
  let tried: Records | undefined;

  return {
    label: `http ${url.origin}`,
    layout: 'array',
    async send(shipment: Shipment, signal: AbortSignal): Promise<Answer> {
      signal.throwIfAborted();
      const { records } = shipment;
      const plain = records.body('array');
      const body = config.compression ? await gzip(plain) : plain;
      const answer = answerOfReply(await connection.request({ ...request, body }, 0, signal), clock.now());
      // A receiver may answer before it has read the request: what is left of it is still on its way then.
      if (answer.kind !== 'accepted') tried = records;
      else if (records !== tried && !connection.writing()) records.release();
      return answer;
    },
    close: () => connection.close(),
  };
}
