import { Chart, JsonPatch, type ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import type { Construct, IConstruct } from 'constructs';
import {
  awsEnvironment,
  bundlePath,
  clusterId,
  FLICKER,
  flickerPort,
  flickerSettings,
  flickerStopSeconds,
  nodeCommand,
  registryLayout,
  type FlickerConfig,
} from '../../contract';
import { secretVariable } from '../k8s/aws-identity';
import { CONFIG_HASH_ANNOTATION, configFileText, configHash } from '../k8s/config-file';
import { hardenedPod, httpProbes, programLabels, resourceRequirements, spread } from '../k8s/hardened-pod';
import { dashboardConfigMap, podMonitor, prometheusRule } from '../k8s/monitoring';
import { NetworkEdge, networkPolicy } from '../k8s/network';
import { describeToken, tokenFields, tokenProblems } from '../k8s/tokens';
import { describeProblem } from '../problem';
import { checkChart } from './check-chart';
import type { LogShipperChartProps, ShipperMonitors } from './log-shipper-chart-props';
import { POD_LOGS } from './pod-logs';
import { shipperAlerts } from './shipper-alerts';
import { shipperDashboard } from './shipper-dashboard';
import { endpointOf, shipperEndpoints } from './shipper-endpoints';

const CONFIG_FOLDER = '/config';
/** Key of the config in its ConfigMap, and name of its file. */
export const CONFIG_FILE = 'config.yaml';
/** Log files of pods belong to root and may be read by its group: this group, and no more of root. */
const ROOT_GROUP = 0;
const MARK = Symbol.for('holdfast.LogShipperChart');
const [LIVE, READY, METRICS] = flickerPort.paths;
const defaultResources = { memoryRequest: '128Mi', memoryLimit: '256Mi', cpuRequest: '100m', cpuLimit: '200m' };

/**
 * Ships log files and audit APIs from Kubernetes, with all state in S3: a Deployment of one pod, or of several with `ha`, or
 * a DaemonSet that reads the logs of its node's pods.
 */
export class LogShipperChart extends Chart {
  static isLogShipperChart(construct: IConstruct): construct is LogShipperChart {
    return MARK in construct;
  }

  /** Labels of the pods. */
  readonly podLabels: Readonly<Record<string, string>>;
  /** The registry: `s3://bucket/key`. */
  readonly registryFile: string;
  /** Name of Deployment or DaemonSet, and of the service account. */
  readonly name: string;
  /** Whether the config has `ha`. */
  readonly highlyAvailable: boolean;
  private readonly config: FlickerConfig;

  /** @throws Error when props contradict each other or the config is not valid */
  constructor(scope: Construct, id: string, props: LogShipperChartProps) {
    const { name = FLICKER, namespace = 'logging', stage = 'prod', shipperName = id } = props;
    const labels = programLabels(FLICKER, name);
    super(scope, id, { namespace, disableResourceNameHashes: true });
    Object.defineProperty(this, MARK, { value: true });
    this.config = checkChart(this.node.path, { ...props, name, namespace, stage, shipperName });
    this.highlyAvailable = Boolean(this.config.ha);
    this.name = name;
    this.podLabels = labels;
    const key = props.registryKey ?? registryLayout(FLICKER, stage, shipperName).key;
    this.registryFile = `s3://${props.registryBucket}/${key}`;

    if (props.createNamespace ?? true) this.addNamespace(namespace, props.nodeLogs ?? false);
    new k8s.KubeServiceAccount(this, 'ServiceAccount', {
      metadata: { name, labels, annotations: { ...props.identity.annotations } },
      automountServiceAccountToken: false,
    });
    const text = configFileText(props.config);
    new k8s.KubeConfigMap(this, 'Config', {
      metadata: { name: `${name}-config`, labels },
      data: { [CONFIG_FILE]: text },
    });
    const cluster = clusterId(stage, shipperName);
    this.addWorkload(props, this.podTemplate(props, cluster, configHash(text)));
    networkPolicy(this, 'Network', { name, labels, ingress: ingressOf(props), egress: this.egressOf(props) });
    if (props.monitoring) this.addMonitoring(props.monitoring, namespace, props.nodeLogs ?? false);
    this.node.addValidation({
      validate: () => [
        ...this.sharedRegistry(),
        ...tokenFields(props.config).map((field) => describeToken('config', field)),
        ...this.apiObjects.flatMap((object: ApiObject) => tokenProblems(object.toJson())),
      ],
    });
  }

  /** A registry has one shipper, or those that stand by for each other. */
  private sharedRegistry(): string[] {
    const others = this.node.root.node
      .findAll()
      .filter(LogShipperChart.isLogShipperChart)
      .filter(
        (other) =>
          other !== this &&
          other.registryFile === this.registryFile &&
          !(other.highlyAvailable && this.highlyAvailable),
      );
    return others.map(({ node }) =>
      describeProblem({
        what: `registry of ${this.node.path}`,
        got: `${this.registryFile}, which ${node.path} has too`,
        expected: 'one shipper for each registry, or ha in the config of all that have it',
        fix: 'give one of them another shipperName or stage',
      }),
    );
  }

  /** "Restricted", but for volumes of the node: there the rule that forbids them is told when it is broken, and not enforced. */
  private addNamespace(name: string, nodeLogs: boolean): void {
    const level = (mode: string) => `pod-security.kubernetes.io/${mode}`;
    const namespace = new k8s.KubeNamespace(this, 'Namespace', {
      metadata: {
        name,
        labels: nodeLogs
          ? { [level('enforce')]: 'privileged', [level('audit')]: 'restricted' }
          : { [level('enforce')]: 'restricted', [level('audit')]: 'restricted', [level('warn')]: 'restricted' },
      },
    });
    // The chart gives one to each of its objects; a namespace is in none.
    namespace.addJsonPatch(JsonPatch.remove('/metadata/namespace'));
  }

  private addWorkload(props: LogShipperChartProps, template: k8s.PodTemplateSpec): void {
    const { name, podLabels } = this;
    const metadata = { name, labels: podLabels };
    const selector = { matchLabels: podLabels };
    if (props.nodeLogs) {
      new k8s.KubeDaemonSet(this, 'DaemonSet', {
        metadata,
        spec: {
          selector,
          template,
          updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: k8s.IntOrString.fromNumber(1) } },
        },
      });
      return;
    }
    const { ha } = this.config;
    new k8s.KubeDeployment(this, 'Deployment', {
      metadata,
      spec: {
        replicas: props.replicas ?? (ha ? 2 : 1),
        selector,
        // One writer: the old pod is gone before the new one starts. With ha a new pod is ready as a standby, and the old
        // ones hand over.
        strategy: ha
          ? {
              type: 'RollingUpdate',
              rollingUpdate: { maxSurge: k8s.IntOrString.fromNumber(1), maxUnavailable: k8s.IntOrString.fromNumber(0) },
            }
          : { type: 'Recreate' },
        template,
      },
    });
    // A node may always be drained: the state is in S3. Pods that do not work anyway are not in the way.
    new k8s.KubePodDisruptionBudget(this, 'Budget', {
      metadata,
      spec: {
        selector,
        maxUnavailable: k8s.IntOrString.fromNumber(1),
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
      },
    });
  }

  private podTemplate(props: LogShipperChartProps, cluster: string, hash: string): k8s.PodTemplateSpec {
    const {
      nodeLogs,
      imagePullSecrets = [],
      nodeSelector,
      tolerations = nodeLogs ? [{ operator: 'Exists' }] : [],
    } = props;
    const aws = awsVariables(props);
    const folders = Object.entries(props.secretFolders ?? {}).map(([mountPath, secretName], index) => ({
      volume: { name: `secret-${index}`, secret: { secretName, defaultMode: 0o440 } },
      mount: { name: `secret-${index}`, mountPath, readOnly: true },
    }));
    const code = props.code.bind(FLICKER, aws);
    return hardenedPod({
      labels: this.podLabels,
      annotations: { [CONFIG_HASH_ANNOTATION]: hash },
      serviceAccountName: this.name,
      terminationGracePeriodSeconds: flickerStopSeconds(this.config),
      supplementalGroups: nodeLogs ? [ROOT_GROUP] : [],
      initContainers: code.initContainers,
      containers: [
        {
          name: FLICKER,
          image: code.image,
          command: [...nodeCommand, bundlePath(FLICKER)],
          ports: [{ name: flickerPort.name, containerPort: flickerPort.port }],
          env: [...programVariables(props, this.registryFile, cluster), ...aws, ...userVariables(props)],
          resources: resourceRequirements(props.resources ?? defaultResources),
          ...httpProbes({ port: flickerPort.name, livePath: LIVE, readyPath: READY }),
          volumeMounts: [
            { name: 'config', mountPath: CONFIG_FOLDER, readOnly: true },
            ...(nodeLogs ? [{ name: 'pod-logs', mountPath: POD_LOGS, readOnly: true }] : []),
            ...folders.map(({ mount }) => mount),
            ...code.mounts,
          ],
        },
      ],
      volumes: [
        { name: 'config', configMap: { name: `${this.name}-config` } },
        ...(nodeLogs ? [{ name: 'pod-logs', hostPath: { path: POD_LOGS, type: 'Directory' } }] : []),
        ...folders.map(({ volume }) => volume),
        ...code.volumes,
      ],
      spec: {
        ...(this.config.ha && !nodeLogs ? spread(this.podLabels) : {}),
        ...(nodeSelector ? { nodeSelector: { ...nodeSelector } } : {}),
        ...(tolerations.length > 0 ? { tolerations: [...tolerations] } : {}),
        ...(imagePullSecrets.length > 0
          ? { imagePullSecrets: imagePullSecrets.map((secret) => ({ name: secret })) }
          : {}),
      },
    });
  }

  private egressOf(props: LogShipperChartProps): NetworkEdge[] {
    const { known } = shipperEndpoints(this.config);
    const aws = props.endpointUrl === undefined ? undefined : endpointOf(props.endpointUrl);
    const outside = new Map<'TCP' | 'UDP', Set<number>>([['TCP', new Set([443])]]);
    const inside: NetworkEdge[] = [];
    for (const { host, port, protocol } of [...known, ...(aws ? [aws] : [])]) {
      const [, namespace] = /^[^.]+\.([^.]+)\.svc(?:\.cluster\.local)?\.?$/.exec(host) ?? [];
      if (namespace) inside.push(NetworkEdge.pods({ namespace, ports: [port], protocol }));
      else outside.set(protocol, (outside.get(protocol) ?? new Set()).add(port));
    }
    return [
      NetworkEdge.dns(),
      ...[...outside].map(([protocol, ports]) =>
        NetworkEdge.anywhere({ protocol, ports: [...ports].sort((a, b) => a - b) }),
      ),
      ...inside,
      ...props.identity.egress,
      ...(props.egress ?? []),
    ];
  }

  private addMonitoring(monitors: ShipperMonitors, namespace: string, eachPodSaves: boolean): void {
    const { name, podLabels } = this;
    const labels = { ...podLabels, ...monitors.labels };
    const job = `${namespace}/${name}`;
    if (monitors.podMonitor ?? true) {
      podMonitor(this, 'PodMonitor', { name, labels, selector: podLabels, port: flickerPort.name, path: METRICS });
    }
    if (monitors.prometheusRule ?? true) {
      prometheusRule(this, 'Rules', { name, labels, alerts: shipperAlerts(this.config, { job, eachPodSaves }) });
    }
    if (monitors.dashboard ?? true) {
      const dashboard = shipperDashboard({ job, uid: `${namespace}-${name}`.slice(0, 40), title: `Flicker: ${job}` });
      dashboardConfigMap(this, 'Dashboard', {
        name: `${name}-dashboard`,
        labels: podLabels,
        file: `${name}.json`,
        dashboard,
      });
    }
  }
}

