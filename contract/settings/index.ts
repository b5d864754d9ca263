import type { z } from 'zod';

export * from './references';
export * from './scalars';

/** A settings text that does not obey its contract. `problems` has one line for each fault, with its key. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';

  constructor(
    what: string,
    readonly problems: readonly string[],
  ) {
    super(`${what}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/** Parses a value with a schema; every fault becomes one line `key: what is wrong`. @throws SettingsError */
export function parseSettings<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const result = schema.safeParse(value, { reportInput: false });
  if (result.success) return result.data;
  throw new SettingsError(what, [...new Set(result.error.issues.flatMap(issueLines))]);
}

function issueLines(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const deepest = issue.errors.reduce((a, b) => (depth(b) > depth(a) ? b : a));
    return deepest.flatMap((inner) => issueLines({ ...inner, path: [...issue.path, ...inner.path] }));
  }
  return [`${keyOf(issue.path) || '(top level)'}: ${issue.message}`];
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

function keyOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (key, part) => (typeof part === 'number' ? `${key}[${part}]` : key ? `${key}.${String(part)}` : String(part)),
    '',
  );
}
