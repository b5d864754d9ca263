import { Readable } from 'node:stream';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { HttpHandlerOptions, HttpRequest } from '@smithy/types';
import type { S3Request, S3Response } from './s3';

/** Answers a request, or rejects as a broken connection does. */
export type Transport = (request: S3Request, signal: AbortSignal | undefined) => Promise<S3Response>;

/** The real client on a simulated connection. It signs nothing: nobody checks signatures, and they cost most of a request. */
export function createSimClient(transport: Transport): S3Client {
  return new S3Client({
    region: 'us-east-1',
    endpoint: 'http://s3.invalid',
    forcePathStyle: true,
    maxAttempts: 1,
    cacheMiddleware: true,
    credentials: { accessKeyId: 'simulated', secretAccessKey: 'simulated' },
    signer: { sign: (request: HttpRequest) => Promise.resolve(request) },
    requestHandler: {
      handle: async (request: HttpRequest, options: HttpHandlerOptions = {}) => {
        const signal = options.abortSignal instanceof AbortSignal ? options.abortSignal : undefined;
        const { statusCode, headers, body } = await transport(toS3Request(request), signal);
        return { response: { statusCode, headers, body: Readable.from([body], { objectMode: false }) } };
      },
    },
  });
}

let read: Promise<unknown> | undefined;

/**
 * The first request of a process reads the SDK's configuration from disk, in real time: to be awaited before any clock is
 * simulated.
 */
export async function configurationRead(): Promise<void> {
  read ??= createSimClient(() => Promise.resolve({ statusCode: 200, headers: {}, body: new Uint8Array() })).send(
    new HeadBucketCommand({ Bucket: 'any' }),
  );
  await read;
}

function toS3Request({ method, path, query, headers, body }: HttpRequest & { body?: unknown }): S3Request {
  return { method, path, query: query ?? {}, headers, body: body instanceof Uint8Array ? body : new Uint8Array() };
}
