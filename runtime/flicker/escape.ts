const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** 1 for bytes that stand in a JSON string as they are when the text is valid UTF-8. */
const plain = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
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

/** The words of 4 bytes of a buffer, for `isPlain`; undefined where they would not be aligned. */
export function wordsOf(bytes: Uint8Array): Int32Array | undefined {
  return bytes.byteOffset % 4 === 0 ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : undefined;
}

/** Whether no byte in `bytes[start, end)` needs an escape in a JSON string. Looks at 4 bytes at once. */
export function isPlain(bytes: Uint8Array, words: Int32Array | undefined, start: number, end: number): boolean {
  let i = start;
  if (words !== undefined) {
    const aligned = Math.min((start + 3) & ~3, end);
    for (; i < aligned; i++) if (plain[bytes[i] as number] === 0) return false;
    const last = end >> 2;
    for (let at = i >> 2; at < last; at++) if (hasSpecial(words[at] as number) !== 0) return false;
    i = Math.max(i, last << 2);
  }
  for (; i < end; i++) if (plain[bytes[i] as number] === 0) return false;
  return true;
}

/** Not 0 when one of the 4 bytes is a quote, a backslash or below 0x20. Never 0 for such a word; exact. */
function hasSpecial(word: number): number {
  const quote = word ^ 0x22222222;
  const backslash = word ^ 0x5c5c5c5c;
  return (
    (((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash) | ((word - 0x20202020) & ~word)) &
    0x80808080
  );
}

/** Writes `bytes[start, end)` as the inside of a JSON string. @returns where it ended */
export function writeEscaped(out: Uint8Array, at: number, bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (plain[byte] === 1) {
      out[at++] = byte;
    } else if (byte >= 0x20) {
      out[at] = BACKSLASH;
      out[at + 1] = byte;
      at += 2;
    } else {
      at = writeControl(out, at, byte);
    }
  }
  return at;
}

function writeControl(out: Uint8Array, at: number, byte: number): number {
  const letter = short[byte] as number;
  out[at++] = BACKSLASH;
  if (letter !== 0) {
    out[at++] = letter;
    return at;
  }
  out[at++] = 0x75;
  out[at++] = 0x30;
  out[at++] = 0x30;
  out[at++] = hex[byte >> 4] as number;
  out[at++] = hex[byte & 15] as number;
  return at;
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
