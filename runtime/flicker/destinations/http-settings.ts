import { readFile } from 'node:fs/promises';
import { createSecureContext, type ConnectionOptions } from 'node:tls';
import type { DestinationConfig } from '../../../contract/flicker';
import { errorText } from '../../core/errors';
import { checkHeaders } from '../headers';

export type HttpConfig = Extract<DestinationConfig, { type: 'http' }>;

/** Headers that the client sets, or that would break the framing of the request. */
const reserved = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'expect',
  'upgrade',
  'te',
]);

/** The headers of every request, in lower case. @throws Error naming a header that cannot be sent, never its value */
export function requestHeaders(config: HttpConfig): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json', 'user-agent': 'flicker' };
  for (const [name, value] of Object.entries(config.headers)) headers[name.toLowerCase()] = value;
  // An empty text, as `${TOKEN:-}` gives, is no credential.
  const token = config.api_key || config.auth?.token;
  if (token) headers['authorization'] = `Bearer ${token}`;
  else if (config.basic) {
    const { username, password } = config.basic;
    headers['authorization'] = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
  if (config.compression) headers['content-encoding'] = 'gzip';
  for (const name of Object.keys(headers)) {
    if (reserved.has(name)) throw new Error(`header "${name}" of an http destination cannot be set: remove it`);
  }
  checkHeaders(headers, 'an http destination');
  return headers;
}

/** The TLS options of a destination, its files read. @throws Error naming the key and the file that cannot be used */
export async function tlsOptions(tls: HttpConfig['tls']): Promise<ConnectionOptions> {
  if (!tls) return {};
  const options = {
    cert: await pem('cert_path', tls.cert_path),
    key: await pem('key_path', tls.key_path),
    ...(tls.ca_cert_path !== undefined && { ca: await pem('ca_cert_path', tls.ca_cert_path) }),
    rejectUnauthorized: !tls.accept_invalid_certs,
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw new Error(
      `tls of an http destination: ${tls.cert_path} and ${tls.key_path} do not make a client certificate ` +
        `(${errorText(error)}): expected PEM files that belong together`,
    );
  }
  return options;
}

async function pem(key: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`tls.${key} of an http destination cannot be read: ${errorText(error)}`, { cause: error });
  }
}
