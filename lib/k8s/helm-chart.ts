import { Yaml } from 'cdk8s';
import type { z } from 'zod';
import { problem } from '../problem';

/** What stands in manifests where Helm has the names of release and namespace. */
export const HELM_RELEASE = 'zz9-release';
export const HELM_NAMESPACE = 'zz9-namespace';

export type HelmJson = z.core.util.JSONType;
export type HelmObject = Record<string, HelmJson>;

/** A field of an object: `spec.template.spec.containers[0].image` as a list of keys and indexes. */
export interface HelmField {
  readonly kind: string;
  /** Name of the object without that of the release, such as `-config`. @default '' */
  readonly suffix?: string;
  readonly path: readonly (string | number)[];
}

/**
 * A place where a value goes:
 * - `value`: the field is the value, and the value's default is what the field was,
 * - `text`: the field is this text, which holds Helm expressions,
 * - `block`: the field is the text that this expression makes, over several lines,
 * - `optional`: the field is there when the value is not empty,
 * - `append`: the value is a list that follows the items of this one.
 */
export type HelmPlace =
  | { readonly type: 'value'; readonly at: HelmField; readonly value: string }
  | { readonly type: 'text'; readonly at: HelmField; readonly text: string }
  | { readonly type: 'block'; readonly at: HelmField; readonly expression: string }
  | { readonly type: 'optional'; readonly at: HelmField; readonly value: string }
  | { readonly type: 'append'; readonly at: HelmField; readonly value: string };

/** A top-level key of `values.yaml`. */
export interface HelmValue {
  readonly description: string;
  readonly default: HelmJson;
  readonly schema: HelmObject;
}

export interface HelmChartProps {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** Manifests of a chart that was made for the names HELM_RELEASE and HELM_NAMESPACE. */
  readonly objects: readonly HelmObject[];
  readonly values: Readonly<Record<string, HelmValue>>;
  readonly places: readonly HelmPlace[];
  /** Objects that are made only when this expression is true, by kind and suffix. */
  readonly conditions?: Readonly<Record<string, string>>;
  /** Definitions that the schemas of values refer to as `#/$defs/…`. */
  readonly definitions?: HelmObject;
  /** What `helm install` says in the end. */
  readonly notes: string;
}

/**
 * The files of a Helm chart, by path, that makes the same objects as the manifests do when nothing is set: its defaults are
 * taken from them.
 */
export function helmChart(props: HelmChartProps): Record<string, string> {
  const { name, version, description, values, conditions = {} } = props;
  const files: Record<string, string> = {
    'Chart.yaml': Yaml.stringify({
      apiVersion: 'v2',
      name,
      description,
      type: 'application',
      version,
      appVersion: version,
    }),
    'values.yaml': Object.entries(values)
      .map(([key, { description: text, default: value }]) => `# ${text}\n${yamlOf({ [key]: value })}`)
      .join('\n'),
    'values.schema.json': `${JSON.stringify(valuesSchema(props))}\n`,
    'templates/NOTES.txt': `${props.notes.trimEnd()}\n`,
  };
  for (const object of props.objects) {
    const { kind, suffix } = idOf(object);
    const condition = conditions[`${kind}${suffix}`];
    const places = props.places.filter(({ at }) => at.kind === kind && (at.suffix ?? '') === suffix);
    const text = template(object, places);
    files[`templates/${kind.toLowerCase()}${suffix}.yaml`] =
      condition === undefined ? text : `{{- if ${condition} }}\n${text}{{- end }}\n`;
  }
  return files;
}

/** YAML, or JSON for what a YAML 1.1 parser would take as the end of a line. */
function yamlOf(value: HelmObject): string {
  const text = Yaml.stringify(value);
  const lineEnds = /[\u0085\u2028\u2029]/g;
  if (text.search(lineEnds) === -1) return text;
  const escape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return Object.entries(value)
    .map(([key, item]) => `${key}: ${JSON.stringify(item).replace(lineEnds, escape)}\n`)
    .join('');
}

/** The field of the object with this kind, as the manifests have it. @throws Error when there is none */
export function helmField(objects: readonly HelmObject[], { kind, suffix = '', path }: HelmField): HelmJson {
  const object = objects.find((candidate) => idOf(candidate).kind === kind && idOf(candidate).suffix === suffix);
  return path.reduce<HelmJson>((found, key) => child(found, key, kind, path), object ?? null);
}

