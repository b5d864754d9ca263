import type { S3Client } from '@aws-sdk/client-s3';
import { layoutOfKey } from '../../contract/registry';
import { createS3Store } from '../../runtime/registry/s3-store';
import type { ObjectStore } from '../../runtime/registry/store';
import { createSimClient, type Transport } from './client';
import { errorAnswer } from './s3';
import { SIM_KEY } from './sabotage';

const BUCKET = 'state';
const KEY = SIM_KEY;

/** Clients are dear to make and keep nothing: a slot's serves whichever process lives in it, simulation after simulation. */
export interface Slot {
  readonly client: S3Client;
  transport: Transport;
}
export const slots: readonly Slot[] = Array.from({ length: 4 }, () => {
  const slot: Slot = {
    client: createSimClient((request, signal) => slot.transport(request, signal)),
    transport: () => Promise.reject(new Error('nobody lives here')),
  };
  return slot;
});

export function storeOf({ client }: Slot): Promise<ObjectStore> {
  return createS3Store({ client, bucket: BUCKET, layout: layoutOfKey(KEY) });
}

/** The first request of a client reads its configuration from disk, in real time: it is made before any simulation. */
export const warm = Promise.all(
  slots.map(async (slot) => {
    slot.transport = () => Promise.resolve(errorAnswer(404, 'NoSuchKey'));
    const store = await storeOf(slot);
    const { signal } = new AbortController();
    await Promise.all([store.read(signal), store.write(new Uint8Array(), { ifNoneMatch: '*' }, signal)]);
  }),
);
