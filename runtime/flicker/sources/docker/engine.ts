import { Pool } from 'undici';
import { z } from 'zod';
import { dockerHostVariable, dockerSocket } from '../../../../contract/flicker';
import { errorCode, errorText } from '../../../core/errors';
import { SourceError } from '../../source';

/** Connections to the daemon: one for a log that is being read, one to look at containers meanwhile. */
const CONNECTIONS = 2;
/** How long the daemon may take to answer, and between two parts of an answer: it may have to look through a large log. */
const TIMEOUT_MS = 240_000;

const containerList = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()),
    Labels: z.record(z.string(), z.string()).nullish(),
    State: z.string(),
  }),
);
const containerDetails = z.object({
  Config: z.object({ Tty: z.boolean() }),
  State: z.object({ StartedAt: z.string(), FinishedAt: z.string() }),
});
const refusal = z.object({ message: z.string() });

export interface Container {
  readonly id: string;
  /** The names, without the slash that the daemon puts before them; the first is its own. */
  readonly names: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly running: boolean;
}

export interface ContainerDetails {
  readonly tty: boolean;
  /** Changes whenever the container starts or ends. */
  readonly life: string;
}

/** What is asked of the Docker daemon. Containers that are gone give undefined. */
export interface Engine {
  /** All containers, those that have ended as well. @throws SourceError */
  list(signal: AbortSignal): Promise<Container[]>;
  /** @throws SourceError */
  inspect(id: string, signal: AbortSignal): Promise<ContainerDetails | undefined>;
  /** The log from a time in seconds on, as it is now. @throws SourceError, also while it is read */
  logs(id: string, since: string, signal: AbortSignal): Promise<AsyncIterator<Buffer> | undefined>;
  close(): Promise<void>;
}

/** Where the daemon listens. @throws SourceError when the environment names a daemon elsewhere */
export function socketPath(told: string | undefined, env: Readonly<Record<string, string | undefined>>): string {
  const host = env[dockerHostVariable];
  if (told !== undefined || host === undefined || host === '') return told ?? dockerSocket;
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new SourceError(
    `${dockerHostVariable} does not begin with unix://: only the daemon of this machine can be read; set socket_path`,
  );
}

/** Talks to the daemon over its socket, in the version of the API that the daemon prefers. */
export function createEngine(socket: string): Engine {
  const pool = new Pool('http://localhost', {
    socketPath: socket,
    connections: CONNECTIONS,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  });
  const failed = (error: unknown, signal: AbortSignal): Error => {
    if (signal.aborted) return signal.reason instanceof Error ? signal.reason : new Error('aborted');
    if (error instanceof SourceError) return error;
    const reason = errorCode(error) || errorText(error);
    return new SourceError(
      `cannot reach the Docker daemon at ${socket}: ${reason}; mount its socket, and allow the process to use it`,
    );
  };

  async function get(path: string, signal: AbortSignal) {
    try {
      const answer = await pool.request({ method: 'GET', path, signal });
      if (answer.statusCode === 200) return answer.body;
      const told = refusal.safeParse(await answer.body.json().catch(() => undefined));
      if (answer.statusCode === 404) return undefined;
      throw new SourceError(
        `the Docker daemon answered ${answer.statusCode}: ${told.success ? told.data.message.slice(0, 200) : 'no reason given'}`,
      );
    } catch (error) {
      throw failed(error, signal);
    }
  }

  async function read<Schema extends z.ZodType>(
    schema: Schema,
    path: string,
    signal: AbortSignal,
  ): Promise<z.output<Schema> | undefined> {
    const body = await get(path, signal);
    if (!body) return undefined;
    const parsed = schema.safeParse(await body.json().catch((error: unknown) => Promise.reject(failed(error, signal))));
    if (parsed.success) return parsed.data;
    throw new SourceError(`${socket} does not answer as a Docker daemon does: ${path.replace(/\?.*/, '')}`);
  }

  return {
    list: async (signal) =>
      ((await read(containerList, '/containers/json?all=1', signal)) ?? []).map(({ Id, Names, Labels, State }) => ({
        id: Id,
        names: Names.map((name) => name.replace(/^\//, '')).sort((a, b) => slashes(a) - slashes(b)),
        labels: Labels ?? {},
        running: !['exited', 'dead', 'created'].includes(State),
      })),
    inspect: async (id, signal) => {
      const details = await read(containerDetails, `/containers/${id}/json`, signal);
      return details && { tty: details.Config.Tty, life: `${details.State.StartedAt}/${details.State.FinishedAt}` };
    },
    logs: async (id, since, signal) => {
      const query = `stdout=1&stderr=1&timestamps=1&follow=0&since=${since}`;
      const body = await get(`/containers/${id}/logs?${query}`, signal);
      return body && chunks(body, (error) => failed(error, signal));
    },
    close: () => pool.destroy(),
  };
}

/** A name with a slash is one that a link gave to the container of another. */
const slashes = (name: string) => name.split('/').length;

async function* chunks(body: AsyncIterable<Buffer>, failed: (error: unknown) => Error): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    throw failed(error);
  }
}
