import type { Logger } from '../../runtime/core/log';
import { openRegistry } from '../../runtime/registry/open';
import type { LeaseEnd } from '../../runtime/registry/errors';
import type { Registry } from '../../runtime/registry/registry';
import { Saver } from '../../runtime/registry/saver';
import type { State } from '../../runtime/registry/format';
import type { ObjectStore } from '../../runtime/registry/store';
import type { Random } from './random';
import type { SimProcess } from './time';

/** The next event to read of each source: what the program keeps in its registry. */
export type Positions = Readonly<Record<string, number>>;

export type SendAnswer = 'accepted' | 'refused' | 'lost';

export interface ProgramOptions {
  readonly process: SimProcess;
  readonly store: ObjectStore;
  readonly random: Random;
  readonly log: Logger;
  /** Length of each source. */
  readonly sources: Positions;
  readonly maxUnsavedEvents: number;
  readonly longestPauseMs: number;
  /** Sends the events from one position up to another. */
  readonly send: (source: string, from: number, to: number) => Promise<SendAnswer>;
  readonly onSaved: (positions: Positions) => void;
  readonly onEnd: (end: LeaseEnd) => void;
  /** What goes into the registry. @default what was acknowledged */
  readonly saved: ((acknowledged: Positions, sent: Positions) => Positions) | undefined;
}

/** A program as the shipped ones are: reads sources, delivers, then commits; built on the shipped registry and saver. */
export interface Program {
  /** Everything is delivered and saved. */
  readonly finished: () => boolean;
  /** SIGTERM: stops reading, saves, releases, exits. */
  readonly stop: () => void;
}

/** What all processes say of themselves alike. */
export const claim = { clusterId: 'test/sim', configHash: 'none', writerVersion: '0.0.0' } as const;

const MOST_EVENTS_OF_A_BATCH = 8;
const LAST_SAVE_MS = 2_000;

export function startProgram(options: ProgramOptions): Program {
  const { process, random, log } = options;
  const { clock } = process;
  const work = new AbortController();
  let term: Term | undefined;
  let finished = false;

  const run = async () => {
    const registry = await openRegistry({
      ...claim,
      store: options.store,
      owner: `owner-of-${process.name}`,
      host: process.name,
      clock,
      log,
      random: () => random.next(),
      signal: work.signal,
    });
    void registry.ended.then((end) => {
      options.onEnd(end);
      work.abort(new Error('the lease has ended'));
    });
    term = beginTerm(options, registry, work.signal, 20_000);
    await term.work;
    finished = true;
  };

  run().catch((error: Error) => {
    log.info('sim.stopped', `${process.name}: ${error.message}`);
    if (!term) process.kill(); // it never had the lease: it exits with an error, as a program does
  });

  return {
    finished: () => finished,
    stop: () => void endProgram(process, work, () => term?.saver),
  };
}

/** SIGTERM: stops all work, saves a last time within the time that is left for it, exits. */
export async function endProgram(
  process: SimProcess,
  work: AbortController,
  saver: () => Saver | undefined,
): Promise<void> {
  work.abort(new Error('told to stop'));
  const deadline = new AbortController();
  const late = process.clock.sleep(LAST_SAVE_MS).then(() => deadline.abort(new Error('no time left')));
  await Promise.race([late, saver()?.flush(deadline.signal)]);
  process.kill();
}

/** What is done under one lease. */
export interface Term {
  readonly saver: Saver;
  /** Resolves when everything is delivered and saved; rejects when it was told to stop, or the lease has ended. */
  readonly work: Promise<void>;
}

export function beginTerm(options: ProgramOptions, registry: Registry, signal: AbortSignal, heartbeatMs: number): Term {
  const { random, sources } = options;
  const { clock } = options.process;
  const acknowledged = positionsOf(registry.loaded, Object.keys(sources));
  const sent = { ...acknowledged };
  let snapshot: Positions = acknowledged;
  const saver = new Saver({
    registry,
    snapshot: () => {
      snapshot = { ...(options.saved?.(acknowledged, sent) ?? acknowledged) };
      return { positions: snapshot };
    },
    onSave: (result) => {
      if (result === 'saved') options.onSaved(snapshot);
    },
    clock,
    saveIntervalMs: 5_000,
    heartbeatMs,
    maxUnsavedEvents: options.maxUnsavedEvents,
    random: () => random.next(),
  });
  const ship = async ([source, length]: [string, number]) => {
    for (let from = acknowledged[source] ?? 0; from < length;) {
      const to = Math.min(length, from + random.int(1, MOST_EVENTS_OF_A_BATCH));
      await saver.reserve(to - from, signal);
      sent[source] = to;
      while ((await options.send(source, from, to)) !== 'accepted') {
        await clock.sleep(random.int(50, 500), signal);
        saver.check();
      }
      acknowledged[source] = to;
      saver.acknowledged(to - from);
      from = to;
      await clock.sleep(random.int(0, options.longestPauseMs), signal);
    }
  };
  const work = async () => {
    void saver.run();
    await saver.commit(signal);
    // Nothing of this term may go on when it is over.
    const ends = await Promise.allSettled(Object.entries(sources).map(ship));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    await saver.commit(signal);
  };
  return { saver, work: work() };
}

export function positionsOf(state: State, sources: readonly string[]): Record<string, number> {
  const stored = state['positions'];
  const known: Record<string, unknown> = typeof stored === 'object' && stored !== null ? { ...stored } : {};
  return Object.fromEntries(sources.map((source) => [source, Number(known[source] ?? 0)]));
}
