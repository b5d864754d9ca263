import { simulate } from '../sim/simulate';
import { playSchedules } from './schedules';

/** Plays seeded schedules against the registry protocol. Tells the exit code: 0 when no invariant was broken. */
export function tortureRegistry(args: string[]): Promise<number> {
  return playSchedules('registry', simulate, args);
}
