/**
 * Every receiver that flicker can send to, as one server that takes everything at once and keeps nothing: HTTP, and lines
 * over TCP for syslog. Events are counted by a mark, or as what a service says of each of them. Talks to its parent over IPC.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { z } from 'zod';
import { answerParent, arrived, marksIn, tally, tell } from './tally';

function take(data: Buffer): void {
  arrived();
  tally.bytes += data.length;
}

const DATA = Buffer.from('"Data":"');
const messages = z.object({ Entries: z.array(z.object({ Id: z.string(), MessageBody: z.string() })) });

/** What the services of AWS answer, by the end of the operation's name. */
const aws: Readonly<Record<string, (body: Buffer) => object>> = {
  CreateLogStream: () => ({}),
  PutLogEvents: (body) => {
    tally.events += marksIn(body);
    return { nextSequenceToken: '1' };
  },
  // Records are in base64.
  PutRecords: (body) => {
    const count = marksIn(body, DATA);
    tally.events += count;
    const record = { SequenceNumber: '49590338271490256608559692538361571095921575989136588898', ShardId: 'shardId-0' };
    return { FailedRecordCount: 0, Records: Array.from({ length: count }, () => record) };
  },
  PutRecordBatch: (body) => {
    const count = marksIn(body, DATA);
    tally.events += count;
    return { FailedPutCount: 0, RequestResponses: Array.from({ length: count }, () => ({ RecordId: 'record' })) };
  },
  SendMessageBatch: (body) => {
    const { Entries } = messages.parse(JSON.parse(body.toString()));
    tally.events += Entries.length;
    const Successful = Entries.map(({ Id, MessageBody }) => {
      return { Id, MessageId: Id, MD5OfMessageBody: createHash('md5').update(MessageBody).digest('hex') };
    });
    return { Successful, Failed: [] };
  },
};

/** What the others answer, by the end of the path; everything else is 200 and `{}`. */
const others: Readonly<Record<string, { readonly status: number; readonly body: string }>> = {
  '/_bulk': { status: 200, body: '{"errors":false}' },
  '/loki/api/v1/push': { status: 204, body: '' },
  '/services/collector/event': { status: 200, body: '{"text":"Success","code":0}' },
  '/api/v2/logs': { status: 202, body: '{}' },
};

function answer({ method, url = '', headers }: IncomingMessage, body: Buffer, response: ServerResponse): void {
  const target = headers['x-amz-target'];
  const operation = aws[String(target).split('.').at(-1) ?? ''];
  if (target !== undefined) {
    if (!operation) throw new Error(`no double of ${String(target)}`);
    const text = JSON.stringify(operation(body));
    response.writeHead(200, { 'content-type': String(headers['content-type']), 'x-amzn-requestid': '1' }).end(text);
    return;
  }
  if (method === 'HEAD' || method === 'GET') {
    response.writeHead(404).end();
    return;
  }
  tally.events += marksIn(body);
  if (method === 'PUT') {
    response.writeHead(200, { etag: '"1"' }).end();
    return;
  }
  const { status, body: text } = others[url.split('?')[0] ?? ''] ?? { status: 200, body: '{}' };
  const empty = headers['content-type'] === 'application/x-protobuf';
  response.writeHead(status, { 'content-type': empty ? 'application/x-protobuf' : 'application/json' });
  response.end(empty ? '' : text);
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (data: Buffer) => {
    take(data);
    chunks.push(data);
  });
  request.on('end', () => {
    tally.requests++;
    answer(request, Buffer.concat(chunks), response);
  });
});

const lines = createTcpServer((socket) => {
  /** The end of the last piece: a mark may be cut in two. */
  let before = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    take(data);
    const piece = Buffer.concat([before, data]);
    tally.events += marksIn(piece);
    before = piece.subarray(Math.max(0, piece.length - tally.mark.length + 1));
  });
});

const portOf = (one: { address(): AddressInfo | string | null }) => {
  const address = one.address();
  if (address === null || typeof address === 'string') throw new Error('a double has no port');
  return address.port;
};

server.listen(0, '127.0.0.1', () => {
  lines.listen(0, '127.0.0.1', () => tell({ port: portOf(server), linesPort: portOf(lines) }));
});
answerParent();
