import { createSign, generateKeyPairSync } from 'node:crypto';
import { startAuth0 } from '../../../dev/vendors/auth0';
import { failureAs200, startCloudflare, startCloudflareV1 } from '../../../dev/vendors/cloudflare';
import { startGithub } from '../../../dev/vendors/github';
import { startGoogleWorkspace } from '../../../dev/vendors/google-workspace';
import { startOkta } from '../../../dev/vendors/okta';
import { startOnepassword } from '../../../dev/vendors/onepassword';
import { startSlack } from '../../../dev/vendors/slack';
import { fieldAt } from '../../../runtime/flicker/sources/api/fields';

// What the tests of the sources lean on: a vendor that forgave more than the real one would hide what they are to find.

const NOW = Date.parse('2026-03-01T12:00:00.500Z');
const SECOND = Math.floor(NOW / 1000);
const open: { stop(): Promise<void> }[] = [];
let time = NOW;
const now = () => time;

beforeEach(() => {
  time = NOW;
});
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
});

async function kept<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const vendor = await starting;
  open.push(vendor);
  return vendor;
}

async function ask(url: string, init: RequestInit = {}) {
  const headers = { authorization: 'Bearer token', ...init.headers };
  const answer = await fetch(url, { ...init, headers });
  const body: unknown = await answer.json();
  return {
    status: answer.status,
    link: answer.headers.get('link') ?? '',
    headers: answer.headers,
    body,
    at: (path: string) => fieldAt(body, path),
    /** The values of a field of the entries. */
    each: (results: string, field: string) => {
      const entries = results === '' ? body : fieldAt(body, results);
      return Array.isArray(entries) ? entries.map((entry) => fieldAt(entry, field)) : undefined;
    },
  };
}

