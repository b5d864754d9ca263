import { z } from 'zod';
import { duration, strictObject, type SettingsMode } from './settings';

/**
 * One active instance and any number of standbys on one registry. The holder renews its lease with every save; a standby
 * takes over when the object has not changed for `lease_ms` on its own clock. Why nobody works beside the holder:
 * docs/registry.md.
 */
export interface HaTiming {
  /** The holder saves at least this often. */
  readonly renew_ms: number;
  /** The holder stops all work when its last good save was started this long ago. */
  readonly deadline_ms: number;
  /** A standby takes over when the registry has not changed for this long. */
  readonly lease_ms: number;
  /** A standby looks this often. */
  readonly poll_ms: number;
  /** Longest time that it takes to stop what is under way. */
  readonly abort_ms: number;
  /** Longest time for one request to the store. */
  readonly attempt_timeout_ms: number;
  /** How much faster or slower than real time a clock may run, as a share. */
  readonly clock_drift: number;
}

const common = { abort_ms: 1000, clock_drift: 0.01 } as const;

/** Timing by name: how fast a standby takes over, against what its and the holder's requests cost. */
export const haProfiles = {
  fast: { renew_ms: 2000, deadline_ms: 5000, lease_ms: 8000, poll_ms: 1000, attempt_timeout_ms: 1500, ...common },
  default: {
    renew_ms: 5000,
    deadline_ms: 10_000,
    lease_ms: 15_000,
    poll_ms: 3000,
    attempt_timeout_ms: 2500,
    ...common,
  },
  cheap: {
    renew_ms: 15_000,
    deadline_ms: 30_000,
    lease_ms: 45_000,
    poll_ms: 15_000,
    attempt_timeout_ms: 4000,
    ...common,
  },
} as const satisfies Record<string, HaTiming>;

export type HaProfile = keyof typeof haProfiles;
const profileNames = ['fast', 'default', 'cheap'] as const satisfies readonly HaProfile[];

/** Longest time without a successor: after a crash of the holder, and after one that released its lease. */
export interface TakeoverBounds {
  readonly crashMs: number;
  readonly cleanMs: number;
}

/** The bounds that follow from a timing; `requestMs`: how long a GET and a PUT take together. */
export function takeoverBounds({ lease_ms, poll_ms }: HaTiming, requestMs: number): TakeoverBounds {
  return { crashMs: lease_ms + poll_ms + requestMs, cleanMs: poll_ms + requestMs };
}

/** Which conditions of safety a timing breaks, each with its numbers. A value that is not known yet breaks none. */
export function haProblems(timing: HaTiming): string[] {
  const { renew_ms, deadline_ms, lease_ms, abort_ms, attempt_timeout_ms, clock_drift } = timing;
  const problems: string[] = [];
  const stops = Math.ceil(deadline_ms * (1 + clock_drift) + abort_ms);
  const taken = Math.floor(lease_ms * (1 - clock_drift));
  if (stops >= taken) {
    problems.push(
      'deadline_ms × (1 + clock_drift) + abort_ms < lease_ms × (1 − clock_drift) must hold, or two instances might work at ' +
        `the same time: ${deadline_ms} × ${1 + clock_drift} + ${abort_ms} = ${stops} is not less than ` +
        `${lease_ms} × ${1 - clock_drift} = ${taken}; raise lease_ms or lower deadline_ms`,
    );
  }
  const renewed = renew_ms + 2 * attempt_timeout_ms;
  if (renewed > deadline_ms) {
    problems.push(
      'renew_ms + 2 × attempt_timeout_ms <= deadline_ms must hold, or one lost request would depose a healthy holder: ' +
        `${renew_ms} + 2 × ${attempt_timeout_ms} = ${renewed} is more than ${deadline_ms}; raise deadline_ms or lower ` +
        'renew_ms or attempt_timeout_ms',
    );
  }
  return problems;
}

/** The `ha` key: `true` is the profile `default`; values given beside a profile replace its own. Parsed to a timing, or false. */
export function haSchema(mode: SettingsMode) {
  const time = (text: string) => duration(mode, { min: 10, max: 3_600_000 }).optional().describe(text);
  const settings = strictObject({
    profile: z.enum(profileNames).default('default').describe('Timing by name; the other keys replace its values.'),
    renew_ms: time('The holder saves at least this often.'),
    deadline_ms: time('The holder stops all work when its last good save was started this long ago.'),
    lease_ms: time('A standby takes over when the registry has not changed for this long.'),
    poll_ms: time('A standby looks at the registry this often.'),
    abort_ms: time('Longest time that it takes to stop what is under way.'),
    attempt_timeout_ms: time('Longest time for one request to the store.'),
    clock_drift: z
      .number()
      .min(0)
      .max(0.5)
      .optional()
      .describe('How much faster or slower than real time a clock may run, as a share.'),
  });
  return z
    .union([z.boolean(), settings])
    .default(false)
    .transform((value, context): HaTiming | false => {
      if (value === false) return false;
      if (value === true) return haProfiles.default;
      const { profile, ...given } = value;
      const told = Object.fromEntries(Object.entries(given).filter(([, one]) => one !== undefined));
      const timing: HaTiming = { ...haProfiles[profile], ...told };
      for (const message of haProblems(timing)) context.addIssue({ code: 'custom', input: undefined, message });
      return timing;
    });
}
