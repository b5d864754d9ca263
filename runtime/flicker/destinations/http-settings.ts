import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type ConnectionOptions } from 'node:tls';
import type { DestinationConfig, TlsSettings } from '../../../contract/flicker';
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

/** What the headers of a request are made of. */
export interface HeaderSettings {
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: boolean;
  readonly basic?: { readonly username: string; readonly password: string } | undefined;
  /** Token of `Authorization: Bearer`; wins over `basic`. */
  readonly bearer?: string | undefined;
}

/** The address of a destination. `of` tells whose it is. @throws Error when it holds credentials */
export function plainUrl(text: string, of: string): URL {
  const url = new URL(text);
  if (url.username || url.password) {
    throw new Error(`the address of ${of} (${url.host}) holds credentials: move them to basic`);
  }
  return url;
}

/** What a protocol adds to an address. */
export interface AddedPath {
  readonly path: string;
  readonly query?: string;
}

/** The path of a request: what the protocol adds to the address, unless somebody has written it there. */
export function requestPath({ pathname, search }: URL, { path, query }: AddedPath): string {
  const base = pathname.replace(/\/+$/, '');
  const queries = [search.slice(1), query].filter(Boolean).join('&');
  return `${base.endsWith(path) ? base : base + path}${queries && `?${queries}`}`;
}

/**
 * The headers of every request, in lower case. `own`: those of the protocol, which the config may not replace.
 * @throws Error naming a header that cannot be sent, never its value
 */
export function requestHeaders(
  settings: HeaderSettings,
  of: string,
  own: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json', 'user-agent': 'flicker' };
  for (const [name, value] of Object.entries(settings.headers)) headers[name.toLowerCase()] = value;
  // An empty text, as `${TOKEN:-}` gives, is no credential.
  if (settings.bearer) headers['authorization'] = `Bearer ${settings.bearer}`;
  else if (settings.basic) {
    const { username, password } = settings.basic;
    headers['authorization'] = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
  Object.assign(headers, own);
  if (settings.compression) headers['content-encoding'] = 'gzip';
  for (const name of Object.keys(headers)) {
    if (reserved.has(name)) throw new Error(`header "${name}" of ${of} cannot be set: remove it`);
  }
  checkHeaders(headers, of);
  return headers;
}

/** The TLS options of a destination, its files read. @throws Error naming the key and the file that cannot be used */
export async function tlsOptions(tls: TlsSettings | undefined, of: string): Promise<ConnectionOptions> {
  if (!tls) return {};
  const { cert_path, key_path, ca_cert_path } = tls;
  const ca = ca_cert_path === undefined ? undefined : await pem('ca_cert_path', ca_cert_path, of);
  if (ca) checkTls(`tls of ${of}: ${ca_cert_path} is no certificate`, () => new X509Certificate(ca));
  const options = {
    ...(cert_path !== undefined && { cert: await pem('cert_path', cert_path, of) }),
    ...(key_path !== undefined && { key: await pem('key_path', key_path, of) }),
    ...(ca && { ca }),
    rejectUnauthorized: !tls.accept_invalid_certs,
  };
  checkTls(`tls of ${of}: ${cert_path} and ${key_path} do not make a client certificate`, () =>
    createSecureContext(options),
  );
  return options;
}

function checkTls(what: string, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    throw new Error(`${what} (${errorText(error)}): expected PEM files, a key and its own certificate`);
  }
}

async function pem(key: string, path: string, of: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`tls.${key} of ${of} cannot be read: ${errorText(error)}`, { cause: error });
  }
}
