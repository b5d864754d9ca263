import { SettingsError } from '../../../contract';
import { printable, shortened, table } from '../commands/table';
import { listLetters, readLetter, type DlqDesk, type DlqFlags } from './desk';
import type { Letter } from './letter';

/** Longest reason in the table. */
const REASON = 60;

/** `flicker dlq list`. */
export async function list(desk: DlqDesk, flags: DlqFlags & { readonly limit: string }): Promise<number> {
  const limit = Number(flags.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new SettingsError('bad usage', ['--limit: expected a whole number']);
  const letters = await listLetters(desk, flags.source, limit);
  if (flags.json) {
    for (const { name, bytes, letter } of letters) {
      const { events, ...facts } = letter;
      print(JSON.stringify({ name, bytes, ...facts, events: events.count }));
    }
  } else if (letters.length === 0) print(`no dead letters in ${desk.store.location}`);
  else {
    process.stdout.write(
      table(
        ['WRITTEN', 'SOURCE', 'DESTINATION', 'EVENTS', 'REASON', 'NAME'],
        letters.map(({ name, letter }) => [
          letter.time,
          letter.source,
          named(letter),
          String(letter.events.count),
          shortened(letter.reason, REASON),
          name,
        ]),
      ),
    );
  }
  return 0;
}

/** `flicker dlq show`. */
export async function show(desk: DlqDesk, name: string, flags: DlqFlags): Promise<number> {
  const letter = await readLetter(desk, name);
  const { source, reason, time, events } = letter;
  if (!flags.json) {
    const facts = { source, destination: named(letter), reason, written: time, events: String(events.count) };
    for (const [fact, value] of Object.entries(facts)) print(`${fact.padEnd(12)} ${printable(value)}`);
    print('');
  }
  for (let i = 0; i < events.count; i++) print(events.record(i).toString());
  return 0;
}

/** The destination of a letter, by its name where that is not its type. */
function named({ destination, destinationName }: Letter): string {
  const tells = destinationName !== undefined && !destination.startsWith(destinationName);
  return tells ? `${destinationName} (${destination})` : destination;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
