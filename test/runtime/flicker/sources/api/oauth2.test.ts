import { createPublicKey, generateKeyPairSync, verify, type KeyObject } from 'node:crypto';
import { flickerConfig } from '../../../../../contract/flicker';
import { startOkta } from '../../../../../dev/vendors/okta';
import { startVendor, type Ask } from '../../../../../dev/vendors/frame';
import { NOW, open, run } from './fixtures';

const OAUTH2 = { token_url: 'http://127.0.0.1:1/token', client_id: 'client' };
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject) => String(key.export({ type: 'pkcs8', format: 'pem' }));
const jwk = (key: KeyObject, more: object = {}) => JSON.stringify({ ...key.export({ format: 'jwk' }), ...more });

/** A server of access tokens and, at any other path, of an API that has nothing. */
async function server() {
  const tokens: Ask[] = [];
  const vendor = await startVendor<never, never>(
    { now: () => NOW },
    {
      limitPerWindow: 1000,
      windowMs: 60_000,
      limited: () => ({ status: 429, body: {} }),
      answer: (ask) => {
        if (ask.url.pathname !== '/token') return { status: 200, body: { items: [] } };
        tokens.push(ask);
        return { status: 200, body: { access_token: `token-${tokens.length}`, expires_in: '3600' } };
      },
      create: () => {
        throw new Error('it has no events');
      },
    },
  );
  open.push(vendor);
  const source = (oauth2: object) =>
    run({ endpoint: `${vendor.origin}/logs`, oauth2: { ...OAUTH2, token_url: `${vendor.origin}/token`, ...oauth2 } });
  const bearers = () =>
    vendor.requests.flatMap(({ url, headers }) => (url.pathname === '/logs' ? headers.authorization : []));
  return { vendor, tokens, source, bearers };
}

describe('an API without a preset', () => {
  it('gets access tokens with a secret, in the form that RFC 6749 gives it', async () => {
    const { tokens, source, bearers } = await server();
    const api = source({ client_id: 'a b:c', client_secret: 's+é', params: { scope: 'read', audience: 'https://x/' } });
    await api.poll();
    api.time += 3_600_000;
    await api.poll();
    expect(bearers()).toEqual(['Bearer token-1', 'Bearer token-2']);
    for (const { headers, body } of tokens) {
      expect(headers.authorization).toBe(`Basic ${Buffer.from('a+b%3Ac:s%2B%C3%A9').toString('base64')}`);
      expect(body).toEqual({ grant_type: 'client_credentials', scope: 'read', audience: 'https://x/' });
    }
  });

  it.each<[string, { private_key: string; key_id?: string }, KeyObject, object]>([
    ['PEM', { private_key: pem(rsa.privateKey) }, rsa.publicKey, { alg: 'RS256' }],
    [
      'PEM in one line',
      { private_key: pem(rsa.privateKey).replaceAll('\n', '\\n'), key_id: 'k' },
      rsa.publicKey,
      { kid: 'k' },
    ],
    ['a JWK', { private_key: jwk(rsa.privateKey, { kid: 'own' }) }, rsa.publicKey, { alg: 'RS256', kid: 'own' }],
    ['PEM of an elliptic curve', { private_key: pem(ec.privateKey) }, ec.publicKey, { alg: 'ES256' }],
    ['a JWK of an elliptic curve', { private_key: jwk(ec.privateKey) }, ec.publicKey, { alg: 'ES256' }],
  ])('gets access tokens with an assertion that a key has signed: %s', async (_, key, publicKey, header) => {
    const { vendor, tokens, source } = await server();
    await source(key).poll();
    const [asked] = tokens;
    expect(asked?.headers.authorization).toBeUndefined();
    const { client_assertion = '', ...form } = asked?.body as Record<string, string>;
    expect(form).toEqual({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
    const [head = '', claims = '', signature = ''] = client_assertion.split('.');
    const text = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
    expect(text(head)).toMatchObject({ typ: 'JWT', ...header });
    expect(text(claims)).toEqual({
      iss: 'client',
      sub: 'client',
      aud: `${vendor.origin}/token`,
      iat: Math.floor(NOW / 1000),
      exp: Math.floor(NOW / 1000) + 300,
      jti: expect.stringMatching(/^[\w-]{36}$/),
    });
    const signer = {
      key: createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
      dsaEncoding: 'ieee-p1363',
    } as const;
    expect(verify('sha256', Buffer.from(`${head}.${claims}`), signer, Buffer.from(signature, 'base64url'))).toBe(true);
  });

  it('walks on with a new token when one has ended before its time', async () => {
    const publicKey = String(rsa.publicKey.export({ type: 'spki', format: 'pem' }));
    const okta = await startOkta({ now: () => NOW, emptyPages: 0, app: { clientId: 'client', publicKey } });
    open.push(okta);
    okta.append(9, NOW);
    const api = run({
      endpoint: okta.url,
      results_field: '',
      timestamp_field: 'published',
      id_field: 'uuid',
      oauth2: {
        token_url: `${okta.origin}/oauth2/v1/token`,
        client_id: 'client',
        private_key: pem(rsa.privateKey),
        params: { scope: 'okta.logs.read' },
      },
      pagination: { pagination_type: 'link', page_size: 3, limit_param: 'limit' },
      start_from: 'beginning',
    });
    await api.fill();
    okta.expireTokens();
    await api.poll();
    expect(api.shipped.map(({ id }) => id)).toEqual(okta.events.map(({ uuid }) => uuid));
    expect(okta.requests.filter(({ status }) => status === 401)).toHaveLength(1);
  });

  it('takes a secret or a key, and not both', () => {
    const problems = (more: object) =>
      flickerConfig('final')
        .safeParse({
          api_sources: [
            {
              name: 'a',
              endpoint: 'http://a',
              results_field: '',
              timestamp_field: 't',
              oauth2: { ...OAUTH2, ...more },
            },
          ],
          destination: { type: 'stdout' },
        })
        .error?.issues.map(({ message }) => message);
    expect(problems({})).toEqual(['expected client_secret or private_key']);
    expect(problems({ client_secret: 's', private_key: 'k' })).toEqual(['expected client_secret or private_key']);
    expect(problems({ client_secret: 's' })).toBeUndefined();
  });
});
