/** One value that differs. `undefined`: not there. */
export interface Difference {
  readonly path: readonly string[];
  readonly before: unknown;
  readonly after: unknown;
}

/** Where two JSON values differ, down to the smallest object that has both. */
export function differences(before: unknown, after: unknown, path: readonly string[] = []): Difference[] {
  if (isObject(before) && isObject(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].flatMap((name) => differences(own(before, name), own(after, name), [...path, name]));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, before, after }];
}

/** A path as people write it: `sources.okta.position.watermark`, and `files["node/1-2-0"].offset`. */
export function pathText(path: readonly string[]): string {
  return path.reduce(
    (text, name) =>
      /^[\w-]+$/.test(name) ? `${text}${text === '' ? '' : '.'}${name}` : `${text}[${JSON.stringify(name)}]`,
    '',
  );
}

/** Never what an object inherits: names are foreign. */
function own(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
