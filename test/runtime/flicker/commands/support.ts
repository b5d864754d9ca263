import { createServer } from 'node:http';
import { connection } from '../../../../dev/aws/connection';
import type { SimS3 } from '../../../../dev/sim/s3';
import { listen } from '../../../../dev/vendors/listen';
import { run } from '../../../../runtime/flicker/cli';

/** What a call of the command line came to. */
export interface Called {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Calls flicker in this process. */
export async function flicker(args: readonly string[], env: Record<string, string> = {}): Promise<Called> {
  let [out, err] = ['', ''];
  const stdout = jest.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const stderr = jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  try {
    return { code: await run(['node', 'flicker', ...args], env), out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

const credentials = { accessKeyId: 'key', secretAccessKey: 'secret-key' };

/** A simulated S3 that listens, and what flicker finds it by. */
export async function serveS3(s3: SimS3): Promise<{ readonly env: Record<string, string>; stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://s3');
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      const query = Object.fromEntries(searchParams);
      const { method = '' } = request;
      const answer = s3.handle({ method, path: pathname, query, headers, body: Buffer.concat(chunks) });
      response.writeHead(answer.statusCode, answer.headers).end(answer.body);
    });
  });
  const { origin, stop } = await listen(server);
  return {
    env: {
      ...connection({ endpoint: origin, region: 'eu-central-1', credentials }).env,
      AWS_S3_FORCE_PATH_STYLE: 'true',
    },
    stop,
  };
}
