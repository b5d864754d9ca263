import { createHash } from 'node:crypto';

/** Longest name that is kept whole: a segment of a file path may have 255 bytes. */
const LONGEST = 180;

/**
 * A source name as one segment of an object key or a path. Letters, digits, `.`, `_` and `-` stay, every other byte
 * becomes `!` and two hexadecimal digits; `!` is among the characters that S3 calls safe. Two names never give the same
 * segment; of a very long one the end is replaced by its hash.
 */
export function safeName(source: string): string {
  let name = '';
  for (const byte of Buffer.from(source)) {
    const letter = String.fromCharCode(byte);
    name += /[A-Za-z0-9._-]/.test(letter) ? letter : `!${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  if (/^\.*$/.test(name)) name = name === '' ? '!' : name.replaceAll('.', '!2E');
  if (name.length <= LONGEST) return name;
  return `${name.slice(0, LONGEST - 50)}!!${createHash('sha256').update(source).digest('hex').slice(0, 48)}`;
}
