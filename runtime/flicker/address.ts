import { SettingsError } from '../../contract/settings';
import { flickerSettings } from '../../contract/flicker/settings';
import { flickerPort } from '../../contract/flicker/observability';

/**
 * Where the flicker of this machine or container listens.
 * @param given the port as text; by default that of the environment
 * @throws SettingsError when the port is none
 */
export function localAddress(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): { readonly host: string; readonly port: number } {
  const port = Number(given ?? (env[flickerSettings.port.env] || flickerPort.port));
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new SettingsError('bad usage', [`--port [${flickerSettings.port.env}]: expected a number from 1 to 65535`]);
  }
  const told = env[flickerSettings.host.env];
  const host = told === undefined || told === '' || told === '0.0.0.0' ? '127.0.0.1' : told === '::' ? '::1' : told;
  return { host, port };
}
