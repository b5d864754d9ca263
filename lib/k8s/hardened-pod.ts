import { k8s } from 'cdk8s-plus-28';

/** User and group of every program: nobody on the node, and above the range that hosts give to people. */
export const PROGRAM_ID = 10_001;

/** Labels of a program's objects. `selector` never changes for a name; no hash of a construct path is in it. */
export function programLabels(program: string, name: string): Record<string, string> {
  return { 'app.kubernetes.io/name': program, 'app.kubernetes.io/instance': name };
}

export interface HardenedPodProps {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly serviceAccountName: string;
  readonly containers: readonly k8s.Container[];
  readonly initContainers?: readonly k8s.Container[];
  readonly volumes?: readonly k8s.Volume[];
  /** Seconds between SIGTERM and SIGKILL: at least the program's own drain. */
  readonly terminationGracePeriodSeconds: number;
  /** More groups, for files of the node that others may not read. */
  readonly supplementalGroups?: readonly number[];
  /** More of the pod: placement, pull secrets. */
  readonly spec?: Partial<k8s.PodSpec>;
}

/**
 * A pod template that Pod Security "restricted" accepts, as long as no volume is of the node: no root, no privileges, no
 * capabilities, the runtime's seccomp profile, a read-only root file system, no token for the cluster's API.
 */
export function hardenedPod(props: HardenedPodProps): k8s.PodTemplateSpec {
  const { labels, annotations, initContainers = [], volumes = [], supplementalGroups = [] } = props;
  return {
    metadata: { labels: { ...labels }, ...(annotations ? { annotations: { ...annotations } } : {}) },
    spec: {
      ...props.spec,
      serviceAccountName: props.serviceAccountName,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: PROGRAM_ID,
        runAsGroup: PROGRAM_ID,
        fsGroup: PROGRAM_ID,
        fsGroupChangePolicy: 'OnRootMismatch',
        seccompProfile: { type: 'RuntimeDefault' },
        ...(supplementalGroups.length > 0 ? { supplementalGroups: [...supplementalGroups] } : {}),
      },
      terminationGracePeriodSeconds: props.terminationGracePeriodSeconds,
      ...(initContainers.length > 0 ? { initContainers: initContainers.map(hardenedContainer) } : {}),
      containers: props.containers.map(hardenedContainer),
      ...(volumes.length > 0 ? { volumes: [...volumes] } : {}),
    },
  };
}

function hardenedContainer(container: k8s.Container): k8s.Container {
  return {
    imagePullPolicy: 'IfNotPresent',
    ...container,
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  };
}

export interface ProbeOptions {
  /** Name of the container's port. */
  readonly port: string;
  readonly livePath: string;
  readonly readyPath: string;
}

/** Probes over HTTP: a minute to start, half a minute without an answer is a restart. */
export function httpProbes({ port, livePath, readyPath }: ProbeOptions) {
  const get = (path: string) => ({ httpGet: { path, port: k8s.IntOrString.fromString(port) } });
  return {
    startupProbe: { ...get(livePath), periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 30 },
    livenessProbe: { ...get(livePath), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
    readinessProbe: { ...get(readyPath), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
  } satisfies Partial<k8s.Container>;
}

/** What a container asks for and may use: quantities of Kubernetes, such as `128Mi` and `100m`. */
export interface ContainerResources {
  readonly memoryRequest: string;
  readonly memoryLimit: string;
  readonly cpuRequest: string;
  readonly cpuLimit: string;
}

/** The same as Kubernetes writes it. */
export function resourceRequirements(resources: ContainerResources): k8s.ResourceRequirements {
  const { memoryRequest, memoryLimit, cpuRequest, cpuLimit } = resources;
  const quantities = (memory: string, cpu: string) => ({
    memory: k8s.Quantity.fromString(memory),
    cpu: k8s.Quantity.fromString(cpu),
  });
  return { requests: quantities(memoryRequest, cpuRequest), limits: quantities(memoryLimit, cpuLimit) };
}

/** Spreads the pods of one workload over nodes and zones, where there are any; never keeps one from starting. */
export function spread(labels: Readonly<Record<string, string>>): Partial<k8s.PodSpec> {
  const labelSelector = { matchLabels: { ...labels } };
  return {
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 100, podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector } },
        ],
      },
    },
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector },
    ],
  };
}