const next = (link: string) => /<([^>]*)>; rel="next"/.exec(link)?.[1] ?? '';
const post = (url: string, body: unknown) =>
  ask(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

describe('Okta', () => {
  it('has a next link on an empty page, and refuses cursors that it has not made or has forgotten', async () => {
    const okta = await kept(startOkta({ now, emptyPages: 0 }));
    const ssws = { headers: { authorization: 'SSWS token' } };
    const first = await ask(`${okta.url}?since=2026-03-01T00:00:00Z`, ssws);
    expect(first.body).toEqual([]);
    okta.append(3, NOW - 3_600_000);
    expect((await ask(next(first.link), ssws)).each('', 'uuid')).toEqual(okta.events.map(({ uuid }) => uuid));
    okta.expireCursors();
    expect((await ask(next(first.link), ssws)).status).toBe(400);
    expect((await ask(`${okta.url}?since=2025-03-01T00:00:00Z`, ssws)).status).toBe(400);
  });

  it('pages a bounded request to its end', async () => {
    const okta = await kept(startOkta({ now, emptyPages: 0 }));
    okta.append(5, NOW - 60_000);
    const ssws = { headers: { authorization: 'SSWS token' } };
    const bounds = 'since=2026-03-01T00:00:00Z&until=2026-03-01T12:00:00Z&limit=3';
    const page = await ask(`${okta.url}?${bounds}`, ssws);
    const last = await ask(next(page.link), ssws);
    expect([page, last].map(({ body }) => (Array.isArray(body) ? body.length : 0))).toEqual([3, 2]);
    expect(next(last.link)).toBe('');
  });
});

describe('GitHub', () => {
  it('sends newest first, without Git, in whole seconds, and refuses by turns with 403 and 429', async () => {
    const github = await kept(startGithub({ now, token: 'token', limitPerWindow: 4 }));
    github.append(8, NOW);
    const asked = (query: string) => ask(`${github.url}?${query}`);
    const times = (await asked('')).each('', '_document_id');
    expect(times).toEqual(
      github.events
        .filter(({ action }) => action !== 'git.clone')
        .map(({ _document_id }) => _document_id)
        .reverse(),
    );
    const all = await asked('include=all&order=asc&per_page=5&phrase=created:>=2026-03-01T12:00:00.900Z');
    expect(all.each('', '_document_id')).toEqual(github.events.slice(0, 5).map(({ _document_id }) => _document_id));
    const rest = await ask(next(all.link));
    expect(rest.each('', '_document_id')).toEqual(github.events.slice(5).map(({ _document_id }) => _document_id));
    expect(rest.link).toBe('');
    await asked('');
    expect([(await asked('')).status, (await asked('')).status]).toEqual([403, 429]);
    time += 3_600_000;
    expect((await asked('')).status).toBe(200);
  });
});

describe('Slack', () => {
  it('runs back to the beginning without oldest, and takes both bounds in', async () => {
    const slack = await kept(startSlack({ now, token: 'token' }));
    slack.append(3, NOW - 86_400_000);
    slack.append(4, NOW);
    const ids = slack.events.map(({ id }) => id).reverse();
    const page = await ask(`${slack.url}?oldest=${SECOND}&latest=${SECOND}&limit=3`);
    expect(page.each('entries', 'id')).toEqual(ids.slice(0, 3));
    const cursor = String(page.at('response_metadata.next_cursor'));
    const repeated = await ask(`${slack.url}?oldest=${SECOND}&cursor=${cursor}`);
    expect(repeated.each('entries', 'id')).toEqual(ids.slice(3, 4));
    expect(repeated.at('response_metadata.next_cursor')).toBe('');
    expect((await ask(`${slack.url}?cursor=${cursor}`)).each('entries', 'id')).toEqual(ids.slice(3));
    expect((await ask(`${slack.url}?cursor=made-by-hand`)).at('error')).toBe('invalid_cursor');
  });
});

describe('Auth0', () => {
  it('ignores everything beside a checkpoint, and shows 1,000 logs of a search', async () => {
    const auth0 = await kept(startAuth0({ now, clientId: 'id', clientSecret: 'secret', limitPerWindow: 100 }));
    auth0.append(4, NOW);
    auth0.append(1, NOW - 5000);
    const credentials = { grant_type: 'client_credentials', client_id: 'id', client_secret: 'secret' };
    const audience = 'https://tenant.auth0.com/api/v2/';
    expect((await post(`${auth0.origin}/oauth/token`, credentials)).status).toBe(403);
    const token = (await post(`${auth0.origin}/oauth/token`, { ...credentials, audience })).at('access_token');
    const get = (url: string) => ask(url, { headers: { authorization: `Bearer ${String(token)}` } });
    const ids = auth0.events.map(({ log_id }) => log_id);
    const page = await get(`${auth0.url}?from=${ids[1]}&take=10&sort=date:-1&q=date:[* TO 2020-01-01]`);
    expect(page.each('', 'log_id')).toEqual(ids.slice(2));
    const end = await get(next(page.link));
    expect([end.body, next(end.link)]).toEqual([[], next(page.link)]);
    expect((await get(`${auth0.url}?sort=date:1&per_page=1`)).each('', 'log_id')).toEqual(ids.slice(4));
    expect((await get(`${auth0.url}?per_page=100&page=10`)).status).toBe(400);
    auth0.expireCursors();
    expect((await get(`${auth0.url}?from=${ids[1]}`)).status).toBe(400);
    auth0.expireTokens();
    expect((await get(auth0.url)).status).toBe(401);
  });
});

describe('Google Workspace', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const account = { email: 'sa@example.iam.gserviceaccount.com', subject: 'admin@example.com', publicKey };
  const scope = 'https://www.googleapis.com/auth/admin.reports.audit.readonly';

  function signed(claims: object): string {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
    return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url')}`;
  }

  it('gives a token for a JWT that says who, for whom, what for and how long', async () => {
    const google = await kept(startGoogleWorkspace({ now, account }));
    const claims = {
      iss: account.email,
      sub: account.subject,
      scope,
      aud: google.tokenUrl,
      iat: SECOND,
      exp: SECOND + 3600,
    };
    const grant = async (assertion: string) => {
      const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion };
      return (await ask(google.tokenUrl, { method: 'POST', body: new URLSearchParams(form) })).status;
    };
    expect(await grant(signed(claims))).toBe(200);
    for (const wrong of [
      { iss: 'other' },
      { sub: 'other' },
      { scope: 'other' },
      { aud: 'other' },
      { exp: SECOND + 3601 },
      { exp: SECOND - 1 },
      { iat: SECOND + 120 },
    ])
      expect(await grant(signed({ ...claims, ...wrong }))).toBe(400);
    const [head, , signature] = signed(claims).split('.');
    const forged = Buffer.from(JSON.stringify({ ...claims, jti: 'x' })).toString('base64url');
    expect(await grant(`${head}.${forged}.${signature}`)).toBe(400);
  });

  it('leaves out the items of an empty page, and ties a page token to its times', async () => {
    const google = await kept(startGoogleWorkspace({ now, account, application: 'gmail' }));
    google.append(3, NOW - 60_000);
    const claims = {
      iss: account.email,
      sub: account.subject,
      scope,
      aud: google.tokenUrl,
      iat: SECOND,
      exp: SECOND + 60,
    };
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: signed(claims) };
    const token = (await ask(google.tokenUrl, { method: 'POST', body: new URLSearchParams(form) })).at('access_token');
    const get = (query: string) =>
      ask(`${google.url}?${query}`, { headers: { authorization: `Bearer ${String(token)}` } });
    const times = 'startTime=2026-03-01T11:00:00Z&endTime=2026-03-01T12:00:00Z';
    const page = await get(`${times}&maxResults=2`);
    expect(page.each('items', 'id.uniqueQualifier')).toEqual(['-3', '-2']);
    const pageToken = String(page.at('nextPageToken'));
    expect((await get(`${times}&pageToken=${pageToken}`)).each('items', 'id.uniqueQualifier')).toEqual(['-1']);
    const others = 'startTime=2026-03-01T11:30:00Z&endTime=2026-03-01T12:00:00Z';
    expect((await get(`${others}&pageToken=${pageToken}`)).status).toBe(400);
    const empty = await get('startTime=2026-02-20T11:00:00Z&endTime=2026-02-20T12:00:00Z');
    expect([empty.status, empty.at('items')]).toEqual([200, undefined]);
    for (const bad of ['startTime=2026-03-01T11:00:00Z', 'startTime=2026-01-01T11:00:00Z&endTime=2026-03-01T11:00:00Z'])
      expect((await get(bad)).status).toBe(400);
    expect((await get('startTime=2026-03-01T11:00:00Z&endTime=2026-03-01T12:00:01Z')).status).toBe(400);
  });
});

