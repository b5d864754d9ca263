const BACKSLASH = 0x5c;

/** What follows the backslash of a control character; 0 where `\u00XX` is needed. */
const short = Uint8Array.from({ length: 0x20 }, (_, byte) => {
  const escapes = new Map([
    [8, 'b'],
    [9, 't'],
    [10, 'n'],
    [12, 'f'],
    [13, 'r'],
  ]);
  return (escapes.get(byte) ?? '\0').charCodeAt(0);
});
const hex = Buffer.from('0123456789abcdef');

/** For `writeEscaped`. */
export const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Writes `bytes[start, end)` as the inside of a JSON string, 4 bytes at once where it can: `out` needs 6 bytes for each,
 * and what stands behind the end is lost. @returns where it ended
 */
export function writeEscaped(out: DataView, at: number, bytes: DataView, start: number, end: number): number {
  let i = start;
  while (i <= end - 4) {
    const word = bytes.getInt32(i, true);
    out.setInt32(at, word, true);
    const found = specialBytes(word);
    if (found === 0) {
      i += 4;
      at += 4;
      continue;
    }
    const before = (31 - Math.clz32(found & -found)) >> 3;
    at = writeEscape(out, at + before, bytes.getUint8(i + before));
    i += before + 1;
  }
  for (; i < end; i++) {
    const byte = bytes.getUint8(i);
    if (specialBytes(byte | 0x61616100) === 0) out.setUint8(at++, byte);
    else at = writeEscape(out, at, byte);
  }
  return at;
}

/** The high bit of the first of 4 bytes that is a quote, a backslash or below 0x20; later bits may be wrong. 0 for none. */
function specialBytes(word: number): number {
  const quote = word ^ 0x22222222;
  const backslash = word ^ 0x5c5c5c5c;
  return (
    (((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash) | ((word - 0x20202020) & ~word)) &
    0x80808080
  );
}

function writeEscape(out: DataView, at: number, byte: number): number {
  const letter = byte < 0x20 ? (short[byte] as number) : byte;
  out.setUint8(at, BACKSLASH);
  if (letter !== 0) {
    out.setUint8(at + 1, letter);
    return at + 2;
  }
  out.setUint8(at + 1, 0x75);
  out.setUint16(at + 2, 0x3030);
  out.setUint8(at + 4, hex[byte >> 4] as number);
  out.setUint8(at + 5, hex[byte & 15] as number);
  return at + 6;
}

/** Writes the decimal digits of a whole number from 0. @returns where they ended */
export function writeNumber(out: Uint8Array, at: number, number: number): number {
  let digits = 1;
  for (let limit = 10; number >= limit; limit *= 10) digits++;
  let rest = number;
  let i = at + digits;
  // Floating-point division only as long as the number needs it.
  while (rest > 0x7fffffff) {
    const next = Math.floor(rest / 10);
    out[--i] = 0x30 + (rest - next * 10);
    rest = next;
  }
  let small = rest | 0;
  while (i > at) {
    const next = (small / 10) | 0;
    out[--i] = 0x30 + (small - next * 10);
    small = next;
  }
  return at + digits;
}
