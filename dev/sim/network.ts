import type { Random } from './random';
import { errorAnswer, type S3Request, type S3Response } from './s3';
import type { SimProcess } from './time';

/** What can happen to a request on its way, and how often. */
const fates = {
  'request lost': 3,
  'request lost, connection hangs': 2,
  'answer lost': 4,
  'answer lost, connection hangs': 3,
  duplicated: 5,
  slow: 4,
  conflict: 4,
  'conflict although done': 1,
  unavailable: 4,
  'unavailable although done': 2,
  'unavailable although done later': 3,
  'error inside a 200': 3,
  'error inside a 200 although done': 1,
  denied: 1,
} as const;
export type Fate = keyof typeof fates | 'fine';

export interface Network {
  /** Share of requests that something happens to, from 0 to 1. */
  trouble: number;
  readonly met: Map<Fate, number>;
}

export interface Delivery {
  readonly network: Network;
  readonly random: Random;
  /** Around each execution of the request at S3. */
  readonly execute: (request: S3Request, process: SimProcess) => S3Response;
  readonly trace: (text: string) => void;
}

/** Sends one request of a process to S3 with whatever happens to it, and brings the answer back. */
export function deliver(
  delivery: Delivery,
  process: SimProcess,
  request: S3Request,
  signal: AbortSignal | undefined,
): Promise<S3Response> {
  const { network, random, execute } = delivery;
  const fate: Fate = random.chance(network.trouble) ? random.weighted(fates) : 'fine';
  network.met.set(fate, (network.met.get(fate) ?? 0) + 1);
  const there = fate === 'slow' ? random.int(500, 9_000) : random.int(5, 80);
  const back = fate === 'slow' && random.chance(0.5) ? random.int(500, 9_000) : random.int(5, 80);
  const done = () => execute(request, process);

  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    const answer = (response: S3Response) => process.after(back, () => resolve(response));
    const reset = () => process.after(back, () => reject(new Error('socket hang up')));
    const name = `${request.method} of ${process.name}`;
    if (fate !== 'fine') delivery.trace(`${name}: ${fate}`);

    process.time.after(there, () => {
      switch (fate) {
        case 'fine':
        case 'slow':
          return answer(done());
        case 'request lost':
          return reset();
        case 'request lost, connection hangs':
          return;
        case 'answer lost':
          done();
          return reset();
        case 'answer lost, connection hangs':
          done();
          return;
        case 'duplicated': {
          const first = done();
          const answersFirst = random.chance(0.5);
          if (answersFirst) answer(first);
          process.time.after(random.int(1, 4_000), () => {
            const second = done();
            if (!answersFirst) answer(second);
          });
          return;
        }
        case 'conflict':
          return answer(request.method === 'PUT' ? errorAnswer(409, 'ConditionalRequestConflict') : done());
        case 'conflict although done':
          done();
          return answer(errorAnswer(409, 'ConditionalRequestConflict'));
        case 'unavailable':
          return answer(errorAnswer(503, 'SlowDown'));
        case 'unavailable although done':
          done();
          return answer(errorAnswer(500, 'InternalError'));
        case 'unavailable although done later':
          process.time.after(random.int(20, 2_000), done);
          return answer(errorAnswer(503, 'SlowDown'));
        case 'error inside a 200':
          return answer(errorAnswer(200, 'InternalError'));
        case 'error inside a 200 although done':
          done();
          return answer(errorAnswer(200, 'InternalError'));
        case 'denied':
          return answer(errorAnswer(403, 'AccessDenied'));
      }
    });
  });
}
