import { createHash } from 'node:crypto';
import type { RequestListener } from 'node:http';

/** An S3 that stores objects and does not know a single conditional header: it ignores them, as such stores do. */
export function carelessS3(objects = new Map<string, Buffer>()): RequestListener {
  return (request, response) => {
    const key = (request.url ?? '').split('?')[0] ?? '';
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.method === 'PUT') objects.set(key, Buffer.concat(chunks));
      const body = objects.get(key);
      if (!body) {
        response.writeHead(404, { 'content-type': 'application/xml' }).end('<Error><Code>NoSuchKey</Code></Error>');
        return;
      }
      const etag = `"${createHash('md5').update(body).digest('hex')}"`;
      response.writeHead(200, { etag, 'content-type': 'application/json' });
      response.end(request.method === 'GET' ? body : undefined);
    });
  };
}
