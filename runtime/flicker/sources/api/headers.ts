import type { ApiSourceConfig } from '../../../../contract/flicker';

/** The request headers. `api_key` wins over `basic`; a header written out wins over both. */
export function requestHeaders({ api_key, basic, headers }: ApiSourceConfig): Record<string, string> {
  const credentials =
    api_key !== undefined
      ? `Bearer ${api_key}`
      : basic && `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString('base64')}`;
  const written = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    accept: 'application/json',
    'user-agent': 'flicker',
    ...(credentials !== undefined && { authorization: credentials }),
    ...Object.fromEntries(written),
  };
}
