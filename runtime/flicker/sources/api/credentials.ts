import { createPrivateKey, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { fill, type PresetAuth, type Values } from '../../../../contract/flicker';
import type { Clock } from '../../../core/clock';
import { SourceError } from '../../source';
import { createHttpClient, place, type HttpLimits } from './http';
import { rateFacts } from './rate-limit';

/** How requests are authenticated, with everything filled in. */
export type Auth =
  | { readonly type: 'headers'; readonly headers: Readonly<Record<string, string>> }
  | { readonly type: 'basic'; readonly username: string; readonly password: string }
  | TokenAuth;

type Params = Readonly<Record<string, string>>;

/** How an access token is asked for. */
export type TokenAuth =
  | {
      readonly type: 'client_credentials';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly clientSecret: string;
      readonly grant: string;
      readonly send: 'basic' | 'form' | 'json';
      readonly params: Params;
    }
  | {
      readonly type: 'private_key_jwt';
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly privateKey: string;
      readonly keyId: string | undefined;
      readonly params: Params;
    }
  | {
      readonly type: 'google_service_account';
      readonly tokenUrl: string;
      readonly key: string;
      readonly subject: string;
      readonly scope: string;
    };

/** A preset's way to authenticate with the settings filled in. `tokenUrl`: where tokens come from. */
export function filledAuth(auth: PresetAuth, values: Values, tokenUrl: string | undefined): Auth {
  const filled = (template: string) => fill(template, values) ?? '';
  const params = (templates: Params = {}) =>
    Object.fromEntries(
      Object.entries(templates).flatMap(([name, template]) => {
        const value = fill(template, values);
        return value === undefined ? [] : [[name, value]];
      }),
    );
  switch (auth.type) {
    case 'headers': {
      const headers = Object.entries(auth.headers).map(([name, value]) => [name.toLowerCase(), filled(value)]);
      return { type: 'headers', headers: Object.fromEntries(headers) };
    }
    case 'basic':
      return { type: 'basic', username: filled(auth.username), password: filled(auth.password) };
    case 'client_credentials':
      return {
        type: 'client_credentials',
        tokenUrl: tokenUrl ?? '',
        clientId: filled(auth.clientId),
        clientSecret: filled(auth.clientSecret),
        grant: auth.grant ?? 'client_credentials',
        send: auth.send ?? 'basic',
        params: params(auth.params),
      };
    case 'private_key_jwt':
      return {
        type: 'private_key_jwt',
        tokenUrl: tokenUrl ?? '',
        clientId: filled(auth.clientId),
        privateKey: filled(auth.privateKey),
        keyId: auth.keyId === undefined ? undefined : fill(auth.keyId, values),
        params: params(auth.params),
      };
    case 'google_service_account':
      return {
        type: 'google_service_account',
        tokenUrl: tokenUrl ?? '',
        key: filled(auth.key),
        subject: filled(auth.subject),
        scope: auth.scope,
      };
  }
}

/** What carries the credentials of a request. */
export interface Credentials {
  /** Headers of the next request. @throws SourceError when there is no access token to be had */
  headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** Told of a 401. Whether another try makes sense: with a new access token. */
  refused(): boolean;
  close(): Promise<void>;
}

export function createCredentials(auth: Auth, clock: Clock, limits: HttpLimits): Credentials {
  switch (auth.type) {
    case 'headers':
      return fixed(auth.headers);
    case 'basic': {
      const text = Buffer.from(`${auth.username}:${auth.password}`).toString('base64');
      return fixed({ authorization: `Basic ${text}` });
    }
    case 'client_credentials':
    case 'private_key_jwt':
    case 'google_service_account':
      return accessTokens(auth, clock, limits);
  }
}

const fixed = (headers: Readonly<Record<string, string>>): Credentials => ({
  headers: () => Promise.resolve(headers),
  refused: () => false,
  close: () => Promise.resolve(),
});

/** A token is used no longer than until this share of its life is left, or this long before its end. */
const REFRESH_SHARE = 0.1;
const REFRESH_MS = 60_000;
/** How long an assertion that is sent at once must hold. */
const ASSERTION_S = 300;

const tokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.coerce.number().min(0).optional() });
const tokenFailure = z.object({ error: z.string().regex(/^[\w.-]{1,60}$/) });
const serviceAccountKey = z.object({
  client_email: z.string().min(1),
  private_key: z.string().min(1),
  private_key_id: z.string().optional(),
});