describe('Cloudflare', () => {
  it('needs both bounds, and is closed for five minutes to who asks too often', async () => {
    const cloudflare = await kept(startCloudflare({ now, token: 'token', limitPerWindow: 3 }));
    cloudflare.append(1, NOW - 1000);
    const bounds = '?since=2026-03-01&before=2026-03-01T12:00:00Z';
    expect((await ask(`${cloudflare.url}?since=2026-03-01`)).at('success')).toBe(false);
    expect((await ask(`${cloudflare.url}${bounds}`)).each('result', 'id')).toEqual([cloudflare.events[0]?.id]);
    cloudflare.fail(failureAs200);
    expect((await ask(`${cloudflare.url}${bounds}`)).at('success')).toBe(false);
    cloudflare.exhaust();
    expect((await ask(`${cloudflare.url}${bounds}`)).status).toBe(429);
    time += 299_999;
    expect((await ask(`${cloudflare.url}${bounds}`)).status).toBe(429);
    time += 1;
    expect((await ask(`${cloudflare.url}${bounds}`)).status).toBe(200);
  });

  it('numbers the pages of version 1', async () => {
    const cloudflare = await kept(startCloudflareV1({ now, token: 'token' }));
    cloudflare.append(3, NOW - 1000);
    const ids = cloudflare.events.map(({ id }) => id);
    const page = (n: number) => ask(`${cloudflare.url}?direction=asc&per_page=2&page=${n}`);
    expect((await page(1)).each('result', 'id')).toEqual(ids.slice(0, 2));
    expect((await page(2)).each('result', 'id')).toEqual(ids.slice(2));
  });
});

describe('1Password', () => {
  it('takes a start or a cursor, never both, and no cursor is spent', async () => {
    const onepassword = await kept(startOnepassword({ now, token: 'token' }));
    const first = await post(onepassword.url, { limit: 2, start_time: '2026-03-01T00:00:00Z' });
    const cursor = first.at('cursor');
    expect([first.at('has_more'), first.at('items')]).toEqual([false, []]);
    onepassword.append(3);
    const ids = onepassword.events.map(({ uuid }) => uuid);
    for (let times = 0; times < 2; times++) {
      const page = await post(onepassword.url, { cursor });
      expect([page.each('items', 'uuid'), page.at('has_more')]).toEqual([ids.slice(0, 2), true]);
    }
    expect((await post(onepassword.url, { cursor, limit: 2 })).status).toBe(400);
    expect((await post(onepassword.url, { cursor: 'made-by-hand' })).status).toBe(400);
    expect((await post(onepassword.url, { limit: 1001 })).status).toBe(400);
    expect((await post(onepassword.url, {})).each('items', 'uuid')).toEqual(ids);
    expect((await post(`${onepassword.origin}/api/v2/itemusages`, {})).status).toBe(401);
  });
});
