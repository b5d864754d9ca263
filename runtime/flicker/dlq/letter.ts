import { z } from 'zod';
import { readRecords, type Records } from '../batch';

/** One line of a file of dead letters. */
const letterLine = z.looseObject({
  event: z.looseObject({ line: z.string().optional() }),
  error: z.string(),
  destination: z.string(),
  destinationName: z.string().optional(),
  attempts: z.number(),
  source: z.string(),
  time: z.string(),
});

/** The events of one request that a destination refused. */
export interface Letter {
  readonly source: string;
  /** The label of the destination. */
  readonly destination: string;
  /** Its name within the source; older letters do not tell it. */
  readonly destinationName: string | undefined;
  readonly reason: string;
  readonly time: string;
  readonly events: Records;
}

/** Reads a file of dead letters. @throws Error when it is none */
export function parseLetter(bytes: Buffer): Letter {
  const lines = bytes.toString().split('\n').slice(0, -1);
  const parsed = lines.map((text) => ({ text, line: letterLine.parse(JSON.parse(text)) }));
  const [first] = parsed;
  if (!first) throw new Error('it is empty');
  const { source, destination, destinationName, error, time } = first.line;
  const events = parsed.map(({ text, line }) => `${eventOf(text, line)}\n`).join('');
  return { source, destination, destinationName, reason: error, time, events: readRecords(Buffer.from(events)) };
}

const HEAD = '{"event":';

/** The event as it was sent, to the byte: numbers in it may be longer than JavaScript keeps. */
function eventOf(text: string, line: z.output<typeof letterLine>): string {
  const { error, destination, destinationName, attempts, source, time } = line;
  const tail = `,${JSON.stringify({ error, destination, destinationName, attempts, source, time }).slice(1)}`;
  if (text.startsWith(HEAD) && text.endsWith(tail)) return text.slice(HEAD.length, -tail.length);
  return JSON.stringify(line.event);
}
