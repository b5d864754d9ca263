import type { Construct } from 'constructs';
import { k8s } from 'cdk8s-plus-28';
import { problem } from '../problem';

export interface PortOptions {
  readonly ports: readonly number[];
  /** @default 'TCP' */
  readonly protocol?: 'TCP' | 'UDP';
}

export interface PodsOptions extends PortOptions {
  /** Namespace of the pods. */
  readonly namespace: string;
  /**
   * Labels of the pods.
   *
   * @default - every pod of the namespace
   */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Addresses of a node itself: instance metadata, agents. No edge to the internet includes them. */
const LINK_LOCAL = '169.254.0.0/16';
const LINK_LOCAL_V6 = ['fe80::/10', 'fd00:ec2::/32'];

/** One edge of the network: who is on the other end, at which ports. For pods these are the pods' ports, not those of a Service. */
export class NetworkEdge {
  /** Pods of a namespace. */
  static pods({ namespace, labels, ...ports }: PodsOptions): NetworkEdge {
    const pods = labels ? { podSelector: { matchLabels: { ...labels } } } : {};
    return new NetworkEdge([{ ...podsOf(namespace), ...pods }], portsOf(ports));
  }

  /** Addresses in CIDR notation. @throws Error when there is none, or no port */
  static addresses(cidrs: readonly string[], ports: PortOptions): NetworkEdge {
    const peers = cidrs.map((cidr) => ({ ipBlock: { cidr } }));
    if (peers.length === 0) throw none('cidrs', 'address');
    return new NetworkEdge(peers, portsOf(ports));
  }

  /** Every address, IPv4 and IPv6, but those of the node itself: NetworkPolicies know no host names. */
  static anywhere(ports: PortOptions): NetworkEdge {
    return new NetworkEdge(
      [
        { ipBlock: { cidr: '0.0.0.0/0', except: [LINK_LOCAL] } },
        { ipBlock: { cidr: '::/0', except: [...LINK_LOCAL_V6] } },
      ],
      portsOf(ports),
    );
  }

  /** The cluster's DNS, over UDP and TCP: its pods in kube-system, and the cache on each node where there is one. */
  static dns(): NetworkEdge {
    const peers = [podsOf('kube-system'), { ipBlock: { cidr: '169.254.20.10/32' } }];
    return new NetworkEdge(peers, [...portsOf({ ports: [53], protocol: 'UDP' }), ...portsOf({ ports: [53] })]);
  }

  private constructor(
    private readonly peers: readonly k8s.NetworkPolicyPeer[],
    private readonly ports: readonly k8s.NetworkPolicyPort[],
  ) {}

  /** @internal */
  egress(): k8s.NetworkPolicyEgressRule {
    return { to: [...this.peers], ports: [...this.ports] };
  }

  /** @internal */
  ingress(): k8s.NetworkPolicyIngressRule {
    return { from: [...this.peers], ports: [...this.ports] };
  }
}

function podsOf(namespace: string): k8s.NetworkPolicyPeer {
  return { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } };
}

/** An empty list in a NetworkPolicy stands for all of them. */
function none(prop: string, what: string): Error {
  return problem({
    what: `${prop} of a NetworkEdge`,
    got: 'none',
    expected: `at least one: a NetworkPolicy takes an empty list for every ${what}`,
    fix: 'leave the edge out, or name what it leads to',
  });
}

function portsOf({ ports, protocol = 'TCP' }: PortOptions): k8s.NetworkPolicyPort[] {
  if (ports.length === 0) throw none('ports', 'port');
  return ports.map((port) => ({ port: k8s.IntOrString.fromNumber(port), protocol }));
}

export interface NetworkPolicyOptions {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Pods that may connect. */
  readonly ingress: readonly NetworkEdge[];
  /** What the pods may connect to. */
  readonly egress: readonly NetworkEdge[];
}

/** Denies everything that the pods with these labels receive and send, but the edges declared. */
export function networkPolicy(scope: Construct, id: string, options: NetworkPolicyOptions): k8s.KubeNetworkPolicy {
  const { name, labels, ingress, egress } = options;
  return new k8s.KubeNetworkPolicy(scope, id, {
    metadata: { name, labels: { ...labels } },
    spec: {
      podSelector: { matchLabels: { ...labels } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: ingress.map((edge) => edge.ingress()),
      egress: egress.map((edge) => edge.egress()),
    },
  });
}
