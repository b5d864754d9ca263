import { App } from 'cdk8s';
import { z } from 'zod';
import {
  awsEnvironment,
  bundleEnvironment,
  FLICKER,
  flickerConfigJsonSchema,
  flickerPort,
  flickerSettings,
  registryLayout,
} from '../../contract';
import { ROLE_ANNOTATION } from '../identity/service-account';
import { CONFIG_HASH_ANNOTATION } from '../k8s/config-file';
import {
  HELM_NAMESPACE,
  HELM_RELEASE,
  helmChart,
  helmField,
  type HelmField,
  type HelmJson,
  type HelmObject,
  type HelmPlace,
  type HelmValue,
} from '../k8s/helm-chart';
import { CONFIG_FILE, LogShipperChart } from './log-shipper-chart';
import type { LogShipperChartProps } from './log-shipper-chart-props';

const jsonObject = z.record(z.string(), z.json());

export interface LogShipperHelmProps extends LogShipperChartProps {
  /** Name of the chart, and of the release that makes the same as the manifests. */
  readonly name: string;
  readonly version: string;
  readonly shipperName: string;
}

const text: HelmObject = { type: 'string' };
const filled: HelmObject = { type: 'string', minLength: 1 };
const object = (properties: HelmObject): HelmObject => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const mapOf = (schema: HelmObject): HelmObject => ({ type: 'object', additionalProperties: schema });
const listOf = (schema: HelmObject): HelmObject => ({ type: 'array', items: schema });

/**
 * The files of a Helm chart, by path. A release of the name given, in the namespace given, has the same objects as the
 * `LogShipperChart` with these props, but for the namespace, which Helm makes (`--create-namespace`) or finds.
 */
