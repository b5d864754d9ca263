import type { AnyApiConfig } from '../../../../contract/flicker';
import { checkHeaders } from '../../headers';

/**
 * The request headers. `api_key` wins over `basic`; a header written out wins over both.
 * @throws Error naming a header that cannot be sent, never its value
 */
export function requestHeaders({ name, api_key, basic, headers }: AnyApiConfig): Record<string, string> {
  const credentials =
    api_key !== undefined
      ? `Bearer ${api_key}`
      : basic && `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`;
  const written = Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value] as const);
  const all = {
    accept: 'application/json',
    'user-agent': 'flicker',
    ...(credentials !== undefined && { authorization: credentials }),
    ...Object.fromEntries(written),
  };
  checkHeaders(all, `the API source ${name}`);
  return all;
}
