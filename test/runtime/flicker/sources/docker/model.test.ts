import fc from 'fast-check';
import type { LogEntry } from '../../../../../runtime/flicker/sources/docker/frames';
import { multiplexed, terminal } from '../../../../../runtime/flicker/sources/docker/frames';
import type { FlickerState } from '../../../../../runtime/flicker/state';
import { Harness } from './harness';

const text = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: fc.constantFrom('a', 'é', '😀', ' ', '\n'), maxLength: 12 }) },
  { weight: 1, arbitrary: fc.nat(40_000).map((n) => 'é'.repeat(n)) },
  { weight: 4, arbitrary: fc.constant('\n') },
);

type Step =
  | { readonly do: 'write'; readonly stream: 'stdout' | 'stderr'; readonly text: string; readonly cut: number }
  | { readonly do: 'pass'; readonly nanos: number }
  | { readonly do: 'poll'; readonly batches: number }
  /** Starts again from a save that is so many polls old. */
  | { readonly do: 'restart'; readonly back: number }
  | { readonly do: 'exit' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write'),
      stream: fc.constantFrom('stdout', 'stderr'),
      text,
      cut: fc.nat(100),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass'), nanos: fc.constantFrom(1, 1000, 1_000_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('poll'), batches: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart'), back: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('exit') }) },
);

const grouped = { continuation_pattern: '^ ' };

test.each([{ tty: false }, { tty: true }, { tty: false, multiline: grouped }])(
  'every line once, byte for byte, whatever is saved: %j',
  async ({ tty, multiline }) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.integer({ min: 1, max: 5 }),
        async (steps, batchEvents) => {
          const at = await Harness.create({ container: 'app', start_at: 'beginning', ...(multiline && { multiline }) });
          at.batchEvents = batchEvents;
          const app = at.docker.run({ name: 'app', tty });
          const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
          const saves: FlickerState[] = [];
          const save = () => void saves.push(structuredClone(at.state));
          try {
            await at.start();
            save();
            for (const next of steps) {
              if (next.do === 'write') {
                const bytes = Buffer.from(next.text);
                // Written in two pieces, wherever the cut is.
                const cut = Math.floor((bytes.length * next.cut) / 100);
                for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) app.write(next.stream, piece);
                written[tty ? 'stdout' : next.stream].push(bytes);
              } else if (next.do === 'pass') at.nanos += BigInt(next.nanos);
              else if (next.do === 'exit') {
                app.exit();
                for (const stream of [written.stdout, written.stderr]) stream.push(Buffer.from('\n'));
                app.start();
              } else {
                if (next.do === 'poll') await at.poll(next.batches);
                else await at.start(saves.at(-1 - (next.back % saves.length)));
                save();
              }
            }
            app.exit();
            at.pass(5000);
            // The first ends what an interrupted one began.
            for (let polls = 0; polls < 2; polls++) await at.poll();
            for (const stream of ['stdout', 'stderr'] as const) {
              const mine = at.shipped.filter((event) => event.attributes?.['log.iostream'] === stream);
              const lines = [...new Map(mine.map(({ id, line }) => [id, line])).entries()].sort(byPlace);
              // Nothing was read again as something else.
              for (const { id, line } of mine) expect(lines).toContainEqual([id, line]);
              const expected = Buffer.concat(written[stream]).toString().split('\n');
              expect(lines.flatMap(([, line]) => line.split('\n'))).toEqual(expected.filter((line) => line !== ''));
            }
          } finally {
            await at.end();
          }
        },
      ),
      { numRuns: 12 },
    );
  },
);

function byPlace([a]: [string, string], [b]: [string, string]): number {
  const key = (id: string) => {
    const [, nanos = '', index = ''] = /-(\d+)-e?(\d+)/.exec(id) ?? [];
    return [BigInt(nanos), BigInt(index)] as const;
  };
  const [left, right] = [key(a), key(b)];
  return Number(left[0] - right[0]) || Number(left[1] - right[1]);
}

test('answers may come in any pieces', () => {
  const entry = fc.record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    bytes: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte > 13))),
    partial: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(entry), fc.array(fc.integer({ min: 1, max: 60 })), (entries, cuts) => {
      const time = '2024-01-01T00:00:00.000000000Z';
      const wanted: LogEntry[] = entries.map((one) => ({ ...one, time }));
      const frames = wanted.map(({ stream, bytes, partial }) => {
        const body = Buffer.concat([Buffer.from(`${time} `), bytes, Buffer.from(partial ? '' : '\n')]);
        const header = Buffer.from([stream === 'stdout' ? 1 : 2, 0, 0, 0, 0, 0, 0, body.length]);
        return Buffer.concat([header, body]);
      });
      expect(inPieces(Buffer.concat(frames), cuts, multiplexed())).toEqual(wanted);
      const lines = wanted.map((one) => ({ ...one, stream: 'stdout' as const, partial: false }));
      const text = lines.map(({ bytes }) => Buffer.concat([Buffer.from(`${time} `), bytes, Buffer.from('\r\n')]));
      expect(inPieces(Buffer.concat(text), cuts, terminal())).toEqual(lines);
    }),
  );
});

function inPieces(bytes: Buffer, cuts: readonly number[], decode: (chunk: Buffer) => LogEntry[]): LogEntry[] {
  const entries: LogEntry[] = [];
  let at = 0;
  for (const cut of [...cuts, bytes.length]) entries.push(...decode(bytes.subarray(at, (at += cut))));
  return entries;
}

test('what is no log is refused', () => {
  expect(() => multiplexed()(Buffer.from('HTTP/1.1 200 OK\r\n'))).toThrow('does not send a log');
  expect(() => multiplexed()(Buffer.from([3, 0, 0, 0, 0, 0, 0, 1, 65]))).toThrow('cannot read its log any further');
  expect(() => terminal()(Buffer.from('no time here, and none to come so far\n'))).not.toThrow();
  expect(() => terminal()(Buffer.from('a-line-without-any-space-that-is-longer-than-a-time\n'))).toThrow(
    'without times',
  );
});
