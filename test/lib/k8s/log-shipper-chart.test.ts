import { createHash } from 'node:crypto';
import { App } from 'cdk8s';
import { z } from 'zod';
import {
  flickerMetrics,
  flickerProcessSchema,
  flickerStopSeconds,
  parseSettings,
  readFlickerEnvironment,
  registryLayout,
  type FlickerConfigInput,
} from '../../../contract';
import { AwsIdentity, ContainerCode, NetworkEdge, type LogShipperChartProps } from '../../../lib/k8s';
import { plainConfig } from '../support/app';
import { chartWith, manifestsOf, nodeConfig, shapes } from '../support/charts';
import type { Manifest } from '../support/manifests';

const podTemplate = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()), annotations: z.record(z.string(), z.string()) }),
  spec: z.looseObject({
    terminationGracePeriodSeconds: z.number(),
    containers: z.array(
      z.looseObject({
        env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })),
        resources: z.unknown(),
      }),
    ),
    volumes: z.array(z.looseObject({ name: z.string() })),
  }),
});
const workloadSpec = z.looseObject({
  replicas: z.number().optional(),
  strategy: z.unknown().optional(),
  selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
  template: podTemplate,
});

function only(manifests: readonly Manifest[], kind: string): Manifest {
  const [found, second] = manifests.filter((manifest) => manifest.kind === kind);
  if (!found || second) throw new Error(`expected one ${kind}`);
  return found;
}

function workloadOf(props: Partial<LogShipperChartProps> = {}) {
  const manifests = manifestsOf(chartWith(props));
  return workloadSpec.parse(only(manifests, props.nodeLogs ? 'DaemonSet' : 'Deployment').spec);
}

function configMapOf(props: Partial<LogShipperChartProps> = {}): string {
  const [config] = manifestsOf(chartWith(props)).filter(({ metadata }) => metadata.name === 'flicker-config');
  return z.object({ 'config.yaml': z.string() }).parse(config?.data)['config.yaml'];
}

test.each(Object.keys(shapes).filter((name) => name !== 'cloudRun'))('the manifests of %s', (name) => {
  expect(manifestsOf(shapes[name]?.() ?? chartWith())).toMatchSnapshot();
});

test('two synths are the same, byte by byte, and no name follows the path of a construct', () => {
  const text = (id: string) => JSON.stringify(chartWith({ shipperName: 'okta' }, id).toJson());
  expect(text('a')).toBe(text('b'));
});

describe('the contract', () => {
  const parsed = z.record(z.string(), z.unknown());

  test('what the program reads is what the chart was told', () => {
    const config: FlickerConfigInput = plainConfig({ shutdown_timeout_ms: '20s' });
    const { env } = workloadOf({ config }).template.spec.containers[0] ?? { env: [] };
    const told = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    const { configFile, ...settings } = readFlickerEnvironment(told);
    expect(parseSettings(flickerProcessSchema, settings, 'settings')).toMatchObject({
      track: true,
      registryFile: `s3://company-state/${registryLayout('flicker', 'prod', 'okta').key}`,
      clusterId: 'prod/okta',
    });
    expect(configFile).toBe('/config/config.yaml');
    expect(parsed.parse(JSON.parse(configMapOf({ config })))).toEqual(config);
  });

  test('the pod is given the time that the program takes to stop', () => {
    const config = plainConfig({ shutdown_timeout_ms: 60_000 });
    expect(workloadOf({ config }).template.spec.terminationGracePeriodSeconds).toBe(
      flickerStopSeconds({ shutdown_timeout_ms: 60_000 }),
    );
  });

  test('alerts and dashboard ask for nothing that the program does not report', () => {
    const text = JSON.stringify(manifestsOf(chartWith({ monitoring: {} })));
    const known = Object.values(flickerMetrics).map(({ name }) => name);
    const asked = [...new Set(text.match(/\bflicker_[a-z_]+/g))];
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.filter((name) => !known.includes(name as (typeof known)[number]))).toEqual([]);
  });

  test('a registry may have a key of its own', () => {
    expect(chartWith({ registryKey: 'flicker/registry.json' }).registryFile).toBe(
      's3://company-state/flicker/registry.json',
    );
  });
});

