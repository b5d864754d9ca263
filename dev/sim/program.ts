import type { Logger } from '../../runtime/core/log';
import { openRegistry } from '../../runtime/registry/open';
import type { LeaseEnd } from '../../runtime/registry/errors';
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

const MOST_EVENTS_OF_A_BATCH = 8;
const LAST_SAVE_MS = 2_000;

export function startProgram(options: ProgramOptions): Program {
  const { process, random, log } = options;
  const { clock } = process;
  const work = new AbortController();
  let saver: Saver | undefined;
  let finished = false;

  const run = async () => {
    const opened = await openRegistry({
      store: options.store,
      clusterId: 'test/sim',
      configHash: 'none',
      owner: `owner-of-${process.name}`,
      host: process.name,
      writerVersion: '0.0.0',
      clock,
      log,
      random: () => random.next(),
      signal: work.signal,
    });
    void opened.ended.then((end) => {
      options.onEnd(end);
      work.abort(new Error('the lease has ended'));
    });
    const acknowledged = positionsOf(opened.loaded, Object.keys(options.sources));
    const sent = { ...acknowledged };
    let snapshot: Positions = acknowledged;
    const keeper = new Saver({
      registry: opened,
      snapshot: () => {
        snapshot = { ...(options.saved?.(acknowledged, sent) ?? acknowledged) };
        return { positions: snapshot };
      },
      onSave: (result) => {
        if (result === 'saved') options.onSaved(snapshot);
      },
      clock,
      saveIntervalMs: 5_000,
      heartbeatMs: 20_000,
      maxUnsavedEvents: options.maxUnsavedEvents,
      random: () => random.next(),
    });
    saver = keeper;
    void keeper.run();
    await keeper.commit(work.signal);
    await Promise.all(
      Object.entries(options.sources).map(async ([source, length]) => {
        for (let from = acknowledged[source] ?? 0; from < length;) {
          const to = Math.min(length, from + random.int(1, MOST_EVENTS_OF_A_BATCH));
          await keeper.reserve(to - from, work.signal);
          sent[source] = to;
          while ((await options.send(source, from, to)) !== 'accepted')
            await clock.sleep(random.int(50, 500), work.signal);
          acknowledged[source] = to;
          keeper.acknowledged(to - from);
          from = to;
          await clock.sleep(random.int(0, options.longestPauseMs), work.signal);
        }
      }),
    );
    await keeper.commit(work.signal);
    finished = true;
  };

  run().catch((error: Error) => {
    log.info('sim.stopped', `${process.name}: ${error.message}`);
    if (!saver) process.kill(); // it never had the lease: it exits with an error, as a program does
  });

  const stop = async () => {
    work.abort(new Error('told to stop'));
    const deadline = new AbortController();
    const late = clock.sleep(LAST_SAVE_MS).then(() => deadline.abort(new Error('no time left')));
    await Promise.race([late, saver?.flush(deadline.signal)]);
    process.kill();
  };

  return {
    finished: () => finished,
    stop: () => void stop(),
  };
}

export function positionsOf(state: State, sources: readonly string[]): Record<string, number> {
  const stored = state['positions'];
  const known: Record<string, unknown> = typeof stored === 'object' && stored !== null ? { ...stored } : {};
  return Object.fromEntries(sources.map((source) => [source, Number(known[source] ?? 0)]));
}
