import type { Saver } from '../registry/saver';

/** Where positions become durable: the registry's saver, or nothing at all without `--track`. */
export type Commits = Pick<Saver, 'check' | 'reserve' | 'acknowledged' | 'returned' | 'commit'>;

/** Positions that live as long as the process. */
export const untracked: Commits = {
  check: () => {},
  reserve: () => Promise.resolve(),
  acknowledged: () => {},
  returned: () => {},
  commit: () => Promise.resolve(),
};
