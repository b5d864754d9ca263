import { generateKeyPairSync } from 'node:crypto';
import { startAuth0 } from '../../../../../dev/vendors/auth0';
import { startCloudflare, startCloudflareV1 } from '../../../../../dev/vendors/cloudflare';
import type { Failure, Vendor, VendorOptions } from '../../../../../dev/vendors/frame';
import { startGithub } from '../../../../../dev/vendors/github';
import { startGoogleWorkspace } from '../../../../../dev/vendors/google-workspace';
import { startOkta } from '../../../../../dev/vendors/okta';
import { startOnepassword } from '../../../../../dev/vendors/onepassword';
import { startSlack } from '../../../../../dev/vendors/slack';
import type { ApiSourceConfig } from '../../../../../contract/flicker';
import { presetConfig } from './harness';

const keys = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});

/** Small pages, so that walks have many. */
const page_size = 7;

/** A vendor that runs, and the preset that reads it. */
export interface Subject {
  readonly vendor: Pick<Vendor<unknown>, 'requests' | 'expireCursors' | 'stop' | 'exhaust'> & {
    fail(...failures: readonly Failure[]): void;
    readonly events: readonly unknown[];
  };
  append(count: number, time: number): void;
  readonly ids: () => string[];
  readonly config: ApiSourceConfig;
  expireTokens?(): void;
}

function subject<E>(vendor: Vendor<E>, id: (event: E) => string, config: ApiSourceConfig): Subject {
  return {
    vendor,
    append: (count, time) => void vendor.append(count, time),
    ids: () => vendor.events.map(id),
    config,
  };
}

const start_from = 'now';

export const subjects: Readonly<Record<string, (options: VendorOptions) => Promise<Subject>>> = {
  okta: async (options) => {
    const vendor = await startOkta({ ...options, token: 'secret', emptyPages: 0.1 });
    const config = presetConfig({
      preset: 'okta',
      domain: 'a.okta.com',
      token: 'secret',
      endpoint: vendor.url,
      page_size,
    });
    return {
      vendor,
      append: (count, time) => void vendor.append(count, time),
      ids: () => vendor.events.map(({ uuid }) => uuid),
      config,
    };
  },
  okta_app: async (options) => {
    const vendor = await startOkta({ ...options, app: { clientId: 'app', publicKey: keys.publicKey } });
    const config = presetConfig({
      preset: 'okta',
      domain: 'a.okta.com',
      client_id: 'app',
      private_key: keys.privateKey,
      endpoint: vendor.url,
      page_size,
    });
    return {
      vendor,
      append: (count, time) => void vendor.append(count, time),
      ids: () => vendor.events.map(({ uuid }) => uuid),
      config,
      expireTokens: () => vendor.expireTokens(),
    };
  },
  github: async (options) => {
    const vendor = await startGithub({ ...options, token: 'secret' });
    const config = presetConfig({
      preset: 'github',
      organization: 'example',
      token: 'secret',
      endpoint: vendor.url,
      page_size,
    });
    return subject(vendor, ({ _document_id }) => _document_id, config);
  },
  slack: async (options) => {
    const vendor = await startSlack({ ...options, token: 'secret' });
    const config = presetConfig({
      preset: 'slack',
      token: 'secret',
      endpoint: vendor.url,
      page_size,
      window_ms: '10m',
    });
    return subject(vendor, ({ id }) => id, config);
  },
  auth0: async (options) => {
    const domain = 'tenant.auth0.com';
    const vendor = await startAuth0({ ...options, clientId: 'client', clientSecret: 'secret' });
    const config = presetConfig({
      preset: 'auth0',
      domain,
      client_id: 'client',
      client_secret: 'secret',
      endpoint: vendor.url,
      page_size,
    });
    return { ...subject(vendor, ({ log_id }) => log_id, config), expireTokens: () => vendor.expireTokens() };
  },
  google_workspace: async (options) => {
    const account = { email: 'shipper@project', subject: 'admin@example.com', publicKey: keys.publicKey };
    const vendor = await startGoogleWorkspace({ ...options, account });
    const config = presetConfig({
      preset: 'google_workspace',
      application: 'login',
      service_account_key: JSON.stringify({ client_email: account.email, private_key: keys.privateKey }),
      subject: account.subject,
      endpoint: vendor.url,
      token_url: vendor.tokenUrl,
      page_size,
      start_from,
    });
    return {
      ...subject(vendor, ({ id }) => `${id.time}/${id.uniqueQualifier}/${id.applicationName}`, config),
      expireTokens: () => vendor.expireTokens(),
    };
  },
  cloudflare: async (options) => {
    const vendor = await startCloudflare({ ...options, token: 'secret' });
    const config = presetConfig({
      preset: 'cloudflare',
      account_id: 'a',
      token: 'secret',
      endpoint: vendor.url,
      page_size,
    });
    return subject(vendor, ({ id }) => id, config);
  },
  cloudflare_v1: async (options) => {
    const vendor = await startCloudflareV1({ ...options, token: 'secret' });
    const config = presetConfig({
      preset: 'cloudflare_v1',
      account_id: 'a',
      token: 'secret',
      endpoint: vendor.url,
      page_size,
    });
    return subject(vendor, ({ id }) => id, config);
  },
  onepassword: async (options) => {
    const vendor = await startOnepassword({ ...options, token: 'secret' });
    const config = presetConfig({
      preset: 'onepassword',
      feature: 'auditevents',
      token: 'secret',
      endpoint: vendor.url,
      page_size,
    });
    return subject(vendor, ({ uuid }) => uuid, config);
  },
};
