import type { S3Client } from '@aws-sdk/client-s3';
import {
  flickerEvents,
  flickerSettings,
  layoutOfKey,
  parseS3Location,
  probeKey,
  SettingsError,
  type S3Location,
} from '../../contract';
import type { Clock } from '../core/clock';
import { errorText } from '../core/errors';
import type { Logger } from '../core/log';
import { parseDocument } from '../registry/format';
import { createLocalStore } from '../registry/local-store';
import { createS3Store } from '../registry/s3-store';
import { testStore } from '../registry/self-test';
import type { ObjectStore } from '../registry/store';
import { defaultTiming, withTimeout } from '../registry/timing';
import { readState, upgradeV1, type FlickerState } from './state';

/**
 * The store of a registry location: S3 for `s3://bucket/key`, else a local file. One without conditional writes is used
 * without them.
 * @throws Error when the location is incomplete
 */
export async function registryStore(
  location: string,
  clock: Clock,
  s3: () => Promise<S3Client>,
  endpoint?: string,
  log?: Logger,
): Promise<ObjectStore> {
  const place = parseS3Location(location);
  if (!place) return createLocalStore(location, clock);
  const unconditional = isGoogle(endpoint);
  if (unconditional) {
    const text =
      'Google Cloud Storage takes no conditional writes from S3 clients: nothing fences a second instance on this registry; run one only';
    log?.warn(flickerEvents.unfenced, text, { location });
  }
  return createS3Store({ client: await s3(), bucket: place.bucket, layout: layoutOfKey(place.key), unconditional });
}

/** Google Cloud Storage as an S3 client sees it. */
export function isGoogle(endpoint: string | undefined): boolean {
  return endpoint !== undefined && /(^|\.)storage\.googleapis\.com$/.test(new URL(endpoint).hostname);
}

/** Where the registry of several instances is. @throws SettingsError when they cannot share one there */
export function haPlace(registry: string | undefined, endpoint: string | undefined): S3Location {
  const refuse = (problem: string) => new SettingsError('several instances cannot share this registry', [problem]);
  if (registry === undefined) {
    throw refuse(
      `ha needs a registry: add ${flickerSettings.track.flag} [${flickerSettings.track.env}], or leave ha out`,
    );
  }
  const place = parseS3Location(registry);
  if (!place) {
    throw refuse(`ha needs a registry in S3, expected s3://bucket/key, got ${registry}: a file belongs to one machine`);
  }
  if (isGoogle(endpoint)) {
    throw refuse(
      'ha does not work on Google Cloud Storage: its preconditions (x-goog-if-generation-match) cannot be mixed with the ' +
        'headers of S3, and it honours no If-Match on writes; leave ha out and run one instance, or use another store',
    );
  }
  return place;
}

/** Tries whether the store can keep a lease at all. @throws Error naming the call that it answers wrongly */
export async function checkHa(
  { bucket, key }: S3Location,
  clock: Clock,
  s3: () => Promise<S3Client>,
  signal: AbortSignal,
): Promise<void> {
  const probe = probeKey(layoutOfKey(key));
  const store = await createS3Store({ client: await s3(), bucket, layout: layoutOfKey(probe) });
  const result = await testStore(store, clock, signal);
  switch (result.kind) {
    case 'honoured':
      return;
    case 'ignored':
      throw new Error(
        `ha cannot be used on this store: ${result.call} was answered ${result.got}, expected ${result.expected} (tried on ` +
          `${store.location}). Two instances could overwrite each other there; leave ha out and run one instance, or use a ` +
          'store that honours conditional writes',
      );
    case 'untested':
      throw new Error(
        `whether this store can be used with ha cannot be told (tried on ${store.location}): ${result.reason}. It needs ` +
          's3:GetObject and s3:PutObject there',
      );
  }
}

/** The positions that are stored, for a run that saves none. @throws Error when there is something that cannot be read */
export async function storedState(store: ObjectStore, clock: Clock, signal: AbortSignal): Promise<FlickerState> {
  const reply = await withTimeout(clock, defaultTiming.attemptTimeoutMs, signal, (limit) => store.read(limit));
  signal.throwIfAborted();
  if (reply.kind === 'missing') return readState({});
  if (reply.kind !== 'found') {
    throw new Error(`cannot read the registry ${store.location}: ${'reason' in reply ? reply.reason : reply.kind}`);
  }
  const unusable = (reason: string) => new Error(`cannot use the registry ${store.location}: ${reason}`);
  const parsed = parseDocument(reply.body);
  switch (parsed.kind) {
    case 'invalid':
      throw unusable(parsed.reason);
    case 'newer':
      throw unusable(`format ${parsed.format} is newer`);
    case 'current':
    case 'version-1':
      try {
        return parsed.kind === 'current' ? readState(parsed.document.state) : upgradeV1(parsed.json);
      } catch (error) {
        throw unusable(errorText(error));
      }
  }
}
