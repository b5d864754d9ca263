import type { Clock } from '../../../core/clock';
import type { FlickerMetrics } from '../../metrics';
import { SourceError } from '../../source';
import { createCredentials } from './credentials';
import { requestHeaders } from './headers';
import { createHttpClient, type HttpAnswer, type HttpLimits } from './http';
import { LONGEST_WAIT_MS, rateFacts, spend, type RateState } from './rate-limit';
import type { PageRequest } from './request';
import type { ApiSpec } from './spec';

/** What is known of an API's rate limit. It is saved, so that a restart or a successor does not ask at once what was refused. */
export interface RateMemory {
  /** No request before this time. */
  readonly notBefore?: number | undefined;
  readonly rate?: RateState | undefined;
}

/** Asks an API: with its credentials, and no more often than it allows. */
export interface Asker {
  /** @throws SourceError when there is no answer, or it is not yet time to ask */
  ask(request: PageRequest, signal: AbortSignal): Promise<HttpAnswer>;
  /** No request for this long. */
  wait(ms: number): void;
  memory(): RateMemory;
  remember(memory: RateMemory): void;
  close(): Promise<void>;
}

export function createAsker(
  spec: ApiSpec,
  { clock, metrics, limits }: { clock: Clock; metrics: FlickerMetrics; limits: HttpLimits },
): Asker {
  const http = createHttpClient(spec.endpoint.origin, limits);
  const credentials = createCredentials(spec.auth, clock, limits);
  const count = (status: string) => metrics.apiRequests.inc({ source: spec.name, status });
  let known: RateMemory = {};

  function awaitTurn(): void {
    const now = clock.now();
    const { notBefore } = known;
    // A time far away is of a clock that has since been set.
    if (notBefore !== undefined && notBefore > now && notBefore <= now + LONGEST_WAIT_MS) throw limited(notBefore, now);
    const spent = spend(spec.rate, known.rate, now);
    if ('waitMs' in spent) throw limited(now + spent.waitMs, now);
    known = { rate: spent.state };
  }

  async function once({ url, body }: PageRequest, signal: AbortSignal): Promise<HttpAnswer> {
    // First: an access token that may not be used yet is not asked for.
    awaitTurn();
    const headers = requestHeaders(spec, await credentials.headers(signal));
    if (body !== undefined) headers['content-type'] = 'application/json';
    try {
      const answer = await http.send({ method: spec.method, url, headers, body }, signal);
      count(`${Math.floor(answer.status / 100)}xx`);
      return answer;
    } catch (error) {
      if (error instanceof SourceError) count('error');
      throw error;
    }
  }

  function wait(ms: number): void {
    known = { ...known, notBefore: clock.now() + Math.ceil(ms) };
  }

  return {
    ask: async (request, signal) => {
      let answer = await once(request, signal);
      if (answer.status === 401 && credentials.refused()) answer = await once(request, signal);
      const { waitMs, state } = rateFacts(answer.headers, clock.now(), spec.rate);
      if (state) known = { ...known, rate: state };
      if (waitMs !== undefined) wait(waitMs);
      return answer;
    },
    wait,
    memory: () => known,
    remember: (memory) => {
      known = memory;
    },
    close: async () => {
      await Promise.all([http.close(), credentials.close()]);
    },
  };
}

function limited(until: number, now: number): SourceError {
  return new SourceError(
    `the API limits the rate of requests until ${new Date(until).toISOString()}; the walk goes on then`,
    until - now,
  );
}