describe('the hash of the config', () => {
  const hash = (props: Partial<LogShipperChartProps>) =>
    workloadOf(props).template.metadata.annotations['checksum/config'];

  test('is that of the file', () => {
    expect(hash({})).toBe(createHash('sha256').update(configMapOf()).digest('hex'));
  });

  test('changes with the config, not with the order of its keys', () => {
    const config = plainConfig();
    const turned = Object.fromEntries(Object.entries(config).reverse());
    expect(hash({ config: turned })).toBe(hash({ config }));
    expect(hash({ config: plainConfig({ shutdown_timeout_ms: 4000 }) })).not.toBe(hash({ config }));
  });
});

describe('replacing pods', () => {
  test('without ha the old one is gone before the new one starts', () => {
    expect(workloadOf()).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
  });

  test('with ha a new one comes first, and none has to go for it', () => {
    const config = plainConfig({ ha: true });
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } };
    expect(workloadOf({ config })).toMatchObject({ replicas: 2, strategy });
    expect(workloadOf({ config, replicas: 3 })).toMatchObject({ replicas: 3, strategy });
  });
});

test('selectors of workload, budget, network and monitor choose the pods and nothing else', () => {
  const manifests = manifestsOf(chartWith({ name: 'audit', monitoring: {} }));
  const labels = { 'app.kubernetes.io/name': 'flicker', 'app.kubernetes.io/instance': 'audit' };
  const { selector, template } = workloadSpec.parse(only(manifests, 'Deployment').spec);
  expect(template.metadata.labels).toEqual(labels);
  expect(selector.matchLabels).toEqual(labels);
  for (const kind of ['PodDisruptionBudget', 'PodMonitor'])
    expect(only(manifests, kind).spec).toMatchObject({ selector: { matchLabels: labels } });
  expect(only(manifests, 'NetworkPolicy').spec).toMatchObject({ podSelector: { matchLabels: labels } });
});

describe('the network', () => {
  const rules = z.object({
    policyTypes: z.array(z.string()),
    ingress: z.array(z.looseObject({ from: z.array(z.unknown()), ports: z.array(z.unknown()) })).optional(),
    egress: z.array(
      z.looseObject({ to: z.array(z.unknown()), ports: z.array(z.object({ port: z.number(), protocol: z.string() })) }),
    ),
  });
  const networkOf = (props: Partial<LogShipperChartProps>) =>
    rules.parse(only(manifestsOf(chartWith(props)), 'NetworkPolicy').spec);
  const ports = (props: Partial<LogShipperChartProps>) =>
    networkOf(props).egress.flatMap((rule) => rule.ports.map(({ port, protocol }) => `${protocol} ${port}`));

  test('is closed but for DNS, HTTPS and the agent of Pod Identity', () => {
    const { policyTypes, ingress } = networkOf({});
    expect(policyTypes).toEqual(['Ingress', 'Egress']);
    expect(ingress ?? []).toEqual([]);
    expect(ports({})).toEqual(['UDP 53', 'TCP 53', 'TCP 443', 'TCP 80']);
    expect(ports({ identity: AwsIdentity.irsa('arn:aws:iam::123456789012:role/flicker') })).toEqual([
      'UDP 53',
      'TCP 53',
      'TCP 443',
    ]);
  });

  test('lets Prometheus in, and nobody else', () => {
    const from = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'observability' } } }];
    expect(networkOf({ monitoring: { prometheusNamespace: 'observability' } }).ingress).toEqual([
      { from, ports: [{ port: 8080, protocol: 'TCP' }] },
    ]);
  });

  test('is open where the config says that something is', () => {
    const identity = AwsIdentity.irsa('arn:aws:iam::123456789012:role/flicker');
    const config = plainConfig({
      api_sources: [
        { name: 'a', endpoint: 'http://api.example.com:8080/x', results_field: '', timestamp_field: 'at' },
        { name: 'b', endpoint: 'https://${TENANT}.example.com:8443/x', results_field: '', timestamp_field: 'at' },
      ],
      destination: { type: 'syslog', host: 'logs.example.com' },
    });
    expect(ports({ identity, config, secrets: { TENANT: { name: 'tenant', key: 'name' } } })).toEqual([
      'UDP 53',
      'TCP 53',
      'TCP 443',
      'TCP 8080',
      'TCP 8443',
      'UDP 514',
    ]);
  });

  test('goes to the namespace of a service in the cluster', () => {
    const config = plainConfig({
      destination: { type: 'http', endpoint: 'http://loki.monitoring.svc.cluster.local:3100/' },
    });
    expect(
      networkOf({ config, egress: [NetworkEdge.pods({ namespace: 'x', labels: { a: 'b' }, ports: [1] })] }).egress,
    ).toEqual(
      expect.arrayContaining([
        {
          to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
          ports: [{ port: 3100, protocol: 'TCP' }],
        },
        {
          to: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'x' } },
              podSelector: { matchLabels: { a: 'b' } },
            },
          ],
          ports: [{ port: 1, protocol: 'TCP' }],
        },
      ]),
    );
  });
});

