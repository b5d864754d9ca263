import { generateKeyPairSync } from 'node:crypto';
import { flickerConfig, type ApiSourceConfig, type FlickerConfigInput } from '../../../../contract/flicker';
import { startAuth0 } from '../../../../dev/vendors/auth0';
import { startCloudflare, startCloudflareV1 } from '../../../../dev/vendors/cloudflare';
import type { Vendor, VendorOptions } from '../../../../dev/vendors/frame';
import { startGithub } from '../../../../dev/vendors/github';
import { startGoogleWorkspace } from '../../../../dev/vendors/google-workspace';
import { startOkta } from '../../../../dev/vendors/okta';
import { startOnepassword } from '../../../../dev/vendors/onepassword';
import { startSlack } from '../../../../dev/vendors/slack';
import { Harness } from '../sources/api/harness';

export type PresetSourceInput = NonNullable<FlickerConfigInput['api_sources']>[number];
export type AnyVendor = Pick<
  Vendor<unknown>,
  'events' | 'requests' | 'append' | 'fail' | 'exhaust' | 'expireCursors' | 'stop'
> & { expireTokens?(): void };

/** A preset at work, and what the vendor promises. */
export interface Case {
  readonly name: string;
  start(options: VendorOptions): Promise<{
    readonly vendor: AnyVendor;
    readonly source: PresetSourceInput;
    /** The ids of all events, as they are shipped. */
    ids(): readonly string[];
    /** The times of all events, as they are shipped. */
    times(): readonly number[];
  }>;
  readonly mode: 'cursor' | 'watermark' | 'window';
  /** Events are asked for when they are this old. */
  readonly lagMs: number;
  /** An event may come this late, but for `cursor`. */
  readonly overlapMs: number;
  /** The time in which everything is read again. */
  readonly cycleMs: number;
  /** There are no cursors that could expire. */
  readonly noCursors?: true;
  /** Another way to use a vendor that has a case. */
  readonly variant?: true;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});

const google = (application: string) => async (options: VendorOptions) => {
  const account = { email: 'shipper@example.iam.gserviceaccount.com', subject: 'admin@example.com', publicKey };
  const vendor = await startGoogleWorkspace({ ...options, application, account });
  const source = {
    name: 'api',
    preset: 'google_workspace' as const,
    application,
    service_account_key: JSON.stringify({ client_email: account.email, private_key: privateKey }),
    subject: account.subject,
    endpoint: vendor.url,
    token_url: vendor.tokenUrl,
    // What is read again comes in few requests then.
    window_ms: 24 * HOUR,
    page_size: 10,
  };
  const ids = () => vendor.events.map(({ id }) => `${id.time}/${id.uniqueQualifier}/${id.applicationName}`);
  return { vendor, source, ids, times: () => vendor.events.map(({ id }) => Date.parse(id.time)) };
};

const github = (scope: 'org' | 'enterprise') => async (options: VendorOptions) => {
  const vendor = await startGithub({ ...options, scope, token: 'token' });
  const owner = scope === 'org' ? { organization: 'example' } : { enterprise: 'example' };
  const source = {
    name: 'api',
    preset: 'github' as const,
    ...owner,
    token: 'token',
    endpoint: vendor.url,
    page_size: 10,
  };
  return {
    vendor,
    source,
    ids: () => vendor.events.map(({ _document_id }) => _document_id),
    times: () => vendor.events.map((event) => event['@timestamp']),
  };
};

