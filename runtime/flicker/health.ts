import { request } from 'node:http';
import { flickerExit } from '../../contract/flicker/settings';
import { localAddress } from './address';

const TIMEOUT_MS = 3000;

/**
 * Asks the flicker of this container whether it is live. The result is the exit code.
 * @param given the port as text; by default that of the environment
 * @throws SettingsError when the port is none
 */
export async function askHealth(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const { host, port } = localAddress(given, env);
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