function accessTokens(auth: TokenAuth, clock: Clock, limits: HttpLimits): Credentials {
  const url = new URL(auth.tokenUrl);
  const http = createHttpClient(url.origin, limits);
  let token: { readonly text: string; readonly until: number } | undefined;

  async function fresh(signal: AbortSignal): Promise<{ text: string; until: number }> {
    const { headers, body } = await tokenRequest(auth, Math.floor(clock.now() / 1000));
    const asked = clock.monotonic();
    const answer = await http.send({ method: 'POST', url, headers, body }, signal);
    const parsed = tokenAnswer.safeParse(json(answer.text));
    if (answer.status !== 200 || !parsed.success) {
      const failure = tokenFailure.safeParse(json(answer.text));
      const passes = answer.status === 429 || answer.status >= 500;
      throw new SourceError(
        `${place(url)} gave no access token: it answered ${answer.status}${failure.success ? ` (${failure.data.error})` : ''}; ` +
          (passes ? 'it is asked again' : 'check the client, its secret or key, and what it may read'),
        rateFacts(answer.headers, clock.now()).waitMs,
      );
    }
    const { access_token, expires_in } = parsed.data;
    const lifeMs = (expires_in ?? Number.POSITIVE_INFINITY) * 1000;
    return { text: access_token, until: asked + lifeMs - Math.min(REFRESH_MS, lifeMs * REFRESH_SHARE) };
  }

  return {
    headers: async (signal) => {
      if (!token || clock.monotonic() >= token.until) token = await fresh(signal);
      return { authorization: `Bearer ${token.text}` };
    },
    refused: () => {
      token = undefined;
      return true;
    },
    close: () => http.close(),
  };
}

interface TokenRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function tokenRequest(auth: TokenAuth, nowS: number): Promise<TokenRequest> {
  switch (auth.type) {
    case 'client_credentials': {
      const params = { grant_type: auth.grant, ...auth.params };
      const both = { ...params, client_id: auth.clientId, client_secret: auth.clientSecret };
      if (auth.send === 'json') {
        return { headers: { ...accept, 'content-type': 'application/json' }, body: JSON.stringify(both) };
      }
      if (auth.send === 'form') return form(both);
      // RFC 6749, 2.3.1: both are form-encoded before they are joined.
      const pair = [auth.clientId, auth.clientSecret].map((text) =>
        new URLSearchParams([['', text]]).toString().slice(1),
      );
      return form(params, { authorization: `Basic ${Buffer.from(pair.join(':')).toString('base64')}` });
    }
    case 'private_key_jwt': {
      const claims = { iss: auth.clientId, sub: auth.clientId, aud: auth.tokenUrl };
      return form({
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await signed(claims, auth.privateKey, auth.keyId, nowS, ASSERTION_S),
        ...auth.params,
      });
    }
    case 'google_service_account': {
      const parsed = serviceAccountKey.safeParse(json(auth.key));
      if (!parsed.success) {
        throw new SourceError(
          'the key of the service account is not its JSON key file: expected client_email and private_key',
        );
      }
      const { client_email, private_key, private_key_id } = parsed.data;
      const claims = { iss: client_email, sub: auth.subject, aud: auth.tokenUrl, scope: auth.scope };
      return form({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        // Google takes no longer one than an hour.
        assertion: await signed(claims, private_key, private_key_id, nowS, ASSERTION_S),
      });
    }
  }
}

const accept = { accept: 'application/json', 'user-agent': 'flicker' } as const;

function form(params: Params, headers: Readonly<Record<string, string>> = {}): TokenRequest {
  return {
    headers: { ...accept, 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(params).toString(),
  };
}

const jwk = z.looseObject({ kty: z.string(), kid: z.string().optional(), alg: z.string().optional() });

async function signed(
  claims: Readonly<Record<string, string>>,
  key: string,
  keyId: string | undefined,
  nowS: number,
  lifeS: number,
): Promise<string> {
  const { SignJWT, importJWK, importPKCS8 } = await import('jose');
  try {
    const parsed = jwk.safeParse(json(key));
    // One line of an environment variable holds a PEM with "\n" in it.
    const pem = key.replaceAll('\\n', '\n');
    const alg = parsed.success
      ? (parsed.data.alg ?? (parsed.data.kty === 'EC' ? 'ES256' : 'RS256'))
      : createPrivateKey(pem).asymmetricKeyType === 'ec'
        ? 'ES256'
        : 'RS256';
    const imported = parsed.success ? await importJWK(parsed.data, alg) : await importPKCS8(pem, alg);
    const kid = keyId ?? (parsed.success ? parsed.data.kid : undefined);
    return await new SignJWT({ ...claims, jti: randomUUID() })
      .setProtectedHeader({ alg, typ: 'JWT', ...(kid !== undefined && { kid }) })
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + lifeS)
      .sign(imported);
  } catch {
    // What went wrong may quote the key.
    throw new SourceError('the private key cannot be used: expected PKCS #8 PEM ("BEGIN PRIVATE KEY") or a JWK');
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
