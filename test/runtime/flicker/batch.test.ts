import fc from 'fast-check';
import { BatchBuilder, recordFrame, type Records } from '../../../runtime/flicker/batch';
import { viewOf, writeEscaped, writeNumber } from '../../../runtime/flicker/escape';

const frame = recordFrame('/var/log/ä"\\.log', 'abc-', true);
const texts = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text).toString()),
  fc.string({ unit: fc.constantFrom('"', '\\', '\t', '\x01', '\x1f', 'a', '日', '😀', '\x7f', '€') }),
  fc.string({ minLength: 20, maxLength: 300 }),
);
const parse = (records: Records) => JSON.parse(records.body('array').toString()) as unknown;

/** The same lines, each at some place of one chunk. */
function fill(builder: BatchBuilder, lines: readonly string[], pad = 0): boolean {
  const chunk = Buffer.from('\n'.repeat(pad) + lines.join('\n'));
  let at = pad;
  return lines.every((line) => {
    const start = at;
    at += Buffer.byteLength(line) + 1;
    return builder.addLine(frame, chunk, start, at - 1, start - pad);
  });
}

function expected(lines: readonly string[]) {
  let at = 0;
  return lines.map((line) => {
    const id = `abc-${at}`;
    at += Buffer.byteLength(line) + 1;
    return { path: '/var/log/ä"\\.log', line, id };
  });
}

test('lines become the records that JSON.stringify would make', () => {
  fc.assert(
    fc.property(fc.array(texts), fc.nat(9), (lines, pad) => {
      const builder = new BatchBuilder(1000, 10_000_000);
      expect(fill(builder, lines, pad)).toBe(true);
      const { records } = builder.take();
      const wanted = expected(lines).map((record) => JSON.stringify(record));
      expect(records.body('lines').toString()).toBe(wanted.map((json) => `${json}\n`).join(''));
      expect(records.body('array').toString()).toBe(`[${wanted.join(',')}]`);
      expect(wanted.map((_, i) => records.record(i).toString())).toEqual(wanted);
    }),
  );
});

test('lines given as text become the same bytes', () => {
  fc.assert(
    fc.property(texts, fc.nat(), (line, number) => {
      const bytes = new BatchBuilder(9, 9999);
      const text = new BatchBuilder(9, 9999);
      const chunk = Buffer.from(line);
      bytes.addLine(frame, chunk, 0, chunk.length, number);
      text.addTextLine(frame, line, number);
      expect(text.take().records.body('lines')).toEqual(bytes.take().records.body('lines'));
    }),
  );
  const lone = new BatchBuilder(9, 9999);
  lone.addTextLine(frame, 'a\ud800b', 1);
  lone.addText('p', '\udc00', undefined);
  expect(parse(lone.take().records)).toEqual([
    expect.objectContaining({ line: 'a\ud800b' }),
    { path: 'p', line: '\udc00' },
  ]);
});

test('a record that does not fit is turned away whole, and the batch must be taken then', () => {
  const line = 'é'.repeat(40);
  const adds = {
    addLine: (builder: BatchBuilder) => builder.addLine(frame, Buffer.from(line), 0, 80, 7),
    addTextLine: (builder: BatchBuilder) => builder.addTextLine(frame, line, 7),
    addText: (builder: BatchBuilder) => builder.addText('/var/log/app.log', line, 'id'),
  };
  for (const add of Object.values(adds)) {
    const builder = new BatchBuilder(9, 150);
    expect(add(builder)).toBe(true);
    expect(builder.full).toBe(false);
    expect(add(builder)).toBe(false);
    expect(builder).toMatchObject({ full: true, count: 1 });
    expect(parse(builder.take().records)).toEqual([expect.objectContaining({ line })]);
    expect(builder.full).toBe(false);
  }
});

test('escapes are those of JSON.stringify, for every byte, at every alignment', () => {
  const escaped = (data: Uint8Array, start: number, end: number, shift: number) => {
    const bytes = new Uint8Array(new ArrayBuffer(64), shift, data.length);
    bytes.set(data);
    const out = Buffer.alloc(300);
    return out.toString('latin1', 5, writeEscaped(viewOf(out), 5, viewOf(bytes), start, end));
  };
  // Latin-1 shows bytes as they are; JSON.stringify escapes nothing from 0x7f on.
  const wanted = (data: Uint8Array, start: number, end: number) =>
    JSON.stringify(Buffer.from(data).toString('latin1', start, end)).slice(1, -1);
  const bytes = fc.oneof(fc.nat(255), fc.constantFrom(0x22, 0x5c, 0x21, 0x23, 0x5b, 0x5d, 0x1f, 0x20, 0x80, 0xff));
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 40 }), fc.nat(7), fc.nat(40), fc.nat(40), (list, shift, a, b) => {
      const data = Uint8Array.from(list);
      const [start, end] = [Math.min(a, b, data.length), Math.min(Math.max(a, b), data.length)];
      expect(escaped(data, start, end, shift)).toBe(wanted(data, start, end));
    }),
    { numRuns: 500 },
  );
  for (let byte = 0; byte < 256; byte++) {
    for (let i = 0; i < 8; i++) {
      const data = new Uint8Array(8).fill(0x61);
      data[i] = byte;
      expect(escaped(data, 0, 8, 0)).toBe(wanted(data, 0, 8));
    }
  }
});

