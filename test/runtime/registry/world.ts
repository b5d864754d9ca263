import { configurationRead, createSimClient } from '../../../dev/sim/client';
import { SimS3, type S3Request, type S3Response } from '../../../dev/sim/s3';
import { SimProcess, VirtualTime } from '../../../dev/sim/time';
import { layoutOfKey } from '../../../contract/registry';
import type { Logger } from '../../../runtime/core/log';
import { openRegistry, type OpenRegistryOptions } from '../../../runtime/registry/open';
import { createS3Store } from '../../../runtime/registry/s3-store';
import type { ObjectStore } from '../../../runtime/registry/store';

export const KEY = 'flicker/prod/okta-registry.json';

/** Answers one request instead of S3; `handle` lets S3 do it. */
export type Answer = (handle: () => S3Response, request: S3Request) => S3Response | Promise<S3Response>;

export const hang: Answer = () => new Promise(() => {});

/** A simulated S3 under the real client, whose answers a test may write, on a clock that only moves when waited for. */
export class World {
  readonly time = new VirtualTime();
  readonly process = new SimProcess(this.time, 'test');
  readonly s3 = new SimS3();
  /** What has been asked for: `PUT`, `GET`. */
  readonly requests: string[] = [];
  /** Answers for the next requests of a method, first to last; then S3 answers. */
  readonly answers: Record<string, Answer[]> = { PUT: [], GET: [] };
  readonly lines: string[] = [];
  readonly log: Logger = {
    debug: () => {},
    info: (event, message) => void this.lines.push(`info ${event} ${message}`),
    warn: (event, message) => void this.lines.push(`warn ${event} ${message}`),
    error: (event, message) => void this.lines.push(`error ${event} ${message}`),
  };
  readonly client = createSimClient((request, signal) => {
    this.requests.push(request.method);
    const handle = () => this.s3.handle(request);
    const answer = this.answers[request.method]?.shift() ?? handle;
    return new Promise((resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      void Promise.resolve()
        .then(() => answer(handle, request))
        .then(resolve, reject);
    });
  });

  async store(): Promise<ObjectStore> {
    await configurationRead();
    return createS3Store({ client: this.client, bucket: 'state', layout: layoutOfKey(KEY) });
  }

  async open(options: Partial<OpenRegistryOptions> = {}) {
    return await this.passing(
      openRegistry({
        store: await this.store(),
        clusterId: 'prod/okta',
        configHash: 'c0ffee',
        owner: 'owner-1',
        host: 'host-1',
        writerVersion: '1.0.0',
        clock: this.process.clock,
        log: this.log,
        random: () => 0.5,
        ...options,
      }),
    );
  }

  /** Lets time pass until the promise is settled. */
  async passing<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => (settled = true);
    promise.then(done, done);
    if (!(await this.time.run(3_600_000, () => settled))) throw new Error('nothing settled it within an hour');
    return await promise;
  }

  stored(): Record<string, unknown> {
    const body = this.s3.get(KEY);
    if (!body) throw new Error('nothing is stored');
    return JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>;
  }

  put(document: unknown): void {
    this.s3.put(KEY, Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)));
  }
}

// The first request of the SDK reads its configuration from disk, in real time.
beforeAll(async () => {
  const store = await new World().store();
  await store.read(new AbortController().signal);
});
