import { request } from 'node:http';
import { parseArgs } from 'node:util';
import { flickerExit, flickerSettings } from '../../contract/flicker/settings';
import { flickerPort } from '../../contract/flicker/observability';
import { errorText } from '../core/errors';

const TIMEOUT_MS = 3000;

/** `flicker health`: asks the flicker of this container whether it is live. The result is the exit code. */
export function askHealth(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let port: number;
  try {
    const { values } = parseArgs({ args: argv.slice(3), options: { port: { type: 'string' } } });
    port = Number(values.port ?? (env[flickerSettings.port.env] || flickerPort.port));
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new Error('--port: expected a number from 1 to 65535');
  } catch (error) {
    process.stderr.write(`flicker: ${errorText(error)}\n`);
    return Promise.resolve(flickerExit.usage);
  }
  const told = env[flickerSettings.host.env];
  const host = told === undefined || told === '' || told === '0.0.0.0' ? '127.0.0.1' : told === '::' ? '::1' : told;
  return new Promise((resolve) => {
    const fail = (reason: string) => {
      process.stderr.write(`flicker: not live: ${reason}\n`);
      resolve(flickerExit.failed);
    };
    const asked = request({ host, port, path: '/livez', timeout: TIMEOUT_MS, agent: false }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve(flickerExit.ok);
      else fail(`${host}:${port} answered ${response.statusCode}`);
    });
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    asked.on('error', (error) => fail(`${host}:${port}: ${error.message}`));
    asked.end();
  });
}
