import { validateHeaderName, validateHeaderValue } from 'node:http';

/** @throws Error naming a header that cannot be sent, never its value. `of` tells whose it is */
export function checkHeaders(headers: Readonly<Record<string, string>>, of: string): void {
  for (const [name, value] of Object.entries(headers)) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      const hint = name === 'authorization' ? ' (a token that ends in a line break?)' : '';
      throw new Error(`header "${name}" of ${of} holds characters that a header cannot carry${hint}`);
    }
  }
}
