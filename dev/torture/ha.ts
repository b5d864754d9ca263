import { simulateHa } from '../sim/simulate-ha';
import { playSchedules } from './schedules';

/** Plays seeded schedules of several replicas on one registry. Tells the exit code: 0 when no invariant was broken. */
export function tortureHa(args: string[]): Promise<number> {
  return playSchedules('ha', simulateHa, args);
}
