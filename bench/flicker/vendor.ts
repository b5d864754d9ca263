/**
 * A vendor's stand-in with a log of events, in a process of its own: `vendor.ts <preset> <events> <bytes>`. Tells its parent
 * what a source of flicker needs to read it. `bytes`: about how long an event is; as short as the stand-in's own if that is longer.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { FlickerConfigInput } from '../../contract';
import { startAuth0 } from '../../dev/vendors/auth0';
import { startCloudflare } from '../../dev/vendors/cloudflare';
import type { Vendor } from '../../dev/vendors/frame';
import { startGithub } from '../../dev/vendors/github';
import { startGoogleWorkspace } from '../../dev/vendors/google-workspace';
import { startOkta } from '../../dev/vendors/okta';
import { startOnepassword } from '../../dev/vendors/onepassword';
import { startSlack } from '../../dev/vendors/slack';

export type ApiSource = NonNullable<FlickerConfigInput['api_sources']>[number];

interface StandIn {
  readonly vendor: Pick<Vendor<object>, 'events' | 'append'>;
  readonly source: ApiSource;
}

/** No stand-in may refuse for its rate limit: what a vendor allows is in the docs, and no figure of a bench. */
const options = { limitPerWindow: 1_000_000 };
const name = 'api';
const token = 'token';

const standIns: Readonly<Record<string, () => Promise<StandIn>>> = {
  okta: async () => {
    const vendor = await startOkta({ ...options, token, emptyPages: 0 });
    return { vendor, source: { name, preset: 'okta', domain: 'company.okta.com', token, endpoint: vendor.url } };
  },
  github: async () => {
    const vendor = await startGithub({ ...options, token });
    return { vendor, source: { name, preset: 'github', organization: 'example', token, endpoint: vendor.url } };
  },
  slack: async () => {
    const vendor = await startSlack({ ...options, token });
    return { vendor, source: { name, preset: 'slack', token, endpoint: vendor.url } };
  },
  auth0: async () => {
    const app = { clientId: 'client', clientSecret: 'secret' };
    const vendor = await startAuth0({ ...options, ...app });
    const { clientId: client_id, clientSecret: client_secret } = app;
    const domain = 'tenant.auth0.com';
    return { vendor, source: { name, preset: 'auth0', domain, client_id, client_secret, endpoint: vendor.url } };
  },
  google_workspace: async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const account = { email: 'shipper@example.iam.gserviceaccount.com', subject: 'admin@example.com', publicKey };
    const vendor = await startGoogleWorkspace({ ...options, account });
    const service_account_key = JSON.stringify({ client_email: account.email, private_key: privateKey });
    const { url: endpoint, tokenUrl: token_url } = vendor;
    const { subject } = account;
    const own = { application: 'login', service_account_key, subject, endpoint, token_url };
    return { vendor, source: { name, preset: 'google_workspace', ...own } };
  },
  cloudflare: async () => {
    const vendor = await startCloudflare({ ...options, token });
    return { vendor, source: { name, preset: 'cloudflare', account_id: 'account', token, endpoint: vendor.url } };
  },
  onepassword: async () => {
    const vendor = await startOnepassword({ ...options, token });
    return { vendor, source: { name, preset: 'onepassword', feature: 'auditevents', token, endpoint: vendor.url } };
  },
};

export const standInNames = Object.keys(standIns);

/** Events happened from two hours ago to one hour ago: no preset waits any longer before it asks for them. */
const [FROM_MS, TO_MS] = [7_200_000, 3_600_000];

async function main([preset = '', count = '', length = '']: string[]): Promise<void> {
  const start = standIns[preset];
  if (!start) throw new Error(`usage: vendor.ts ${standInNames.join('|')} <events> <bytes>`);
  const { vendor, source } = await start();
  const [events, bytes] = [Number(count), Number(length)];
  const first = Date.now() - FROM_MS;
  for (let n = 0; n < events; n++) {
    const [event] = vendor.append(1, first + Math.floor((n * (FROM_MS - TO_MS)) / events));
    const missing = bytes - JSON.stringify(event).length - '"filler":"",'.length;
    if (event && missing > 0) Object.assign(event, { filler: 'x'.repeat(missing) });
  }
  const start_from = new Date(first - 1000).toISOString();
  // The last few events are not kept waiting for more.
  process.send?.({ ...source, start_from, max_pages: 1_000_000, flush_interval_ms: 100 });
  process.on('disconnect', () => process.exit());
}

if (require.main === module) void main(process.argv.slice(2));
