import type { FlickerConfigInput } from '../../contract';
import type { AwsIdentity, SecretKey } from '../k8s/aws-identity';
import type { ContainerCode } from '../k8s/container-code';
import type { ContainerResources } from '../k8s/hardened-pod';
import type { NetworkEdge } from '../k8s/network';

/** What the pods tolerate of their nodes. */
export interface Toleration {
  /** @default - every key */
  readonly key?: string;
  /** @default 'Equal' */
  readonly operator?: 'Exists' | 'Equal';
  /** @default - no value */
  readonly value?: string;
  /** @default - every effect */
  readonly effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

export interface ShipperMonitors {
  /**
   * Namespace of Prometheus, whose pods may connect to the port of the metrics.
   *
   * @default 'monitoring'
   */
  readonly prometheusNamespace?: string;
  /**
   * Labels of PodMonitor and PrometheusRule by which Prometheus selects them, such as `{ release: 'prometheus' }`.
   *
   * @default - none
   */
  readonly labels?: Readonly<Record<string, string>>;
  /** @default true */
  readonly podMonitor?: boolean;
  /** @default true */
  readonly prometheusRule?: boolean;
  /**
   * A ConfigMap with a dashboard, for the sidecar of Grafana.
   *
   * @default true
   */
  readonly dashboard?: boolean;
}

export interface LogShipperChartProps {
  /** The config of flicker, as in its file. Strings may hold `${NAME}` of `secrets` or `environment`. */
  readonly config: FlickerConfigInput;
  /** How the pods get the program. */
  readonly code: ContainerCode;
  /** Who the pods are to AWS. */
  readonly identity: AwsIdentity;
  /** Bucket of the registry. */
  readonly registryBucket: string;
  /** Region of the registry. */
  readonly region: string;
  /**
   * Name of the Kubernetes objects. Another name is another workload.
   *
   * @default 'flicker'
   */
  readonly name?: string;
  /** @default 'logging' */
  readonly namespace?: string;
  /**
   * Whether the chart makes the namespace, with its Pod Security labels.
   *
   * @default true
   */
  readonly createNamespace?: boolean;
  /**
   * Stage in the key of the registry, `flicker/<stage>/<name>-registry.json`.
   *
   * @default 'prod'
   */
  readonly stage?: string;
  /**
   * Name of the shipper in the key of its registry: a `LogShipper` of the same stage and name has the same registry.
   *
   * @default - the construct id
   */
  readonly shipperName?: string;
  /**
   * Key of a registry that exists already.
   *
   * @default - follows from stage and shipperName
   */
  readonly registryKey?: string;
  /**
   * Endpoint of the AWS APIs, for stores that are not AWS.
   *
   * @default - AWS
   */
  readonly endpointUrl?: string;
  /**
   * Path-style addresses, for S3 servers that have no virtual hosts.
   *
   * @default false
   */
  readonly s3ForcePathStyle?: boolean;
  /**
   * Variables whose values are in Secrets. The chart makes none of them.
   *
   * @default - none
   */
  readonly secrets?: Readonly<Record<string, SecretKey>>;
  /**
   * Secrets whose keys are files of the container, such as client certificates: name of the Secret by folder.
   *
   * @default - none
   */
  readonly secretFolders?: Readonly<Record<string, string>>;
  /**
   * More variables. Never for secrets: they are readable in the manifest.
   *
   * @default - none
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * A DaemonSet that reads `/var/log/pods` of its node. Needs `ha` in the config, by which every node has a registry of its
   * own. The namespace cannot be "restricted" then, see docs/kubernetes.md.
   *
   * @default false
   */
  readonly nodeLogs?: boolean;
  /**
   * Pods of a Deployment. More than one needs `ha` in the config.
   *
   * @default - 2 with `ha`, else 1
   */
  readonly replicas?: number;
  /** @default - requests 128Mi and 100m, limits 256Mi and 200m */
  readonly resources?: ContainerResources;
  /**
   * More that the pods connect to. Ports 443, those of URLs in the config, and DNS are open already.
   *
   * @default - none
   */
  readonly egress?: readonly NetworkEdge[];
  /**
   * PodMonitor, PrometheusRule and dashboard.
   *
   * @default - none
   */
  readonly monitoring?: ShipperMonitors;
  /**
   * Secrets with which the image is pulled.
   *
   * @default - none
   */
  readonly imagePullSecrets?: readonly string[];
  /** @default - every node */
  readonly nodeSelector?: Readonly<Record<string, string>>;
  /** @default - every taint with nodeLogs, else none */
  readonly tolerations?: readonly Toleration[];
}
