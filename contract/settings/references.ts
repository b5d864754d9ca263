/** `${NAME}` and `${NAME:-default}` in the string values of a settings text; `$${` stands for a literal `${`. */
export interface Reference {
  /** The variable. */
  readonly name: string;
  /** Key of the value that holds the reference: `api_sources[0].headers.Authorization`. */
  readonly key: string;
  readonly hasDefault: boolean;
}

export interface Expansion {
  readonly value: unknown;
  /** References without a default whose variable is not set. They are left as they are in `value`. */
  readonly unset: readonly Reference[];
  /** Keys of values with a `${` that is no reference. */
  readonly malformed: readonly string[];
}

const pattern = /(\$\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|(\$\{)/g;

/** Expands every reference from the variables given; a variable that is set but empty is set. */
export function expandReferences(value: unknown, variables: Readonly<Record<string, string | undefined>>): Expansion {
  const unset: Reference[] = [];
  const malformed: string[] = [];
  const expanded = mapStrings(value, '', (text, key) =>
    text.replace(pattern, (all, escaped?: string, name?: string, fallback?: string, broken?: string) => {
      if (escaped) return '${';
      if (broken || !name) {
        malformed.push(key);
        return all;
      }
      const found = variables[name] ?? fallback;
      if (found === undefined) unset.push({ name, key, hasDefault: false });
      return found ?? all;
    }),
  );
  return { value: expanded, unset, malformed };
}

/** Every reference in a settings text. `${` that is no reference (a CDK token, say) is passed over. */
export function listReferences(value: unknown): Reference[] {
  const found: Reference[] = [];
  mapStrings(value, '', (text, key) => {
    for (const match of text.matchAll(pattern)) {
      if (match[2]) found.push({ name: match[2], key, hasDefault: match[3] !== undefined });
    }
    return text;
  });
  return found;
}

/** The same value with every string in it replaced; object keys stay. */
export function mapStrings(value: unknown, key: string, replace: (text: string, key: string) => string): unknown {
  if (typeof value === 'string') return replace(value, key);
  if (Array.isArray(value)) return value.map((item, index) => mapStrings(item, `${key}[${index}]`, replace));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, mapStrings(item, key ? `${key}.${name}` : name, replace)]),
    );
  }
  return value;
}
