import { checkHeaders } from '../../headers';
import type { ApiSpec } from './spec';

/**
 * The headers of a request. One that is written out wins over those of the credentials.
 * @throws Error naming a header that cannot be sent, never its value
 */
export function requestHeaders(
  { name, headers }: ApiSpec,
  credentials: Readonly<Record<string, string>>,
): Record<string, string> {
  const all = { accept: 'application/json', 'user-agent': 'flicker', ...credentials, ...headers };
  checkHeaders(all, `the API source ${name}`);
  return all;
}
