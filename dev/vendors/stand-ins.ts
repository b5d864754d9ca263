import { generateKeyPairSync } from 'node:crypto';
import type { FlickerConfigInput } from '../../contract';
import { startAuth0 } from './auth0';
import { startCloudflare } from './cloudflare';
import type { Vendor, VendorOptions } from './frame';
import { startGithub } from './github';
import { startGoogleWorkspace } from './google-workspace';
import { startOkta } from './okta';
import { startOnepassword } from './onepassword';
import { startSlack } from './slack';

export type ApiSource = NonNullable<FlickerConfigInput['api_sources']>[number];

/** A vendor on loopback, and the source of flicker that reads it. */
export interface StandIn {
  readonly vendor: Pick<Vendor<object>, 'append' | 'stop'>;
  readonly source: ApiSource;
  /** The ids of all its events, as they are shipped. */
  ids(): readonly string[];
}

const token = 'stand-in-token';

/** Every vendor that has a server with its oddities, by the name of its preset. */
export const standIns: Readonly<Record<string, (options: VendorOptions) => Promise<StandIn>>> = {
  okta: async (options) => {
    const vendor = await startOkta({ ...options, token, emptyPages: 0 });
    const own = { preset: 'okta', domain: 'company.okta.com', token, endpoint: vendor.url } as const;
    return { vendor, source: { name: 'okta', ...own }, ids: () => vendor.events.map(({ uuid }) => uuid) };
  },
  github: async (options) => {
    const vendor = await startGithub({ ...options, token });
    const own = { preset: 'github', organization: 'example', token, endpoint: vendor.url } as const;
    const ids = () => vendor.events.map(({ _document_id }) => _document_id);
    return { vendor, source: { name: 'github', ...own }, ids };
  },
  slack: async (options) => {
    const vendor = await startSlack({ ...options, token });
    const own = { preset: 'slack', token, endpoint: vendor.url } as const;
    return { vendor, source: { name: 'slack', ...own }, ids: () => vendor.events.map(({ id }) => id) };
  },
  auth0: async (options) => {
    const [client_id, client_secret] = ['client', token];
    const vendor = await startAuth0({ ...options, clientId: client_id, clientSecret: client_secret });
    const domain = 'tenant.auth0.com';
    const own = { preset: 'auth0', domain, client_id, client_secret, endpoint: vendor.url } as const;
    return { vendor, source: { name: 'auth0', ...own }, ids: () => vendor.events.map(({ log_id }) => log_id) };
  },
  google_workspace: async (options) => {
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
    const source = { name: 'google', preset: 'google_workspace', ...own } as const;
    const ids = () => vendor.events.map(({ id }) => `${id.time}/${id.uniqueQualifier}/${id.applicationName}`);
    return { vendor, source, ids };
  },
  cloudflare: async (options) => {
    const vendor = await startCloudflare({ ...options, token });
    const own = { preset: 'cloudflare', account_id: 'account', token, endpoint: vendor.url } as const;
    return { vendor, source: { name: 'cloudflare', ...own }, ids: () => vendor.events.map(({ id }) => id) };
  },
  onepassword: async (options) => {
    const vendor = await startOnepassword({ ...options, token });
    const own = { preset: 'onepassword', feature: 'auditevents', token, endpoint: vendor.url } as const;
    return { vendor, source: { name: 'onepassword', ...own }, ids: () => vendor.events.map(({ uuid }) => uuid) };
  },
};