function ingressOf({ monitoring }: LogShipperChartProps): NetworkEdge[] {
  if (!monitoring) return [];
  return [NetworkEdge.pods({ namespace: monitoring.prometheusNamespace ?? 'monitoring', ports: [flickerPort.port] })];
}

const variable = (name: string, value: string): k8s.EnvVar => ({ name, value });

function programVariables(props: LogShipperChartProps, registryFile: string, cluster: string): k8s.EnvVar[] {
  return [
    variable(flickerSettings.configFile.env, `${CONFIG_FOLDER}/${CONFIG_FILE}`),
    variable(flickerSettings.track.env, 'true'),
    variable(flickerSettings.registryFile.env, registryFile),
    variable(flickerSettings.clusterId.env, cluster),
    // Files belong to their node, which outlives the pod.
    ...(props.nodeLogs
      ? [{ name: flickerSettings.nodeId.env, valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }]
      : []),
  ];
}

function awsVariables({ region, endpointUrl, s3ForcePathStyle, identity }: LogShipperChartProps): k8s.EnvVar[] {
  return [
    variable(awsEnvironment.region, region),
    ...(endpointUrl === undefined ? [] : [variable(awsEnvironment.endpoint, endpointUrl)]),
    ...(s3ForcePathStyle ? [variable(awsEnvironment.s3ForcePathStyle, 'true')] : []),
    ...identity.environment,
  ];
}

function userVariables({ environment = {}, secrets = {} }: LogShipperChartProps): k8s.EnvVar[] {
  return [
    ...Object.entries(environment).map(([name, value]) => variable(name, value)),
    ...Object.entries(secrets).map(([name, from]) => secretVariable(name, from)),
  ];
}
