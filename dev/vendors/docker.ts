import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface DockerOptions {
  /** The clock of the host, nanoseconds since the epoch. @default the machine's clock */
  readonly clock?: () => bigint;
}

export interface ContainerOptions {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** A terminal: one stream, lines end in CR LF. @default false */
  readonly tty?: boolean;
  /** `none` cannot be read back. @default "json-file" */
  readonly driver?: 'json-file' | 'none';
}

/** A container of the daemon. */
export interface DockerContainer {
  readonly id: string;
  /** What the process writes to a stream, in any pieces. */
  write(stream: 'stdout' | 'stderr', bytes: string | Uint8Array): void;
  /** Ends the process; what it wrote without a newline is logged. */
  exit(): void;
  start(): void;
  rename(name: string): void;
  /** Removes the container, and its log with it. */
  remove(): void;
}

export interface Docker {
  readonly socket: string;
  run(options: ContainerOptions): DockerContainer;
  /** Paths that were asked for, with their queries. */
  readonly requests: readonly string[];
  /** Ends answers with logs after so many bytes, as a daemon that is killed does. */
  cutLogsAfter(bytes: number | undefined): void;
  stop(): Promise<void>;
}

interface Logged {
  readonly stream: 'stdout' | 'stderr';
  readonly at: bigint;
  readonly bytes: Buffer;
}

interface Running extends Required<Omit<ContainerOptions, 'name'>> {
  readonly id: string;
  readonly log: Logged[];
  /** What of each stream waits for its newline, and the time of the parts of its line that were logged. */
  readonly open: Record<Logged['stream'], { rest: Buffer; partAt: bigint | undefined }>;
  name: string;
  running: boolean;
  startedAt: bigint;
  finishedAt: bigint | undefined;
}

/** The daemon logs a line of more bytes in parts of this many. */
const PART_BYTES = 16 * 1024;
const NEVER = '0001-01-01T00:00:00Z';

/**
 * The part of a Docker daemon that logs are read from, on a socket: as Moby does it, a log entry is a line or a part of
 * 16 KiB of one; parts have the time of their first; a terminal's log has no frames; times are those of the entries.
 */