export function logShipperHelmChart(props: LogShipperHelmProps): Record<string, string> {
  const made = new LogShipperChart(new App(), props.shipperName, {
    ...props,
    name: HELM_RELEASE,
    namespace: HELM_NAMESPACE,
    createNamespace: false,
  });
  const objects = z.array(jsonObject).parse(made.toJson());
  const kind = props.nodeLogs ? 'DaemonSet' : 'Deployment';
  const pod = ['spec', 'template', 'spec'] as const;
  const container = [...pod, 'containers', 0] as const;
  const at = (...path: readonly (string | number)[]): HelmField => ({ kind, path });
  const field = (...path: readonly (string | number)[]) => helmField(objects, at(...path));
  const configSchema = jsonObject.parse(flickerConfigJsonSchema());
  const values: Record<string, HelmValue> = {};
  const places: HelmPlace[] = [];

  image(String(field(...container, 'image')));
  if (kind === 'Deployment') {
    values.replicas = {
      description: made.highlyAvailable
        ? 'Pods: one works, the others stand by.'
        : 'One pod or none: without ha a registry has one shipper.',
      default: field('spec', 'replicas'),
      schema: { type: 'integer', minimum: 0, ...(made.highlyAvailable ? {} : { maximum: 1 }) },
    };
    places.push({ type: 'value', at: at('spec', 'replicas'), value: 'replicas' });
  }
  config();
  registry();
  variables();
  account();
  pods();
  if (props.monitoring) monitors();
  return helmChart({
    name: props.name,
    version: props.version,
    description: 'Log shipper that keeps all state in S3',
    objects,
    values,
    places,
    definitions: jsonObject.parse(configSchema.$defs),
    conditions: Object.fromEntries(
      [
        ['PodMonitor', 'podMonitor'],
        ['PrometheusRule', 'prometheusRule'],
        ['ConfigMap-dashboard', 'dashboard'],
      ].map(([id, value]) => [id, `.Values.${value}.enabled`]),
    ),
    notes: notes(kind),
  });

  function image(reference: string): void {
    const [, repository = '', tag = '', digest = ''] =
      /^(.*?)(?::(\w[\w.-]*))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(reference) ?? [];
    values.image = {
      description: 'The image that holds the program. A digest wins over the tag.',
      default: { repository, tag, digest },
      schema: object({ repository: filled, tag: text, digest: text }),
    };
    places.push({
      type: 'text',
      at: at(...container, 'image'),
      text: '{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag }}{{ end }}',
    });
  }

  function config(): void {
    const expression = 'toPrettyJson .Values.config';
    const schema = Object.fromEntries(Object.entries(configSchema).filter(([key]) => !key.startsWith('$')));
    const ha: HelmObject = made.highlyAvailable ? { required: ['ha'] } : { properties: { ha: { enum: [false] } } };
    values.config = {
      description: 'The config of flicker. What has ha, and what has none, are different charts.',
      default: z.json().parse(props.config),
      schema: { allOf: [schema, ha] },
    };
    places.push(
      { type: 'block', at: { kind: 'ConfigMap', suffix: '-config', path: ['data', CONFIG_FILE] }, expression },
      {
        type: 'text',
        at: at('spec', 'template', 'metadata', 'annotations', CONFIG_HASH_ANNOTATION),
        text: `{{ ${expression} | sha256sum }}`,
      },
    );
  }

  function registry(): void {
    const key = props.registryKey ?? registryLayout(FLICKER, props.stage ?? 'prod', props.shipperName).key;
    values.registry = {
      description: 'Where the registry is, and whose it is. A release without it resumes at nothing.',
      default: {
        bucket: props.registryBucket,
        key,
        clusterId: variable(flickerSettings.clusterId.env),
      },
      schema: object({ bucket: filled, key: filled, clusterId: filled }),
    };
    places.push({
      type: 'text',
      at: at(...container, 'env', indexOf(flickerSettings.registryFile.env), 'value'),
      text: 's3://{{ .Values.registry.bucket }}/{{ .Values.registry.key }}',
    });
    setVariable(flickerSettings.clusterId.env, 'registry.clusterId');
  }

  function variables(): void {
    const aws: Record<string, string> = { region: awsEnvironment.region };
    if (props.endpointUrl !== undefined) aws.endpointUrl = awsEnvironment.endpoint;
    values.aws = {
      description: 'How AWS, or what stands for it, is reached.',
      default: Object.fromEntries(Object.entries(aws).map(([name, env]) => [name, variable(env)])),
      schema: object(Object.fromEntries(Object.keys(aws).map((name) => [name, filled]))),
    };
    for (const [name, env] of Object.entries(aws)) setVariable(env, `aws.${name}`);

    const { environment = {}, secrets = {} } = props;
    values.environment = {
      description: 'Variables that the config refers to. Never for secrets.',
      default: { ...environment },
      schema: object(Object.fromEntries(Object.keys(environment).map((name) => [name, text]))),
    };
    for (const name of Object.keys(environment)) setVariable(name, `environment.${name}`);
    values.secrets = {
      description: 'Keys of Secrets that hold the variables that the config refers to.',
      default: Object.fromEntries(
        Object.keys(secrets).map((name) => [
          name,
          field(...container, 'env', indexOf(name), 'valueFrom', 'secretKeyRef'),
        ]),
      ),
      schema: object(
        Object.fromEntries(Object.keys(secrets).map((name) => [name, object({ name: filled, key: filled })])),
      ),
    };
    for (const name of Object.keys(secrets)) {
      const path = [...container, 'env', indexOf(name), 'valueFrom', 'secretKeyRef'];
      places.push({ type: 'value', at: at(...path), value: `secrets.${name}` });
    }
    values.extraEnv = {
      description: 'More variables, as a container has them.',
      default: [],
      schema: listOf({ type: 'object', required: ['name'] }),
    };
    places.push({ type: 'append', at: at(...container, 'env'), value: 'extraEnv' });
  }

  function account(): void {
    const roleArn = props.identity.annotations[ROLE_ANNOTATION];
    values.serviceAccount = {
      description: `Annotations of the service account: ${ROLE_ANNOTATION} for IRSA, none for Pod Identity.`,
      default: { annotations: roleArn === undefined ? {} : { [ROLE_ANNOTATION]: roleArn } },
      schema: object({ annotations: mapOf(text) }),
    };
    places.push({
      type: 'optional',
      at: { kind: 'ServiceAccount', path: ['metadata', 'annotations'] },
      value: 'serviceAccount.annotations',
    });
  }

  function pods(): void {
    values.resources = {
      description: 'What the container asks for, and what it may use.',
      default: field(...container, 'resources'),
      schema: { type: 'object', properties: { requests: quantities, limits: quantities }, additionalProperties: false },
    };
    places.push({ type: 'value', at: at(...container, 'resources'), value: 'resources' });
    values.terminationGracePeriodSeconds = {
      description: 'Seconds between SIGTERM and SIGKILL: shutdown_timeout_ms of the config, and 5 more.',
      default: field(...pod, 'terminationGracePeriodSeconds'),
      schema: { type: 'integer', minimum: 1 },
    };
    places.push({
      type: 'value',
      at: at(...pod, 'terminationGracePeriodSeconds'),
      value: 'terminationGracePeriodSeconds',
    });
    const optional = (key: string, description: string, fallback: HelmJson, schema: HelmObject) => {
      const spec = jsonObject.parse(field(...pod));
      values[key] = { description, default: spec[key] ?? fallback, schema };
      places.push({ type: 'optional', at: at(...pod, key), value: key });
    };
    optional('imagePullSecrets', 'Secrets with which the image is pulled.', [], listOf(object({ name: text })));
    optional('nodeSelector', 'Labels of the nodes to run on.', {}, mapOf(text));
    optional('tolerations', 'Taints that the pods tolerate.', [], listOf({ type: 'object' }));
    values.extraEgress = {
      description: 'More that the pods connect to, as a NetworkPolicy has it. Everything else is denied.',
      default: [],
      schema: listOf({ type: 'object' }),
    };
    places.push({ type: 'append', at: { kind: 'NetworkPolicy', path: ['spec', 'egress'] }, value: 'extraEgress' });
    if (jsonObject.parse(field(...pod)).initContainers === undefined) return;
    const bundle = [...pod, 'initContainers', 0] as const;
    const [url, sha256] = [bundleEnvironment.url, bundleEnvironment.sha256];
    values.bundle = {
      description: 'Where the bundle of the program is copied from, its SHA-256, and the image that copies it.',
      default: { url: variable(url, bundle), sha256: variable(sha256, bundle), image: field(...bundle, 'image') },
      schema: object({ url: filled, sha256: filled, image: filled }),
    };
    setVariable(url, 'bundle.url', bundle);
    setVariable(sha256, 'bundle.sha256', bundle);
    for (const [name, env] of Object.entries({ region: awsEnvironment.region, endpointUrl: awsEnvironment.endpoint })) {
      if (name === 'region' || props.endpointUrl !== undefined) setVariable(env, `aws.${name}`, bundle);
    }
    places.push({ type: 'value', at: at(...bundle, 'image'), value: 'bundle.image' });
  }

  function monitors(): void {
    const { podMonitor = true, prometheusRule = true, dashboard = true } = props.monitoring ?? {};
    const toggles: readonly (readonly [string, boolean, string])[] = [
      ['podMonitor', podMonitor, 'Have Prometheus scrape the pods (Prometheus Operator).'],
      ['prometheusRule', prometheusRule, 'Alerts (Prometheus Operator).'],
      ['dashboard', dashboard, 'A dashboard for the sidecar of Grafana.'],
    ];
    for (const [name, made, description] of toggles) {
      if (made)
        values[name] = { description, default: { enabled: true }, schema: object({ enabled: { type: 'boolean' } }) };
    }
  }

  function indexOf(name: string, of: readonly (string | number)[] = container): number {
    const env = z.array(z.looseObject({ name: z.string() })).parse(field(...of, 'env'));
    return env.findIndex((entry) => entry.name === name);
  }

  function variable(name: string, of: readonly (string | number)[] = container): HelmJson {
    return field(...of, 'env', indexOf(name, of), 'value');
  }

  function setVariable(name: string, value: string, of: readonly (string | number)[] = container): void {
    places.push({ type: 'value', at: at(...of, 'env', indexOf(name, of), 'value'), value });
  }
}

const quantities = mapOf({ type: ['string', 'number'] });

function notes(kind: string): string {
  return `Flicker ships. What it does is told by

  kubectl --namespace {{ .Release.Namespace }} logs ${kind.toLowerCase()}/{{ .Release.Name }}
  kubectl --namespace {{ .Release.Namespace }} port-forward ${kind.toLowerCase()}/{{ .Release.Name }} ${flickerPort.port}

Its positions are in s3://{{ .Values.registry.bucket }}/{{ .Values.registry.key }}; another release with the same place resumes there.
`;
}
