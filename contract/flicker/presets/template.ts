/** What stands for the names of a template. */
export type Values = Readonly<Record<string, string | number | undefined>>;

const placeholder = /\{([a-z_]+)\}/g;

/** The names in a template. */
export function namesIn(template: string): string[] {
  return [...template.matchAll(placeholder)].map(([, name]) => name ?? '');
}

/** The template with its names filled in; undefined when a value is missing. */
export function fill(
  template: string,
  values: Values,
  write: (value: string | number) => string = String,
): string | undefined {
  if (namesIn(template).some((name) => values[name] === undefined)) return undefined;
  return template.replace(placeholder, (_, name: string) => write(values[name] ?? ''));
}
