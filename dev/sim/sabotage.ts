import type { Logger } from '../../runtime/core/log';
import type { ObjectStore } from '../../runtime/registry/store';
import type { Positions } from './program';
import type { S3Request } from './s3';

/** Where the simulated programs keep their registry. */
export const SIM_KEY = 'program/test/sim-registry.json';

/** Ways to break the parts from outside; what ships knows none of them. */
export interface Sabotage {
  readonly request?: (request: S3Request) => S3Request;
  readonly store?: (store: ObjectStore) => ObjectStore;
  readonly saved?: (acknowledged: Positions, sent: Positions) => Positions;
}

export function loggerTo(note: (text: string) => void): Logger {
  const line = (_event: string, message: string) => note(message);
  return { debug: line, info: line, warn: line, error: line };
}