test('node logs are read as nobody, in the group that may read them', () => {
  const { spec } = workloadOf({ config: nodeConfig, nodeLogs: true }).template;
  expect(spec.securityContext).toMatchObject({ runAsUser: 10_001, runAsNonRoot: true, supplementalGroups: [0] });
  expect(spec.tolerations).toEqual([{ operator: 'Exists' }]);
  expect(spec.containers[0]?.env).toContainEqual({
    name: 'FLICKER_NODE_ID',
    valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } },
  });
  expect(spec.volumes).toContainEqual({ name: 'pod-logs', hostPath: { path: '/var/log/pods', type: 'Directory' } });
});

describe('errors', () => {
  const unset = 'https://${MISSING}/';
  test.each<[string, Partial<LogShipperChartProps>, string]>([
    ['a name', { name: 'Flicker' }, 'name of okta: got "Flicker"'],
    ['a namespace', { namespace: 'a_b' }, 'namespace of okta: got "a_b"'],
    ['a shipper name', { shipperName: 'a/b' }, 'shipperName of okta: got "a/b"'],
    ['a key', { registryKey: '/a' }, 'registryKey of okta: got "/a"'],
    ['no bucket', { registryBucket: '' }, 'registryBucket of okta: got "", expected the name of a bucket'],
    [
      'a second pod',
      { replicas: 2 },
      'replicas of okta: got 2, expected 0 or 1: without ha a registry has one shipper',
    ],
    [
      'nodes without ha',
      { config: { ...nodeConfig, ha: false }, nodeLogs: true },
      'config of okta: got nodeLogs without ha',
    ],
    [
      'nodes with replicas',
      { config: nodeConfig, nodeLogs: true, replicas: 2 },
      'replicas of okta: got 2 with nodeLogs',
    ],
    [
      'ha in Cloud Storage',
      { config: plainConfig({ ha: true }), endpointUrl: 'https://storage.googleapis.com' },
      'ha of okta: got ha with https://storage.googleapis.com, expected a single instance',
    ],
    ['files', { config: nodeConfig }, 'log_files of okta: got /var/log/pods/*/*/*.log, expected no files'],
    [
      'other files of a node',
      { config: { ...nodeConfig, log_files: [{ path: '/var/log/../../etc/shadow' }] }, nodeLogs: true },
      'log_files of okta: got /var/log/../../etc/shadow, expected a path below /var/log/pods',
    ],
    [
      'a local destination',
      { config: plainConfig({ destination: { type: 'file', path: '/tmp/x' } }) },
      'a local path: got /tmp/x',
    ],
    [
      'local dead letters',
      { config: plainConfig({ dead_letter: { path: '/tmp/dead' } }) },
      'a local path: got /tmp/dead',
    ],
    [
      'Docker',
      { config: plainConfig({ docker_containers: [{ container: 'web' }] }) },
      'docker_containers of okta: got web, expected none',
    ],
    [
      'a variable of its own',
      { environment: { AWS_REGION: 'x' } },
      'environment of okta: got AWS_REGION, expected variables that',
    ],
    [
      'a variable that says otherwise than the config',
      { environment: { FLICKER_HA: 'false' } },
      'environment of okta: got FLICKER_HA',
    ],
    [
      'a variable twice',
      { environment: { A: 'x' }, secrets: { A: { name: 'a', key: 'b' } } },
      'environment of okta: got A, which is in secrets too',
    ],
    [
      'a missing variable',
      { config: plainConfig({ destination: { type: 'http', endpoint: unset } }) },
      'refers to ${MISSING}',
    ],
    [
      'an address to come',
      {
        config: plainConfig({ destination: { type: 'http', endpoint: '${TARGET}' } }),
        secrets: { TARGET: { name: 'a', key: 'b' } },
      },
      'egress of okta: got nothing, and destination.endpoint is known only when the program starts',
    ],
    [
      'a port to come',
      {
        config: plainConfig({ destination: { type: 'http', endpoint: 'https://logs.example.com:${PORT}/' } }),
        secrets: { PORT: { name: 'a', key: 'b' } },
      },
      'egress of okta: got nothing, and destination.endpoint is known only when the program starts',
    ],
    [
      'an unknown key',
      { config: Object({ ...plainConfig(), retri: {} }) },
      'unknown key "retri", did you mean "retry"?',
    ],
  ])('%s', (_, props, message) => {
    expect(() => chartWith(props)).toThrow(message);
  });

  test.each(['flicker', 'flicker:latest', 'registry:5000/flicker'])('the image %s', (image) => {
    expect(() => ContainerCode.image(image)).toThrow(
      `image: got "${image}", expected an image with its digest, or with a tag other than "latest"`,
    );
  });

  test('an edge that would be open to every port, or every address', () => {
    expect(() => NetworkEdge.anywhere({ ports: [] })).toThrow(
      'ports of a NetworkEdge: got none, expected at least one',
    );
    expect(() => NetworkEdge.addresses([], { ports: [514] })).toThrow('cidrs of a NetworkEdge: got none');
  });

  test('a bundle that is nowhere', () => {
    expect(() => ContainerCode.bundle({ url: 'https://example.com/flicker.mjs' })).toThrow(
      'url of the bundle: got "https://example.com/flicker.mjs", expected s3://bucket/key',
    );
  });
});

test('one registry has one shipper, or several with ha', () => {
  const both = (config: FlickerConfigInput) => () => {
    const app = new App();
    for (const id of ['a', 'b']) chartWith({ config, name: id, shipperName: 'okta' }, id, app);
    return app.synthYaml();
  };
  expect(both(plainConfig())).toThrow(
    'registry of a: got s3://company-state/flicker/prod/okta-registry.json, which b has too, expected one shipper for each registry',
  );
  expect(both(plainConfig({ ha: true }))).not.toThrow();
});

test('a large config is refused, and one that a task definition could not hold is not', () => {
  const sources = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      name: `source-${i}`,
      endpoint: `https://api.example.com/${'x'.repeat(200)}`,
      results_field: '',
      timestamp_field: 'at',
    }));
  expect(() => chartWith({ config: plainConfig({ api_sources: sources(200) }) })).not.toThrow();
  expect(() => chartWith({ config: plainConfig({ api_sources: sources(1500) }) }, 'okta', new App())).toThrow(
    /config of okta: got \d+ bytes of JSON, expected at most 409600, for it travels in a ConfigMap/,
  );
});
