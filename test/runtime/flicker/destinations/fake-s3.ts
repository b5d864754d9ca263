import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { S3Client } from '@aws-sdk/client-s3';
import { listen } from './support';

export interface StoredObject {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** What the server does with the next request instead of its work. */
export type Fault =
  /** It is done, and the answer never arrives. */
  | 'drop-after'
  /** It is not done. */
  | 'drop-before'
  | { readonly status: number; readonly code: string };

export interface FakeS3 {
  readonly client: S3Client;
  readonly objects: Map<string, StoredObject>;
  /** Operations in order, as `PUT bucket/key`. */
  readonly requests: string[];
  /** Consumed one a request; `undefined` means none. */
  readonly faults: (Fault | undefined)[];
  /** False: an object that is not there is answered 403, as to who may not list all of the bucket. */
  tellsMissing: boolean;
  close(): Promise<void>;
}

const kept = /^(content-type|content-encoding|x-amz-meta-.*)$/;

/** As much of S3 as numbered objects need, with faults that the emulator cannot play. */
export async function fakeS3(): Promise<FakeS3> {
  const objects = new Map<string, StoredObject>();
  const requests: string[] = [];
  const faults: (Fault | undefined)[] = [];

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const key = decodeURIComponent((request.url ?? '').slice(1).split('?')[0] ?? '');
      const query = new URL(request.url ?? '/', 'http://s3').searchParams;
      const prefix = query.get('prefix');
      requests.push(prefix === null ? `${request.method} ${key}` : `LIST ${key}${prefix}`);
      const fault = faults.shift();
      if (fault === 'drop-before') return void request.socket.destroy();
      if (typeof fault === 'object') return failure(response, fault.status, fault.code);
      if (prefix !== null) return list(response, key, prefix);
      answer(request, key, Buffer.concat(chunks), fault === 'drop-after' ? undefined : response);
      if (fault === 'drop-after') request.socket.destroy();
    });
  });

  function answer(request: IncomingMessage, key: string, body: Buffer, response: ServerResponse | undefined): void {
    const found = objects.get(key);
    if (request.method === 'PUT') {
      if (found && request.headers['if-none-match'] === '*') return failure(response, 412, 'PreconditionFailed');
      const headers = Object.entries(request.headers).filter(([name]) => kept.test(name));
      const metadata = headers.filter(([name]) => name.startsWith('x-amz-meta-'));
      const size = metadata.map(([name, value]) => name.length + String(value).length - 11).reduce((a, b) => a + b, 0);
      if (size > 2048) return failure(response, 400, 'MetadataTooLarge');
      objects.set(key, { body, headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])) });
      return void response?.setHeader('etag', '"e"').end();
    }
    if (!found) {
      const [status, code] = fake.tellsMissing ? [404, 'NoSuchKey'] : [403, 'AccessDenied'];
      return failure(response, status, request.method === 'HEAD' ? '' : code);
    }
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const part = range ? found.body.subarray(Number(range[1])) : found.body;
    for (const [name, value] of Object.entries(found.headers)) response?.setHeader(name, value);
    response?.setHeader('content-length', part.length).setHeader('etag', '"e"');
    if (range) {
      const { length } = found.body;
      response?.setHeader('content-range', `bytes ${range[1]}-${length - 1}/${length}`).writeHead(206);
    }
    response?.end(request.method === 'HEAD' ? undefined : part);
  }

  function list(response: ServerResponse, bucket: string, prefix: string): void {
    const keys = [...objects.keys()].filter((key) => key.startsWith(`${bucket}${prefix}`)).sort();
    const found = keys.slice(0, 1).map((key) => `<Contents><Key>${key.slice(bucket.length)}</Key></Contents>`);
    response.setHeader('content-type', 'application/xml').end(`<ListBucketResult>${found.join('')}</ListBucketResult>`);
  }

  const port = await listen(server);
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'eu-central-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  const fake: FakeS3 = {
    client,
    objects,
    requests,
    faults,
    tellsMissing: true,
    close: () => {
      client.destroy();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return fake;
}

function failure(response: ServerResponse | undefined, status: number, code: string): void {
  const body = code === '' ? '' : `<?xml version="1.0"?><Error><Code>${code}</Code><Message>test</Message></Error>`;
  response?.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length }).end(body);
}
