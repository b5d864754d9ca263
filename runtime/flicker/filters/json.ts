/** The JSON object that a text is, and the text in one line; undefined for any other text. */
export function parseObject(text: string): { readonly value: object; readonly json: string } | undefined {
  const json = text.trim();
  if (!json.startsWith('{') || !json.endsWith('}')) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    // Line ends of JSON stand between its tokens, never in a string.
    return typeof value === 'object' && value !== null ? { value, json: json.replace(/[\r\n]+/g, ' ') } : undefined;
  } catch {
    return undefined; // no JSON: shipped as it is, and counted
  }
}

/** A string with the colon that makes it a key, a number, or the end of an object. */
const token = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\}/g;

/**
 * Masks keys, strings and numbers of a JSON text; all else stays as it is written. A rule that looks at a key together
 * with its value sees both in the forms in which JSON is usually written.
 */
export function maskJson(json: string, mask: (text: string) => string): string {
  let key = '';
  return json.replace(token, (found: string, string?: string, colon?: string) => {
    if (found === '}') {
      key = '';
      return found;
    }
    const text = string === undefined ? found : String(JSON.parse(string));
    if (colon !== undefined) {
      key = text;
      const masked = mask(text);
      return masked === text ? found : `${JSON.stringify(masked)}${colon}`;
    }
    const masked = maskValue(key, text, mask);
    return masked === text ? found : JSON.stringify(masked);
  });
}

/** A value with what rules replace in it, or in it and its key. */
export function maskValue(key: string, value: string, mask: (text: string) => string): string {
  const alone = mask(value);
  if (key === '') return alone;
  for (const between of ['":"', '": "']) {
    const before = `"${key}${between}`;
    const whole = mask(`${before}${alone}"`);
    // A replacement that does not leave the key and its colon alone took in the value as well.
    if (whole !== `${before}${alone}"` && whole !== `${mask(before)}${alone}"`) {
      return (whole.startsWith(before) ? whole.slice(before.length) : whole).replace(/^"|"$/g, '');
    }
  }
  return alone;
}
