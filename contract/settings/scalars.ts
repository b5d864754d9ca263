import { z } from 'zod';

/**
 * How a settings text is read. `final`: every `${NAME}` is expanded, values are checked in full. `template`: strings
 * may still hold `${NAME}` or a CDK token, which is checked only where it is known.
 */
export type SettingsMode = 'final' | 'template';

const durationUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const sizeUnits = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** True when a string holds something that is filled in later: `${NAME}` or a CDK token. */
export function isPending(value: string): boolean {
  return value.includes('${');
}

function quantity(units: Readonly<Record<string, number>>, bare: string, examples: string) {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?)\\s*(${Object.keys(units).join('|')})?$`);
  return (mode: SettingsMode, bounds: { min?: number; max?: number } = {}) =>
    z
      .union([
        z.number(),
        z.string().regex(mode === 'final' ? pattern : /./, {
          error: `expected a number of ${bare} or a text such as ${examples}`,
        }),
      ])
      .transform((value, context): number => {
        if (typeof value === 'string' && mode === 'template' && isPending(value)) return Number.NaN;
        const match = typeof value === 'string' ? pattern.exec(value) : undefined;
        const exact = match ? Number(match[1]) * (units[match[2] ?? bare] ?? Number.NaN) : Number(value);
        // A decimal such as 8207.146 s is a hair off a whole number in binary.
        const amount = Number(exact.toPrecision(15));
        const { min = 0, max = Number.MAX_SAFE_INTEGER } = bounds;
        if (!Number.isInteger(amount) || amount < min || amount > max) {
          context.addIssue({
            code: 'custom',
            input: value,
            message: `expected a whole number of ${bare} from ${min} to ${max}, or a text such as ${examples}; got ${JSON.stringify(value)}`,
          });
          return z.NEVER;
        }
        return amount;
      });
}

/** A duration: a number of milliseconds, or `500ms`, `30s`, `5m`, `1h`. Parsed to milliseconds. */
export const duration = quantity(durationUnits, 'ms', '"30s" or "5m"');

/** A size: a number of bytes, or `64KiB`, `10MiB`, `1GB`. Parsed to bytes. */
export const size = quantity(sizeUnits, 'B', '"64KiB" or "10MiB"');

/** Text that must pass a check once it is complete. */
export function text(mode: SettingsMode, check: (value: string) => boolean, expected: string) {
  return z
    .string()
    .refine((value) => (mode === 'template' && isPending(value)) || check(value), { error: `expected ${expected}` });
}

/** An absolute http or https URL. */
export function httpUrl(mode: SettingsMode) {
  return text(mode, isHttpUrl, 'an absolute URL that starts with http:// or https://');
}

/** The name of a host, without scheme, port or path. */
export function hostname(mode: SettingsMode) {
  return text(
    mode,
    (value) => /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/i.test(value),
    'a host name such as "company.example.com", without "https://" and path',
  );
}

function isHttpUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

/** An object whose unknown keys are errors that name the nearest known key. */
export function strictObject<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
  hints: Readonly<Record<string, string>> = {},
) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const keys: readonly string[] = issue.keys;
      return keys.map((key) => hints[key] ?? unknownKey(key, known)).join('; ');
    },
  });
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return `unknown key "${key}"${near ? `, did you mean "${near}"?` : `; known keys: ${known.join(', ')}`}`;
}

/** The candidate with the smallest edit distance, when it is near enough to be a slip of the pen. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const [best] = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.max(2, word.length / 3) ? best.candidate : undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitute, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