/** Every vendor of which there is a server with its oddities. */
export const cases: readonly Case[] = [
  {
    name: 'okta',
    start: async (options) => {
      const vendor = await startOkta({ ...options, token: 'token' });
      const source = { name: 'api', preset: 'okta' as const, domain: 'company.okta.com', token: 'token' };
      return {
        vendor,
        source: { ...source, endpoint: vendor.url, page_size: 10 },
        ids: () => vendor.events.map(({ uuid }) => uuid),
        times: () => vendor.events.map(({ published }) => Date.parse(published)),
      };
    },
    mode: 'cursor',
    lagMs: 0,
    overlapMs: 10 * MINUTE,
    cycleMs: MINUTE,
  },
  {
    name: 'okta, as a service app',
    variant: true,
    start: async (options) => {
      const vendor = await startOkta({ ...options, app: { clientId: 'client', publicKey } });
      return {
        vendor,
        source: {
          name: 'api',
          preset: 'okta',
          domain: 'company.okta.com',
          client_id: 'client',
          private_key: privateKey.replaceAll('\n', '\\n'),
          endpoint: vendor.url,
          page_size: 10,
        },
        ids: () => vendor.events.map(({ uuid }) => uuid),
        times: () => vendor.events.map(({ published }) => Date.parse(published)),
      };
    },
    mode: 'cursor',
    lagMs: 0,
    overlapMs: 10 * MINUTE,
    cycleMs: MINUTE,
  },
  { name: 'github', start: github('org'), mode: 'watermark', lagMs: 0, overlapMs: 10 * MINUTE, cycleMs: MINUTE },
  {
    name: 'github, of an enterprise',
    start: github('enterprise'),
    mode: 'watermark',
    lagMs: 0,
    overlapMs: 10 * MINUTE,
    cycleMs: MINUTE,
  },
  {
    name: 'slack',
    start: async (options) => {
      const vendor = await startSlack({ ...options, token: 'token' });
      const source = { name: 'api', preset: 'slack' as const, token: 'token', endpoint: vendor.url, page_size: 10 };
      return {
        vendor,
        source,
        ids: () => vendor.events.map(({ id }) => id),
        times: () => vendor.events.map(({ date_create }) => date_create * 1000),
      };
    },
    mode: 'window',
    lagMs: MINUTE,
    overlapMs: 10 * MINUTE,
    cycleMs: MINUTE,
  },
  {
    name: 'auth0',
    start: async (options) => {
      const vendor = await startAuth0({ ...options, clientId: 'client', clientSecret: 'secret' });
      return {
        vendor,
        source: {
          name: 'api',
          preset: 'auth0',
          domain: 'tenant.auth0.com',
          client_id: 'client',
          client_secret: 'secret',
          endpoint: vendor.url,
          page_size: 10,
        },
        ids: () => vendor.events.map(({ log_id }) => log_id),
        times: () => vendor.events.map(({ date }) => Date.parse(date)),
      };
    },
    mode: 'cursor',
    lagMs: 0,
    overlapMs: 10 * MINUTE,
    cycleMs: MINUTE,
  },
  {
    name: 'google_workspace',
    start: google('login'),
    mode: 'window',
    lagMs: 15 * MINUTE,
    overlapMs: 6 * HOUR,
    cycleMs: 16 * MINUTE,
  },
  {
    name: 'google_workspace, of a slow application',
    variant: true,
    start: google('saml'),
    mode: 'window',
    lagMs: 3 * HOUR,
    overlapMs: 24 * HOUR,
    cycleMs: 16 * MINUTE,
  },
  {
    name: 'cloudflare',
    start: async (options) => {
      const vendor = await startCloudflare({ ...options, token: 'token' });
      const source = { name: 'api', preset: 'cloudflare' as const, account_id: 'account', token: 'token' };
      return {
        vendor,
        source: { ...source, endpoint: vendor.url, page_size: 10 },
        ids: () => vendor.events.map(({ id }) => id),
        times: () => vendor.events.map(({ action }) => Date.parse(action.time)),
      };
    },
    mode: 'window',
    lagMs: 5 * MINUTE,
    overlapMs: HOUR,
    cycleMs: MINUTE,
  },
  {
    name: 'cloudflare_v1',
    start: async (options) => {
      const vendor = await startCloudflareV1({ ...options, token: 'token' });
      const source = { name: 'api', preset: 'cloudflare_v1' as const, account_id: 'account', token: 'token' };
      return {
        vendor,
        source: { ...source, endpoint: vendor.url, page_size: 10 },
        ids: () => vendor.events.map(({ id }) => id),
        times: () => vendor.events.map(({ when }) => Date.parse(when)),
      };
    },
    mode: 'window',
    lagMs: 5 * MINUTE,
    overlapMs: HOUR,
    cycleMs: MINUTE,
    noCursors: true,
  },
  {
    name: 'onepassword',
    start: async (options) => {
      const vendor = await startOnepassword({ ...options, token: 'token' });
      return {
        vendor,
        source: {
          name: 'api',
          preset: 'onepassword',
          feature: 'auditevents',
          token: 'token',
          endpoint: vendor.url,
          page_size: 10,
        },
        ids: () => vendor.events.map(({ uuid }) => uuid),
        times: () => vendor.events.map(({ timestamp }) => Date.parse(timestamp)),
      };
    },
    mode: 'cursor',
    lagMs: 0,
    overlapMs: 10 * MINUTE,
    cycleMs: MINUTE,
  },
];

export function parsed(source: PresetSourceInput): ApiSourceConfig {
  const [config] = flickerConfig('final').parse({ api_sources: [source], destination: { type: 'stdout' } }).api_sources;
  if (!config) throw new Error('no source');
  return config;
}

export const NOW = Date.parse('2026-03-01T12:00:00.250Z');

/** A source and its vendor, on one clock. */
export class Bench {
  private constructor(
    readonly vendor: AnyVendor,
    readonly source: Harness,
    readonly ids: () => readonly string[],
    readonly times: () => readonly number[],
    private readonly one: Case,
    private readonly clock: { time: number },
    private readonly input: PresetSourceInput,
  ) {}

  static async open(one: Case, options: Omit<VendorOptions, 'now'> = {}, input: object = {}): Promise<Bench> {
    const clock = { time: NOW };
    const { vendor, source, ids, times } = await one.start({ ...options, now: () => clock.time });
    const told = { ...source, ...input } as PresetSourceInput;
    return new Bench(vendor, new Harness(parsed(told), undefined, NOW), ids, times, one, clock, told);
  }

  /** With these settings changed. */
  async restart(input: object): Promise<void> {
    await this.source.restart(parsed({ ...this.input, ...input } as PresetSourceInput));
  }

  get now(): number {
    return this.clock.time;
  }

  advance(ms: number): void {
    this.clock.time += ms;
    this.source.time = this.clock.time;
  }

  /** Polls until all that may come has come. */
  async drain(): Promise<void> {
    this.advance(this.one.lagMs + 1000);
    for (let quiet = 0, polls = 0; quiet < 3; polls++) {
      if (polls > 100) throw new Error('the source finds no end');
      const before = this.source.shipped.length;
      await this.source.poll();
      quiet = this.source.shipped.length === before ? quiet + 1 : 0;
      this.advance(this.one.cycleMs);
    }
  }

  /** Ids that were shipped, each as often as it was. */
  get shipped(): string[] {
    return this.source.shipped.map(({ id }) => id ?? '');
  }

  /** Requests that were not for an access token. */
  get pages(): number {
    return this.vendor.requests.filter(({ url }) => !url.pathname.endsWith('/token')).length;
  }

  get statuses(): number[] {
    return this.vendor.requests.map(({ status }) => status);
  }

  async close(): Promise<void> {
    await this.source.close();
    await this.vendor.stop();
  }
}
