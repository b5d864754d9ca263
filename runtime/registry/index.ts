export { describeLeaseEnd, LeaseEndedError, RegistryError, type LeaseEnd, type RegistryProblem } from './errors';
export type { State } from './format';
export { createLocalStore } from './local-store';
export { openRegistry, type OpenRegistryOptions } from './open';
export type { Registry, SaveOutcome } from './registry';
export { createS3Store, type S3StoreOptions } from './s3-store';
export { Saver, type SaverOptions, type SaverStats } from './saver';
export type { ObjectStore } from './store';
export { defaultTiming, type RegistryTiming } from './timing';