test('numbers', () => {
  const out = new Uint8Array(20);
  const write = (number: number) => Buffer.from(out.subarray(0, writeNumber(out, 0, number))).toString();
  const edges = [0, 9, 10, 99, 100, 0x7fffffff, 0x80000000, 0xffffffff, 2 ** 32, Number.MAX_SAFE_INTEGER];
  for (const number of edges) expect(write(number)).toBe(String(number));
  fc.assert(fc.property(fc.maxSafeNat(), (number) => write(number) === String(number)));
});

test('slices are the same records, and may be asked for bodies in any order', () => {
  fc.assert(
    fc.property(fc.array(texts, { minLength: 1 }), fc.nat(), fc.nat(), (lines, a, b) => {
      const builder = new BatchBuilder(1000, 10_000_000);
      fill(builder, lines);
      const { records } = builder.take();
      const [from, to] = [a % (lines.length + 1), b % (lines.length + 1)].sort((x, y) => x - y) as [number, number];
      const part = records.slice(from, to);
      records.body('lines');
      expect(part.count).toBe(to - from);
      expect(parse(part)).toEqual(expected(lines).slice(from, to));
      expect(parse(records)).toEqual(expected(lines));
      const middle = part.slice(0, part.count >> 1);
      expect(parse(middle)).toEqual(expected(lines).slice(from, from + middle.count));
      expect(parse(part)).toEqual(expected(lines).slice(from, to));
    }),
  );
});

test('a batch keeps its bounds exactly, and an empty one takes any line', () => {
  fc.assert(
    fc.property(
      fc.array(texts, { minLength: 1 }),
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 1, max: 9 }),
      (lines, bytes, events) => {
        const builder = new BatchBuilder(events, bytes);
        const chunks = lines.map((line) => Buffer.from(line));
        const sent: unknown[] = [];
        const ship = () => {
          const { records } = builder.take();
          expect(records.count).toBeLessThanOrEqual(events);
          if (records.count > 1) expect(records.body('array').length).toBeLessThanOrEqual(bytes);
          sent.push(...(parse(records) as { line: string }[]).map((record) => record.line));
        };
        chunks.forEach((chunk, i) => {
          const add = () =>
            i % 2 ? builder.addLine(frame, chunk, 0, chunk.length, i) : builder.addTextLine(frame, chunk.toString(), i);
          if (add()) return;
          expect(builder.full).toBe(true);
          ship();
          expect(add()).toBe(true);
        });
        ship();
        expect(sent).toEqual(lines);
        expect(builder.full).toBe(false);
      },
    ),
  );
});

test('the memory of a batch is used again when it was released, and only then', () => {
  const builder = new BatchBuilder(9, 1000);
  const take = (line: string) => {
    fill(builder, [line]);
    return builder.take().records;
  };
  const first = take('first');
  const second = take('second');
  expect(parse(first)).toEqual(expected(['first']));
  second.release();
  const third = take('third');
  const fourth = take('fourth');
  expect(parse(third)).toEqual(expected(['third']));
  expect(parse(fourth)).toEqual(expected(['fourth']));
  expect(parse(first)).toEqual(expected(['first']));
  const places = [first, second, third, fourth].map((records) => records.body('array').byteOffset);
  const memories = [first, second, third, fourth].map((records) => records.body('array').buffer);
  expect(memories[3] === memories[1] && places[3] === places[1]).toBe(true);
  expect(memories[2] === memories[0] && places[2] === places[0]).toBe(false);
});

test('the state after a batch is that of the last change of each part', () => {
  const builder = new BatchBuilder(9, 999);
  expect(builder.dirty).toBe(false);
  const entry = {
    source: 's',
    path: 'p',
    generation: 0,
    offset: 1,
    idHash: 'h',
    fingerprint: { bytes: 0, hash: '' },
    seenAt: '',
  };
  builder.advance({ files: { a: entry, b: entry } });
  builder.advance({ files: { a: { ...entry, offset: 2 }, b: null }, position: { x: 1 } });
  builder.advance({ position: { x: 2 } });
  expect(builder.dirty).toBe(true);
  expect(builder.take().after).toEqual({ files: { a: { ...entry, offset: 2 }, b: null }, position: { x: 2 } });
  expect(builder.dirty).toBe(false);
  expect(builder.take().after).toEqual({});
});
