// Makes what manifests are checked against in test/fixtures/kubernetes: strict JSON Schemas from the OpenAPI of a real API
// server, and the custom resource definitions, both without prose.
//   KUBEBUILDER_ASSETS=… tsx scripts/kubernetes-schemas.ts      (needs Go for the definitions)
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { startControlPlane } from '../dev/kube/control-plane';
import { establish } from '../dev/kube/definitions';

const folder = join(__dirname, '../test/fixtures/kubernetes');

/** The kinds that charts make, by API version. */
const kinds: Readonly<Record<string, readonly string[]>> = {
  v1: ['ConfigMap', 'Namespace', 'ServiceAccount'],
  'apps/v1': ['DaemonSet', 'Deployment'],
  'policy/v1': ['PodDisruptionBudget'],
  'networking.k8s.io/v1': ['NetworkPolicy'],
  'monitoring.coreos.com/v1': ['PodMonitor', 'PrometheusRule'],
  'serving.knative.dev/v1': ['Service'],
};

/** Go modules that hold definitions, all of them under Apache-2.0. */
const definitions = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    files: [
      'example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml',
      'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml',
    ],
  },
  { module: 'knative.dev/serving@v0.51.0', files: ['config/core/300-resources/service.yaml'] },
];

type Json = z.core.util.JSONType;
type JsonObject = Record<string, Json>;
const json = z.json();
const openApi = z.object({ components: z.object({ schemas: z.record(z.string(), z.record(z.string(), json)) }) });
const definition = z.looseObject({
  apiVersion: z.string(),
  kind: z.literal('CustomResourceDefinition'),
  metadata: z.object({ name: z.string() }),
  spec: z.record(z.string(), json),
});
type Definition = z.output<typeof definition>;
const gvk = z.array(z.object({ group: z.string(), version: z.string(), kind: z.string() }));

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same without descriptions; `description` is also the name of a property here and there. */
function withoutProse(value: Json, isMap = false): Json {
  if (Array.isArray(value)) return value.map((item) => withoutProse(item));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => isMap || !(['description', 'example', 'externalDocs'].includes(key) && !isObject(item)))
      .map(([key, item]) => [key, withoutProse(item, key === 'properties')]),
  );
}

function readDefinitions(): Definition[] {
  return definitions.flatMap(({ module, files }) => {
    const told: unknown = JSON.parse(execFileSync('go', ['mod', 'download', '-json', module], { encoding: 'utf8' }));
    const { Dir } = z.object({ Dir: z.string() }).parse(told);
    return files.map((file) => {
      const { apiVersion, kind, metadata, spec } = definition.parse(parse(readFileSync(join(Dir, file), 'utf8')));
      const bare = z.record(z.string(), json).parse(withoutProse(spec));
      return { apiVersion, kind, metadata: { name: metadata.name }, spec: bare };
    });
  });
}

/** Keys of OpenAPI that say something about a value to a JSON Schema validator. */
const kept = [
  ...['type', 'required', 'enum', 'pattern', 'minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems'],
  ...['oneOf', 'anyOf', 'not'],
];

/** Whether a pattern is one that only Go reads. */
function goOnly(pattern: Json): boolean {
  try {
    new RegExp(String(pattern), 'u');
    return false;
  } catch {
    return true;
  }
}

class Schemas {
  readonly $defs: Record<string, Json> = {};

  constructor(private readonly source: Readonly<Record<string, JsonObject>>) {}

  /** Adds the strict schema of a component. Gives its name. */
  define(name: string): string {
    const short = name.replace(/^io\.k8s\.(api|apimachinery\.pkg)\./, '');
    if (!(short in this.$defs)) {
      this.$defs[short] = {};
      this.$defs[short] = this.strict(this.source[name] ?? {});
    }
    return short;
  }

  /** Every field is known, or an error. What only the server writes is not known. */
  private strict(schema: JsonObject): JsonObject {
    if (typeof schema.$ref === 'string') {
      return { $ref: `#/$defs/${this.define(schema.$ref.replace('#/components/schemas/', ''))}` };
    }
    const { allOf, items, additionalProperties, properties } = schema;
    // A reference with a default beside it.
    if (Array.isArray(allOf) && isObject(allOf[0])) return this.strict(allOf[0]);
    if (schema['x-kubernetes-int-or-string'] === true || schema.format === 'int-or-string') {
      return { type: ['integer', 'string'] };
    }
    const result: JsonObject = Object.fromEntries(
      Object.entries(schema).filter(([key, item]) => kept.includes(key) && !(key === 'pattern' && goOnly(item))),
    );
    if (isObject(items)) result.items = this.strict(items);
    if (isObject(additionalProperties)) result.additionalProperties = this.strict(additionalProperties);
    if (isObject(properties)) {
      result.properties = Object.fromEntries(
        Object.entries(properties)
          .filter(([key]) => key !== 'status' && key !== 'managedFields')
          .map(([key, item]) => [key, isObject(item) ? this.strict(item) : item]),
      );
      if (schema['x-kubernetes-preserve-unknown-fields'] !== true) result.additionalProperties ??= false;
    }
    return result;
  }
}

async function main(): Promise<void> {
  const own = readDefinitions();
  const { api, stop } = await startControlPlane({ rollouts: false });
  try {
    await establish(api, own);
    const version = z.object({ gitVersion: z.string() }).parse((await api.request('GET', '/version')).body).gitVersion;
    const source: Record<string, JsonObject> = {};
    for (const apiVersion of Object.keys(kinds)) {
      const path = apiVersion === 'v1' ? 'api/v1' : `apis/${apiVersion}`;
      let served = openApi.safeParse((await api.request('GET', `/openapi/v3/${path}`)).body);
      for (; !served.success; await sleep(200)) {
        served = openApi.safeParse((await api.request('GET', `/openapi/v3/${path}`)).body);
      }
      Object.assign(source, served.data.components.schemas);
    }
    const schemas = new Schemas(source);
    const roots: Record<string, string> = {};
    for (const [apiVersion, names] of Object.entries(kinds)) {
      for (const kind of names) {
        const [name] = Object.entries(source).find(([, schema]) =>
          gvk
            .safeParse(schema['x-kubernetes-group-version-kind'])
            .data?.some(
              (known) => known.kind === kind && [known.group, known.version].filter(Boolean).join('/') === apiVersion,
            ),
        ) ?? [undefined];
        if (name === undefined) throw new Error(`the API server knows no ${kind} in ${apiVersion}`);
        roots[`${apiVersion}/${kind}`] = schemas.define(name);
      }
    }
    const from = [`kube-apiserver ${version}`, ...definitions.map(({ module }) => module)].join(', ');
    const { $defs } = schemas;
    const $comment = `made by scripts/kubernetes-schemas.ts from ${from}`;
    writeFileSync(join(folder, 'schemas.json'), `${JSON.stringify({ $comment, kinds: roots, $defs })}\n`);
    writeFileSync(join(folder, 'definitions.json'), `${JSON.stringify(own)}\n`);
  } finally {
    await api.close();
    await stop();
  }
}

void main();
