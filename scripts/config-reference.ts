import { flickerCallFlags, flickerConfigJsonSchema, flickerEvents, flickerMetrics, flickerSettings } from '../contract';
import { z } from 'zod';
import { code, rows } from './markdown';

/** The part of JSON Schema that the contract's schemas use. */
export const schemaNode = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  additionalProperties: z.unknown().optional(),
});
export type SchemaNode = z.output<typeof schemaNode>;

/** docs/flicker-config.md: every key, flag, variable, metric and log event, from the contract. */
export function configReference(): string {
  const root = configSchema();
  const sections = [
    '# flicker: every key\n\nWritten from the contract by `npm run docs`. Durations are milliseconds or texts such as `30s`, `5m`; sizes are\nbytes or texts such as `64KiB`, `10MiB`. `${NAME}` and `${NAME:-default}` in texts are filled in from the environment;\n`$${` is a literal `${`. An unknown key is an error that names the nearest known one.\n\nAn editor completes and checks the file with the JSON Schema of the package:\n\n```yaml\n# yaml-language-server: $schema=node_modules/holdfast/dist/schema/flicker.json\n```',
    '## Config file',
    table(keysOf(root, '')),
    'An `api_sources` entry with `preset: …` has other keys: see [presets](presets.md).',
    '## Destinations',
    ...destinations(root),
    '## Masking',
    table(keysOf(at(root, 'log_files', 'masking'), 'masking')),
    '## Settings of the process',
    rows(
      ['flag', 'variable', 'what it does'],
      Object.values(flickerSettings).map(({ flag, env, describe }) => [flag ? code(flag) : '', code(env), describe]),
    ),
    '## Flags of one call',
    rows(
      ['flag', 'what it does'],
      Object.values(flickerCallFlags).map(({ flag, describe }) => [code(flag), describe]),
    ),
    '## Metrics',
    rows(
      ['metric', 'type', 'labels', 'what it tells'],
      Object.values(flickerMetrics).map(({ name, type, labels, help }) => [
        code(name),
        type,
        labels.map(code).join(', '),
        help,
      ]),
    ),
    '## Log events',
    `The field \`event\` of every log line is one of: ${Object.values(flickerEvents).map(code).join(', ')}.`,
  ];
  return `${sections.join('\n\n')}\n`;
}

/** The JSON Schema of the config file with every reference filled in. */
export function configSchema(): SchemaNode {
  const schema = z
    .looseObject({ $defs: z.record(z.string(), z.unknown()).default({}) })
    .parse(flickerConfigJsonSchema());
  const filled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(filled);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref, ...own } = value as Record<string, unknown>;
    const target = typeof $ref === 'string' ? filled(schema.$defs[$ref.replace('#/$defs/', '')]) : {};
    return {
      ...(target as object),
      ...Object.fromEntries(Object.entries(own).map(([key, item]) => [key, filled(item)])),
    };
  };
  return schemaNode.parse(filled(schema));
}

/** One of the schemas of an `api_sources` entry: that of a preset, or the one without. */
export function apiSourceNode(root: SchemaNode, preset: string | undefined): SchemaNode {
  const items = schemaNode.parse(schemaNode.parse(root.properties?.['api_sources']).items);
  const options = [...(items.anyOf ?? []), ...(items.oneOf ?? [])].map((option) => schemaNode.parse(option));
  const found = options.find(({ properties }) => schemaNode.parse(properties?.['preset'] ?? {}).const === preset);
  if (!found) throw new Error(`the schema has no api_sources entry for ${preset ?? 'sources without a preset'}`);
  return found;
}

export interface Key {
  readonly name: string;
  readonly type: string;
  readonly fallback: string;
  readonly what: string;
}

export function keysOf(node: SchemaNode, path: string): Key[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, value]) => {
    const key = schemaNode.parse(value);
    const full = path ? `${path}.${name}` : name;
    const required = node.required?.includes(name) ?? false;
    const own: Key = {
      name: full,
      type: typeOf(key),
      fallback: required
        ? 'required'
        : key.default === undefined || isObject(key.default)
          ? ''
          : code(JSON.stringify(key.default)),
      what: key.description ?? '',
    };
    return [own, ...below(key, full)];
  });
}

/** Keys that have a section of their own, because many places hold them. */
const shared = /\b(destination|masking)$/;

function below(node: SchemaNode, path: string): Key[] {
  if (shared.test(path)) return [];
  if (node.properties) return keysOf(node, path);
  // Those with a preset have a page of their own.
  if (path === 'api_sources') {
    const any = apiSourceNode(configSchema(), undefined);
    return keysOf({ ...any, properties: omit(any.properties ?? {}, 'preset') }, 'api_sources[]');
  }
  if (node.items) return below(schemaNode.parse(node.items), `${path}[]`);
  return [...(node.oneOf ?? []), ...(node.anyOf ?? [])].flatMap((option) => keysOf(schemaNode.parse(option), path));
}

/** A node by property names; lists are looked into. */
function at(node: SchemaNode, ...path: readonly string[]): SchemaNode {
  return path.reduce((from, name) => {
    const next = schemaNode.parse(from.properties?.[name]);
    return next.items ? schemaNode.parse(next.items) : next;
  }, node);
}

function destinations(root: SchemaNode): string[] {
  return (at(root, 'destination').oneOf ?? []).flatMap((option) => {
    const variant = schemaNode.parse(option);
    const type = schemaNode.parse(variant.properties?.['type']).const;
    const keys = keysOf(variant, 'destination').filter((key) => key.name !== 'destination.type');
    return [`### \`type: ${String(type)}\``, table(keys)];
  });
}

function typeOf(node: SchemaNode): string {
  if (node.enum) return node.enum.map((value) => code(String(value))).join(', ');
  if (node.const !== undefined) return code(String(node.const));
  if (node.items) return `list of ${typeOf(schemaNode.parse(node.items))}`;
  const options = [...(node.anyOf ?? []), ...(node.oneOf ?? [])].map((option) => typeOf(schemaNode.parse(option)));
  if (options.length > 0) return [...new Set(options)].join(' or ');
  return Array.isArray(node.type) ? node.type.join(' or ') : (node.type ?? '');
}

function table(keys: readonly Key[]): string {
  return rows(
    ['key', 'type', 'default', 'what it does'],
    keys.map((key) => [code(key.name), key.type, key.fallback, key.what]),
  );
}

function omit(values: Record<string, unknown>, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key !== name));
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
