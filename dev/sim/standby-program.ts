import type { HaTiming } from '../../contract/high-availability';
import type { Lease } from '../../runtime/registry/format';
import type { Saver } from '../../runtime/registry/saver';
import { standBy } from '../../runtime/registry/standby';
import { beginTerm, claim, endProgram, type ProgramOptions } from './program';

export interface StandbyProgramOptions extends Omit<ProgramOptions, 'onSaved' | 'onEnd' | 'send'> {
  readonly ha: HaTiming;
  /** What happens in one term; `begin` gives its name. */
  readonly begin: (term: string) => Pick<ProgramOptions, 'onSaved' | 'onEnd' | 'send'>;
  readonly onEnd: (error: Error) => void;
}

export interface StandbyProgram {
  /** Everything is delivered and saved. */
  readonly finished: () => boolean;
  readonly stop: () => void;
}

export const ownerOf = (term: string) => `owner-of-${term}`;
export const termOf = (owner: string) => owner.replace('owner-of-', '');

/** A program that stands by, works under its lease, and stands by again when it has lost it. */
export function startStandbyProgram(options: StandbyProgramOptions): StandbyProgram {
  const { process, random, log, ha } = options;
  const { clock } = process;
  const stopping = new AbortController();
  const owners = new Set<string>();
  let saver: Saver | undefined;
  let finished = false;
  let fencedByEdit: number | undefined;
  const mine = ({ owner, epoch }: Lease) => owners.has(owner) || epoch === fencedByEdit;

  const term = async (name: string) => {
    const own = options.begin(name);
    const over = new AbortController();
    const registry = await standBy({
      ...claim,
      store: options.store,
      owner: ownerOf(name),
      host: process.name,
      clock,
      log,
      ha,
      mine,
      patient: owners.size > 0,
      random: () => random.next(),
      signal: stopping.signal,
    });
    owners.add(ownerOf(name));
    void registry.ended.then((end) => {
      own.onEnd(end);
      fencedByEdit = end.kind === 'fenced' && end.by.owner === 'operator' ? end.by.epoch : undefined;
      over.abort(new Error('the lease has ended'));
    });
    const stop = () => over.abort(stopping.signal.reason);
    stopping.signal.addEventListener('abort', stop, { once: true });
    const begun = beginTerm({ ...options, ...own }, registry, over.signal, ha.renew_ms);
    saver = begun.saver;
    try {
      await begun.work;
      finished = true;
    } catch (error) {
      if (!over.signal.aborted) throw error;
    }
    // A holder that is done keeps its lease until it is told to stop, or loses it.
    if (!stopping.signal.aborted) await registry.ended;
    stopping.signal.removeEventListener('abort', stop);
    saver = undefined;
  };

  const run = async () => {
    for (let number = 1; !stopping.signal.aborted; number++) await term(`${process.name}.${number}`);
  };
  run().catch((error: Error) => {
    if (!stopping.signal.aborted) options.onEnd(error);
  });

  return {
    finished: () => finished,
    stop: () => void endProgram(process, stopping, () => saver),
  };
}
