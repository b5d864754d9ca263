import { appendFileSync as append, mkdirSync, readdirSync, readFileSync, renameSync as rename } from 'node:fs';
import { dirname } from 'node:path';
import fc from 'fast-check';
import type { FlickerState } from '../../../../../runtime/flicker/state';
import { Harness } from './harness';

interface Piece {
  readonly stream: string;
  readonly text: string;
  readonly partial: boolean;
}

type Step =
  /** Writes pieces of lines, all but the last `cut` bytes, which come with the next write. */
  | { readonly do: 'append'; readonly pieces: readonly Piece[]; readonly cut: number }
  | { readonly do: 'rotate' }
  | { readonly do: 'poll'; readonly batches: number }
  /** Starts again from a save that is so many polls old. */
  | { readonly do: 'restart'; readonly back: number };

const letters = fc.constantFrom('a', '"', 'é', '😀', ' ', '\t');
const piece = fc.record({
  stream: fc.constantFrom('stdout', 'stderr'),
  text: fc.oneof(
    { weight: 20, arbitrary: fc.string({ unit: letters, maxLength: 12 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 300_000 }).map((length) => 'x'.repeat(length)) },
  ),
  partial: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('append'), pieces: fc.array(piece, { maxLength: 8 }), cut: fc.nat(50) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rotate') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('poll'), batches: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart'), back: fc.nat(3) }) },
);

/** The events of a file, as `<offset>[+joined] <text>`, made of the whole of it in one go. */
function eventsOf(file: Buffer, cri: boolean, continues: (line: string) => boolean): string[] {
  const open = new Map<string, { start: number; parts: string[]; pieces: number; partial: boolean }>();
  const events: string[] = [];
  const end = (stream: string) => {
    const event = open.get(stream);
    open.delete(stream);
    if (!event || (event.pieces === 1 && event.parts[0] === '' && !event.partial)) return;
    const more = event.partial ? '…[continues]' : '';
    events.push(`${event.start}${event.pieces > 1 ? `+${event.pieces - 1}` : ''} ${event.parts.join('')}${more}`);
  };
  let start = 0;
  for (const line of file.toString().split('\n').slice(0, -1)) {
    const [, stream = '', tag = 'F', text = line] = (cri && /^\S+ (\S+) (\S) (.*)$/s.exec(line)) || [];
    const before = open.get(stream);
    if (before?.partial) before.parts.push(text);
    else if (before && continues(text)) before.parts.push(`\n${text}`);
    else {
      end(stream);
      if (text !== '' || tag === 'P') open.set(stream, { start, parts: [text], pieces: 0, partial: false });
    }
    const now = open.get(stream);
    if (now) Object.assign(now, { pieces: now.pieces + 1, partial: tag === 'P' });
    start += Buffer.byteLength(line) + 1;
  }
  for (const stream of [...open.keys()]) end(stream);
  return events;
}

const never = () => false;
const indented = (line: string) => line.startsWith(' ');

test.each([
  { format: 'cri', multiline: undefined, continues: never },
  { format: 'cri', multiline: { continuation_pattern: '^ ' }, continues: indented },
  { format: 'cri', multiline: { start_pattern: '^(?:[^ ]|$)' }, continues: indented },
  { format: 'plain', multiline: { continuation_pattern: '^ ' }, continues: indented },
])('every event once, byte for byte, whatever is saved: %j', async ({ format, multiline, continues }) => {
  const cri = format === 'cri';
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.integer({ min: 1, max: 5 }), async (steps, batchEvents) => {
      const at = new Harness({ path: 'ns_pod_uid/app/0.log', start_at: 'beginning', format, multiline });
      at.batchEvents = batchEvents;
      const file = at.path('ns_pod_uid/app/0.log');
      const folder = dirname(file);
      mkdirSync(folder, { recursive: true });
      append(file, '');
      const saves: FlickerState[] = [];
      let rest = Buffer.alloc(0);
      let rotations = 0;
      let tick = 0;
      const time = () => `2024-01-01T00:00:00.${String(tick++).padStart(9, '0')}Z`;
      const write = (cut: number) => {
        const now = Math.max(0, rest.length - cut);
        append(file, rest.subarray(0, now));
        rest = rest.subarray(now);
      };
      try {
        await at.start();
        saves.push(at.state);
        for (const next of steps) {
          switch (next.do) {
            case 'append': {
              const lines = next.pieces.map(({ stream, text, partial }) =>
                Buffer.from(cri ? `${time()} ${stream} ${partial ? 'P' : 'F'} ${text}\n` : `${text}\n`),
              );
              rest = Buffer.concat([rest, ...lines]);
              write(next.cut);
              break;
            }
            case 'rotate':
              write(0);
              await at.poll(1);
              rename(file, `${file}.20240101-00000${rotations++}`);
              append(file, '');
              await at.poll(1);
              saves.push(at.state);
              break;
            case 'poll':
              await at.poll(1, next.batches);
              saves.push(at.state);
              break;
            case 'restart':
              await at.start(saves.at(-1 - (next.back % saves.length)));
              saves.push(at.state);
              break;
          }
        }
        write(0);
        // What waits for more waits for so long.
        for (let polls = 0; polls < 3; polls++) await at.poll(5000);
        const expected = readdirSync(folder).flatMap((name) =>
          eventsOf(readFileSync(`${folder}/${name}`), cri, continues),
        );
        const shipped = new Map(at.shipped.map(({ id, line }) => [id, line]));
        const found = [...shipped].map(([id, line]) => `${id.slice(id.indexOf('-') + 1)} ${line}`);
        expect(found.sort()).toEqual(expected.sort());
        // What is read again is what it was.
        for (const { id, line } of at.shipped) expect(shipped.get(id)).toBe(line);
      } finally {
        await at.end();
      }
    }),
    { numRuns: 12 },
  );
});