function child(parent: HelmJson, key: string | number, kind: string, path: readonly (string | number)[]): HelmJson {
  const found =
    Array.isArray(parent) && typeof key === 'number'
      ? parent[key]
      : isObject(parent) && typeof key === 'string'
        ? parent[key]
        : undefined;
  if (found !== undefined) return found;
  throw problem({
    what: `${kind} of a Helm chart`,
    got: 'no such field',
    expected: path.join('.'),
    fix: 'correct the path',
  });
}

function isObject(value: HelmJson | undefined): value is HelmObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function idOf(object: HelmObject): { kind: string; suffix: string } {
  const { kind, metadata } = object;
  const name = isObject(metadata) ? metadata.name : undefined;
  return { kind: String(kind), suffix: String(name).replace(HELM_RELEASE, '') };
}

function valuesSchema({ values, definitions }: HelmChartProps): HelmObject {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    // Helm adds `global` for parents of this chart.
    properties: {
      ...Object.fromEntries(
        Object.entries(values).map(([key, { description, schema }]) => [key, { description, ...schema }]),
      ),
      global: { type: 'object' },
    },
    required: Object.keys(values),
    additionalProperties: false,
    ...(definitions ? { $defs: definitions } : {}),
  };
}

const mark = (index: number) => `zz9-place-${index}-zz9`;
const marked = /^( *)(.*?)(?:: )?zz9-place-(\d+)-zz9(?:: zz9-place-\d+-zz9)?$/;

/** An object as a template: YAML with a mark at each place, and then the marks with what belongs there. */
function template(object: HelmObject, places: readonly HelmPlace[]): string {
  const copy = structuredClone(object);
  places.forEach((place, index) => put(copy, place, mark(index)));
  const yaml = Yaml.stringify(copy).replace(/\{\{|\}\}/g, (braces) => `{{ "${braces}" }}`);
  const lines = yaml.split('\n').flatMap((line) => {
    const [, indent = '', key = '', index] = marked.exec(line) ?? [];
    const place = index === undefined ? undefined : places[Number(index)];
    if (!place) return [line];
    const tree = place.type === 'value' && typeof helmField([object], place.at) === 'object';
    return expression(place, { indent, key, tree });
  });
  return lines
    .join('\n')
    .replaceAll(`${HELM_NAMESPACE}-${HELM_RELEASE}`, '{{ printf "%s-%s" .Release.Namespace .Release.Name | trunc 40 }}')
    .replaceAll(HELM_RELEASE, '{{ .Release.Name }}')
    .replaceAll(HELM_NAMESPACE, '{{ .Release.Namespace }}');
}

function put(object: HelmObject, { type, at }: HelmPlace, text: string): void {
  const last = at.path.at(-1);
  const inner = type === 'append' ? at.path : at.path.slice(0, -1);
  const parent = inner.reduce<HelmJson>((found, key) => child(found, key, at.kind, at.path), object);
  if (type === 'append' && Array.isArray(parent)) parent.push(text);
  else if (Array.isArray(parent) && typeof last === 'number') parent[last] = text;
  else if (isObject(parent) && typeof last === 'string' && type === 'optional') {
    delete parent[last];
    parent[text] = text;
  } else if (isObject(parent) && typeof last === 'string') parent[last] = text;
}

interface Line {
  readonly indent: string;
  readonly key: string;
  /** Whether the value is more than one word. */
  readonly tree: boolean;
}

function expression(place: HelmPlace, { indent, key, tree }: Line): string[] {
  const depth = indent.length;
  switch (place.type) {
    case 'text':
      return [`${indent}${key}: ${JSON.stringify(place.text).replaceAll('\\"', '"')}`];
    case 'block':
      return [`${indent}${key}: |-`, `${indent}  {{- ${place.expression} | nindent ${depth + 2} }}`];
    case 'value':
      // JSON is YAML of one line, whatever a text holds.
      if (!tree) return [`${indent}${key}: {{ toJson .Values.${place.value} }}`];
      return [`${indent}${key}:`, `${indent}  {{- toYaml .Values.${place.value} | nindent ${depth + 2} }}`];
    case 'optional':
      return [
        `${indent}{{- with .Values.${place.value} }}`,
        `${indent}${String(place.at.path.at(-1))}:`,
        `${indent}  {{- toYaml . | nindent ${depth + 2} }}`,
        `${indent}{{- end }}`,
      ];
    case 'append':
      return [
        `${indent}{{- with .Values.${place.value} }}`,
        `${indent}{{- toYaml . | nindent ${depth} }}`,
        `${indent}{{- end }}`,
      ];
  }
}
