/**
 * A receiver that costs as little as it can: raw HTTP/1.1 over TCP, every request answered with 200, no body parsed. Counts
 * bytes, and events by a mark that each of them holds once. Talks to its parent over IPC.
 */
import { createServer, type Socket } from 'node:net';
import { answerParent, arrived, marksIn, tally, tell } from './tally';

const HEADERS_END = Buffer.from('\r\n\r\n');
const OK = Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

function serve(socket: Socket): void {
  /** Bytes of the body that are still to come; undefined while headers are read. */
  let left: number | undefined;
  let head = Buffer.alloc(0);
  /** The end of the last piece of a body: a mark may be cut in two. */
  let before = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    const { mark } = tally;
    arrived();
    for (let chunk = data; chunk.length > 0;) {
      if (left === undefined) {
        head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
        const end = head.indexOf(HEADERS_END);
        if (end === -1) return;
        const headers = head.toString('latin1', 0, end);
        const length = /^content-length: *(\d+)/im.exec(headers)?.[1];
        if (length === undefined) throw new Error(`the sink needs requests with a content-length:\n${headers}`);
        if (/^expect: *100-continue/im.test(headers)) socket.write(CONTINUE);
        chunk = head.subarray(end + HEADERS_END.length);
        head = Buffer.alloc(0);
        left = Number(length);
      }
      const body = chunk.length > left ? chunk.subarray(0, left) : chunk;
      const seam = Buffer.concat([before, body.subarray(0, mark.length - 1)]);
      if (seam.includes(mark)) tally.events++;
      tally.events += marksIn(body);
      before = Buffer.from(body.length < mark.length ? seam.subarray(1 - mark.length) : body.subarray(1 - mark.length));
      tally.bytes += body.length;
      left -= body.length;
      chunk = chunk.subarray(body.length);
      if (left === 0) {
        tally.requests++;
        left = undefined;
        socket.write(OK);
      }
    }
  });
}

const server = createServer(serve);
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') tell({ port: address.port });
});
answerParent();