export async function startDocker({ clock = machineClock }: DockerOptions = {}): Promise<Docker> {
  const folder = mkdtempSync(join(tmpdir(), 'docker-'));
  const socket = join(folder, 'docker.sock');
  const containers: Running[] = [];
  const requests: string[] = [];
  let cut: number | undefined;

  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const url = new URL(request.url ?? '/', 'http://localhost');
    const path = url.pathname.replace(/^\/v1\.\d+(?=\/)/, '');
    if (path === '/containers/json') return json(response, 200, list(url.searchParams.get('all') === '1'));
    const [, told = '', what] = /^\/containers\/([^/]+)\/(json|logs)$/.exec(path) ?? [];
    if (what === undefined) return json(response, 404, { message: 'page not found' });
    const container = containers.find(({ id, name }) => id.startsWith(told) || name === told);
    if (!container) return json(response, 404, { message: `No such container: ${told}` });
    if (what === 'json') return json(response, 200, details(container));
    logs(container, url.searchParams, response);
  });

  function list(all: boolean): unknown {
    return containers
      .filter(({ running }) => all || running)
      .map(({ id, name, labels, running, startedAt }) => ({
        Id: id,
        Names: [`/${name}`],
        Image: 'app',
        Labels: labels,
        Created: Number(startedAt / 1_000_000_000n),
        State: running ? 'running' : 'exited',
        Status: running ? 'Up 2 minutes' : 'Exited (0) 2 minutes ago',
      }));
  }

  function details({ id, name, labels, tty, driver, running, startedAt, finishedAt }: Running): unknown {
    return {
      Id: id,
      Name: `/${name}`,
      Config: { Tty: tty, Labels: labels },
      HostConfig: { LogConfig: { Type: driver, Config: {} } },
      State: {
        Status: running ? 'running' : 'exited',
        Running: running,
        StartedAt: timeOf(startedAt),
        FinishedAt: finishedAt === undefined ? NEVER : timeOf(finishedAt),
      },
    };
  }

  function logs(container: Running, query: URLSearchParams, response: ServerResponse): void {
    const wanted = (['stdout', 'stderr'] as const).filter((stream) => query.get(stream) === '1');
    if (wanted.length === 0) {
      return json(response, 400, { message: 'Bad parameters: you must choose at least one stream' });
    }
    const since = sinceOf(query.get('since') ?? '0');
    if (since === undefined) return json(response, 400, { message: 'invalid value for "since"' });
    if (query.get('follow') === '1') return json(response, 400, { message: 'follow is not stood in for' });
    if (container.driver === 'none') {
      return json(response, 501, { message: 'configured logging driver does not support reading' });
    }
    const entries = container.log.filter(({ stream, at }) => wanted.includes(stream) && at >= since);
    const stamped = entries.map(({ stream, at, bytes }) => {
      const line = query.get('timestamps') === '1' ? Buffer.concat([Buffer.from(`${timeOf(at)} `), bytes]) : bytes;
      return container.tty ? line : frame(stream, line);
    });
    const type = container.tty ? 'raw' : 'multiplexed';
    response.writeHead(200, { 'Content-Type': `application/vnd.docker.${type}-stream` });
    const body = Buffer.concat(stamped);
    if (cut === undefined || body.length <= cut) response.end(body);
    else response.write(body.subarray(0, cut), () => response.destroy());
  }

  function logLine(container: Running, stream: Logged['stream'], bytes: Buffer, whole: boolean): void {
    const open = container.open[stream];
    const at = open.partAt ?? clock();
    open.partAt = whole ? undefined : at;
    container.log.push({ stream, at, bytes: whole ? Buffer.concat([bytes, Buffer.from('\n')]) : bytes });
  }

  function write(container: Running, stream: Logged['stream'], bytes: Buffer): void {
    const open = container.open[stream];
    open.rest = Buffer.concat([open.rest, bytes]);
    for (;;) {
      const newline = open.rest.subarray(0, PART_BYTES).indexOf(10);
      if (newline === -1 && open.rest.length < PART_BYTES) return;
      const end = newline === -1 ? PART_BYTES : newline;
      const line = open.rest.subarray(0, end);
      open.rest = open.rest.subarray(newline === -1 ? end : end + 1);
      logLine(container, stream, line, newline !== -1);
    }
  }

  function run({ name, labels = {}, tty = false, driver = 'json-file' }: ContainerOptions): DockerContainer {
    const id = randomBytes(32).toString('hex');
    const fresh = () => ({ rest: Buffer.alloc(0), partAt: undefined });
    const container: Running = {
      ...{ id, name, labels, tty, driver, log: [], open: { stdout: fresh(), stderr: fresh() } },
      ...{ running: true, startedAt: clock(), finishedAt: undefined },
    };
    containers.unshift(container);
    return {
      id,
      write: (stream, bytes) => {
        const written = typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes);
        if (!tty) return write(container, stream, written);
        write(container, 'stdout', Buffer.from(written.toString('latin1').replaceAll('\n', '\r\n'), 'latin1'));
      },
      exit: () => {
        for (const stream of ['stdout', 'stderr'] as const) {
          const open = container.open[stream];
          if (open.rest.length > 0 || open.partAt !== undefined) logLine(container, stream, open.rest, true);
          open.rest = Buffer.alloc(0);
        }
        container.running = false;
        container.finishedAt = clock();
      },
      start: () => {
        container.running = true;
        container.startedAt = clock();
      },
      rename: (to) => {
        container.name = to;
      },
      remove: () => {
        containers.splice(containers.indexOf(container), 1);
      },
    };
  }

  server.listen(socket);
  await once(server, 'listening');
  return {
    socket,
    run,
    requests,
    cutLogsAfter: (bytes) => {
      cut = bytes;
    },
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Eight bytes, the stream and the length, and what was written. */
function frame(stream: Logged['stream'], bytes: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream === 'stdout' ? 1 : 2;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/** RFC 3339 with nine decimals. */
function timeOf(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}Z`;
}

function sinceOf(text: string): bigint | undefined {
  const [, seconds, decimals = ''] = /^(\d+)(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  return seconds === undefined ? undefined : BigInt(seconds) * 1_000_000_000n + BigInt(decimals.padEnd(9, '0'));
}

function machineClock(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}
