import type { S3Client } from '@aws-sdk/client-s3';
import { layoutOfKey, parseS3Location } from '../../contract';
import type { Clock } from '../core/clock';
import { errorText } from '../core/errors';
import { parseDocument } from '../registry/format';
import { createLocalStore } from '../registry/local-store';
import { createS3Store } from '../registry/s3-store';
import type { ObjectStore } from '../registry/store';
import { defaultTiming, withTimeout } from '../registry/timing';
import { readState, upgradeV1, type FlickerState } from './state';

/** The store of a registry location: S3 for `s3://bucket/key`, else a local file. @throws Error when the location is incomplete */
export async function registryStore(location: string, clock: Clock, s3: () => Promise<S3Client>): Promise<ObjectStore> {
  const place = parseS3Location(location);
  if (!place) return createLocalStore(location, clock);
  return createS3Store({ client: await s3(), bucket: place.bucket, layout: layoutOfKey(place.key) });
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
