/** What the intrinsic functions of a deployed template are resolved against. */
export interface StackValues {
  readonly stackName: string;
  /** What `Ref` gives, by logical id or parameter name. */
  readonly refs: ReadonlyMap<string, string>;
  /** What `Ref` gives for the pseudo parameters (`AWS::Region` …). */
  readonly pseudo: Readonly<Record<string, string>>;
  /** Values of exports by name, of all stacks. */
  readonly exports: ReadonlyMap<string, string>;
  /** What `Fn::GetAtt` gives, or undefined when that is not known. */
  attribute(logicalId: string, name: string): string | undefined;
}

type Intrinsic = (argument: unknown, values: StackValues) => unknown;

/** `{ "Ref": "AWS::NoValue" }`: the property or element is left out. */
const noValue = Symbol('AWS::NoValue');

const intrinsics: Readonly<Record<string, Intrinsic>> = {
  Ref: (argument, values) => reference(text(argument, 'Ref'), values),
  'Fn::GetAtt': (argument, values) => {
    const [id, ...name] = typeof argument === 'string' ? argument.split('.') : list(argument, 'Fn::GetAtt', values);
    return attribute(text(id, 'Fn::GetAtt'), name.join('.'), values);
  },
  'Fn::Join': (argument, values) => {
    const [separator, parts] = list(argument, 'Fn::Join', values);
    return list(parts, 'Fn::Join', values).join(text(separator, 'Fn::Join'));
  },
  'Fn::Split': (argument, values) => {
    const [separator, whole] = list(argument, 'Fn::Split', values);
    return text(whole, 'Fn::Split').split(text(separator, 'Fn::Split'));
  },
  'Fn::Select': (argument, values) => {
    const [index, parts] = list(argument, 'Fn::Select', values);
    const selected = list(parts, 'Fn::Select', values)[Number(index)];
    if (selected === undefined) throw new Error(`Fn::Select asks for element ${String(index)} that its list lacks`);
    return selected;
  },
  'Fn::Sub': (argument, values) => {
    const [pattern, own] = typeof argument === 'string' ? [argument, {}] : list(argument, 'Fn::Sub', values);
    const names = new Map(Object.entries(own ?? {}));
    return text(pattern, 'Fn::Sub').replace(/\$\{(!?)([^}]+)\}/g, (_, literal: string, name: string) => {
      if (literal) return `\${${name}}`;
      if (names.has(name)) return text(names.get(name), 'Fn::Sub');
      const [id = '', ...rest] = name.split('.');
      return rest.length > 0 ? attribute(id, rest.join('.'), values) : text(reference(name, values), 'Fn::Sub');
    });
  },
  'Fn::ImportValue': (argument, values) => {
    const name = text(resolve(argument, values), 'Fn::ImportValue');
    const value = values.exports.get(name);
    if (value === undefined) throw new Error(`stack ${values.stackName} imports ${name}, which no stack exports`);
    return value;
  },
};

/**
 * A part of a template with its intrinsic functions replaced by their values.
 *
 * @throws Error on a function or a reference that is not known; its text names it.
 */
export function resolve(value: unknown, values: StackValues): unknown {
  const resolved = resolveNode(value, values);
  return resolved === noValue ? undefined : resolved;
}

function resolveNode(value: unknown, values: StackValues): unknown {
  if (Array.isArray(value)) return value.map((part) => resolveNode(part, values)).filter((part) => part !== noValue);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [first] = entries;
  if (first !== undefined && entries.length === 1 && /^(Ref$|Fn::)/.test(first[0])) {
    const [name, argument] = first;
    const intrinsic = intrinsics[name];
    if (intrinsic === undefined)
      throw new Error(
        `${name} in stack ${values.stackName} is not resolved here; known: ${Object.keys(intrinsics).join(', ')}`,
      );
    return intrinsic(argument, values);
  }
  return Object.fromEntries(
    entries.map(([key, part]) => [key, resolveNode(part, values)] as const).filter(([, part]) => part !== noValue),
  );
}

function reference(name: string, values: StackValues): string | typeof noValue {
  if (name === 'AWS::NoValue') return noValue;
  const value = values.pseudo[name] ?? values.refs.get(name);
  if (value === undefined) throw new Error(`stack ${values.stackName} has no resource or parameter ${name}`);
  return value;
}

function attribute(id: string, name: string, values: StackValues): string {
  const value = values.attribute(id, name);
  if (value === undefined) throw new Error(`attribute ${name} of ${id} in stack ${values.stackName} is not known here`);
  return value;
}

function list(argument: unknown, name: string, values: StackValues): readonly unknown[] {
  const resolved = resolve(argument, values);
  if (!Array.isArray(resolved)) throw new Error(`${name} needs a list`);
  return resolved;
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string' && typeof value !== 'number') throw new Error(`${name} needs a text`);
  return String(value);
}
