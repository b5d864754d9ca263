import { flickerExit, flickerStatusSchema, SettingsError, type FlickerStatus } from '../../../contract';
import { errorText } from '../../core/errors';
import { localAddress } from '../address';
import { CommandError, type Call } from '../commands/command';
import { statusText } from './report';

const TIMEOUT_MS = 5000;
const EVERY_MS = 2000;
/** Clears a terminal and puts the cursor to its top. */
const CLEAR = '\x1b[2J\x1b[3J\x1b[H';

export interface StatusFlags {
  readonly url?: string;
  readonly port?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
}

/**
 * Prints how a running flicker stands, once or (`watch`) until it is interrupted. The result is the exit code: 1 when it
 * is not live or not ready.
 * @throws SettingsError, CommandError
 */
export async function printStatus(flags: StatusFlags, env: Call['env']): Promise<number> {
  const url = addressOf(flags, env);
  for (;;) {
    const status = await ask(url);
    const text = flags.json ? `${JSON.stringify(status)}\n` : statusText(status);
    process.stdout.write(flags.watch && process.stdout.isTTY ? `${CLEAR}${text}` : text);
    if (!flags.watch) return status.live.ok && status.ready.ok ? flickerExit.ok : flickerExit.failed;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

/** @throws SettingsError when the port is none, or the address is no URL */
function addressOf({ url, port }: StatusFlags, env: Call['env']): URL {
  if (url !== undefined) {
    if (/^https?:/.test(url) && URL.canParse(url)) return new URL('status.json', url);
    throw new SettingsError('bad usage', [`--url ${url}: expected http://host:port/`]);
  }
  const { host, port: number } = localAddress(port, env);
  return new URL(`http://${host.includes(':') ? `[${host}]` : host}:${number}/status.json`);
}

/** @throws CommandError when there is no answer, or not that of a flicker */
async function ask(url: URL): Promise<FlickerStatus> {
  let body: unknown;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    body = await answer.json();
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new CommandError(`cannot ask ${url.href}: ${errorText(cause)}; name a running flicker with --port or --url`);
  }
  const parsed = flickerStatusSchema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new CommandError(`${url.href} does not answer as this version of flicker does`);
}
