import { allSources, destinationName, destinationsOf, SettingsError, type DestinationConfig } from '../../../contract';
import { systemClock } from '../../core/clock';
import { CommandError } from '../commands/command';
import { createDeadLetters, deliver } from '../delivery';
import type { DeadLetter, Destination } from '../destination';
import { createDestination } from '../destinations';
import { createFlickerMetrics } from '../metrics';
import { listLetters, readLetter, type DlqDesk, type DlqFlags, type ListedLetter } from './desk';
import type { Letter } from './letter';

export interface ReplayFlags extends DlqFlags {
  readonly all?: boolean;
  readonly destination?: string;
  /** Delete what was replayed rather than move it. */
  readonly delete?: boolean;
}

type Named = Pick<ListedLetter, 'name' | 'letter'>;

/**
 * `flicker dlq replay`: sends dead letters to the destination of their source as it is configured now. A letter is taken
 * out of the list when the destination has all of it: a kill before that sends it again, with the same ids.
 */
export async function replay(
  desk: DlqDesk,
  names: readonly string[],
  flags: ReplayFlags,
  confirm: (question: string) => Promise<void>,
): Promise<number> {
  const letters = await chosen(desk, names, flags);
  if (letters.length === 0) {
    process.stdout.write(`no dead letters in ${desk.store.location}\n`);
    return 0;
  }
  const plans = letters.map(({ name, letter }) => ({ name, letter, to: target(desk, letter, flags.destination) }));
  const events = letters.reduce((sum, { letter }) => sum + letter.events.count, 0);
  await confirm(`Send ${events} events of ${letters.length} files again?`);
  const opened = new Map<DestinationConfig, Destination>();
  let refused = 0;
  try {
    for (const { name, letter, to } of plans) {
      const nodeId = 'replay';
      const context = { ...desk.aws, clock: systemClock, nodeId };
      const destination = opened.get(to) ?? (await createDestination(to, context));
      opened.set(to, destination);
      const left = await send(desk, letter, destination, destinationName(to));
      refused += left;
      if (left < letter.events.count) await desk.store.settle(name, flags.delete ? 'delete' : 'move');
      process.stdout.write(
        `${name}: ${letter.events.count - left} events sent to ${destination.label}${left ? `, ${left} refused again` : ''}\n`,
      );
    }
  } finally {
    await Promise.all([...opened.values()].map((destination) => destination.close()));
  }
  return refused > 0 ? 1 : 0;
}

async function chosen(desk: DlqDesk, names: readonly string[], flags: ReplayFlags): Promise<Named[]> {
  if (names.length > 0 && (flags.all || flags.source !== undefined)) {
    throw new SettingsError('bad usage', ['names do not go with --all and --source']);
  }
  if (names.length > 0) {
    return Promise.all(names.map(async (name) => ({ name, letter: await readLetter(desk, name) })));
  }
  if (!flags.all && flags.source === undefined) {
    throw new SettingsError('bad usage', ['say which: names as "dlq list" tells them, --source <name> or --all']);
  }
  const letters = await listLetters(desk, flags.source, Number.POSITIVE_INFINITY);
  return letters.reverse();
}

/** The destination that a letter goes to. @throws CommandError when the config does not tell */
function target({ config }: DlqDesk, letter: Letter, told: string | undefined): DestinationConfig {
  const found = allSources(config).find(({ name }) => name === letter.source);
  if (!found)
    throw new CommandError(`the config has no source "${letter.source}": its dead letters have nowhere to go`);
  const all = destinationsOf(found.source, config);
  const names = all.map(destinationName).join(', ');
  const named = all.filter((to) => destinationName(to) === (told ?? letter.destinationName));
  const alike = all.filter(({ type }) => letter.destination.startsWith(type));
  const [to, ...others] = told !== undefined || named.length > 0 ? named : all.length === 1 ? all : alike;
  if (!to || others.length > 0) {
    throw new CommandError(
      `${letter.source} has several destinations, or none of that name: say one by --destination: ${names}`,
    );
  }
  if (to.type === 's3') {
    throw new CommandError(
      `the objects of an s3 destination are numbered by the running shipper: nothing can be added to ${letter.source}`,
    );
  }
  return to;
}

/** @returns how many events were refused again: they are dead letters as before, those of them alone when others were not */
async function send(desk: DlqDesk, letter: Letter, destination: Destination, name: string): Promise<number> {
  const refused: DeadLetter[] = [];
  const { source, events } = letter;
  const signal = new AbortController().signal;
  const outcome = await deliver(
    { source, records: events, number: 1, after: {} },
    {
      destination,
      destinationName: name,
      deadLetters: { write: (again) => Promise.resolve(String(refused.push(again))) },
      retry: desk.config.retry,
      clock: systemClock,
      log: desk.log,
      metrics: createFlickerMetrics().metrics,
      signal,
      onPaused: (reason) => {
        throw new CommandError(`${destination.label} cannot take the events of ${source} now: ${reason}`);
      },
    },
  );
  if (outcome.kind === 'superseded') return events.count;
  if (outcome.delivered > 0) {
    const kept = createDeadLetters(desk.location, {
      s3: desk.config.dead_letter ? desk.aws.s3 : desk.aws.registryS3,
      clock: systemClock,
    });
    for (const again of refused) await kept.write(again, signal);
  }
  return outcome.deadLettered;
}
