import { z } from 'zod';
import { missingTools, rolloutTools, startControlPlane, type ControlPlane } from '../../dev/kube/control-plane';
import type { KubeApi } from '../../dev/kube/api';
import { establish } from '../../dev/kube/definitions';
import { plainConfig } from '../lib/support/app';
import { chartWith, manifestsOf, nodeConfig, shapes } from '../lib/support/charts';
import { asManifests, definitions, type Manifest } from '../lib/support/manifests';
import { applied, dryRun, eventually } from './support';

const missing = missingTools(rolloutTools);
const NODES = ['node-a', 'node-b', 'node-c'];

let plane: ControlPlane;
let api: KubeApi;

beforeAll(async () => {
  plane = await startControlPlane({ rollouts: missing.length === 0 });
  ({ api } = plane);
  await establish(api, definitions());
  // A chart's namespace, and the one that a service of Cloud Run is checked in.
  for (const name of Object.keys(shapes)) {
    const namespace = manifestsOf(shape(name)).find(({ kind }) => kind === 'Namespace');
    if (namespace) await applied(api, namespace);
  }
}, 120_000);

afterAll(async () => {
  await api?.close();
  await plane?.stop();
});

function shape(name: string) {
  const make = shapes[name];
  if (!make) throw new Error(`no shape "${name}"`);
  return make();
}

function only(manifests: readonly Manifest[], kind: string): Manifest {
  const [found, second] = manifests.filter((manifest) => manifest.kind === kind);
  if (!found || second) throw new Error(`expected one ${kind}`);
  return found;
}

describe('admission', () => {
  test.each(Object.keys(shapes))('%s is accepted without a warning', async (name) => {
    const problems = await Promise.all(manifestsOf(shape(name)).map((manifest) => dryRun(api, manifest)));
    expect(problems.flat()).toEqual([]);
  });

  test('the one thing that Pod Security has against a DaemonSet of node logs is the volume of the node', async () => {
    const chart = chartWith({ namespace: 'single', name: 'nodes', config: nodeConfig, nodeLogs: true });
    expect(await dryRun(api, only(manifestsOf(chart), 'DaemonSet'))).toEqual([
      'DaemonSet/nodes: would violate PodSecurity \\"restricted:latest\\": restricted volume types (volume \\"pod-logs\\" uses restricted volume type \\"hostPath\\")',
    ]);
  });

  test('an unknown field is refused', async () => {
    const deployment = only(manifestsOf(shape('single')), 'Deployment');
    const wrong = { ...deployment, spec: { ...Object(deployment.spec), replcas: 2 } };
    expect(await dryRun(api, wrong)).toEqual([expect.stringMatching(/replcas: field not declared in schema/)]);
  });
});

const status = z.looseObject({
  metadata: z.looseObject({ generation: z.number() }),
  spec: z.looseObject({ replicas: z.number().optional() }),
  status: z.looseObject({
    observedGeneration: z.number().optional(),
    updatedReplicas: z.number().optional(),
    availableReplicas: z.number().optional(),
    replicas: z.number().optional(),
    numberAvailable: z.number().optional(),
    updatedNumberScheduled: z.number().optional(),
  }),
});
const podList = z.object({
  items: z.array(
    z.looseObject({
      metadata: z.looseObject({ name: z.string(), uid: z.string() }),
      status: z.looseObject({ phase: z.string() }),
    }),
  ),
});

async function rolledOut(workload: Manifest): Promise<void> {
  await eventually(
    `the rollout of ${workload.kind} ${workload.metadata.namespace}/${workload.metadata.name}`,
    async () => {
      const { metadata, spec, status: now } = status.parse(await api.get(workload));
      if (now.observedGeneration !== metadata.generation) return undefined;
      const [wanted, updated, available, all] =
        workload.kind === 'DaemonSet'
          ? [NODES.length, now.updatedNumberScheduled, now.numberAvailable, NODES.length]
          : [spec.replicas, now.updatedReplicas, now.availableReplicas, now.replicas];
      return updated === wanted && available === wanted && all === wanted ? true : undefined;
    },
    () => api.get(workload),
  );
}

async function podsIn(namespace: string) {
  return podList.parse((await api.request('GET', `/api/v1/namespaces/${namespace}/pods`)).body).items;
}

async function evict(namespace: string, name: string): Promise<number> {
  const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } };
  return (await api.request('POST', `/api/v1/namespaces/${namespace}/pods/${name}/eviction`, body)).status;
}

const rollouts = missing.length === 0 ? describe : describe.skip;

rollouts(`rollouts${missing.length === 0 ? '' : ` (left out: there is no ${missing.join(', ')})`}`, () => {
  const workloads = ['single', 'standby', 'bundle', 'nodes'];
  const node = (name: string, unschedulable: boolean) =>
    asManifests([
      {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels: { 'kubernetes.io/arch': 'arm64', 'kubernetes.io/hostname': name } },
        spec: { unschedulable },
      },
    ]);

  beforeAll(async () => {
    for (const name of NODES) for (const manifest of node(name, false)) await applied(api, manifest);
    for (const name of workloads) for (const manifest of manifestsOf(shape(name))) await applied(api, manifest);
  }, 60_000);

  test.each(workloads)('%s', async (name) => {
    const manifests = manifestsOf(shape(name));
    await rolledOut(manifests.find(({ kind }) => kind === 'DaemonSet') ?? only(manifests, 'Deployment'));
  });

  test('a new config replaces the pods, with standbys as well, and nobody waits for anybody', async () => {
    for (const name of ['single', 'standby']) {
      const before = (await podsIn(name)).map(({ metadata }) => metadata.uid);
      const config = plainConfig({ ha: name === 'standby', shutdown_timeout_ms: 12_000 });
      const changed = manifestsOf(chartWith({ namespace: name, config }));
      for (const manifest of changed) await applied(api, manifest);
      await rolledOut(only(changed, 'Deployment'));
      const after = await podsIn(name);
      expect(after.map(({ metadata }) => metadata.uid).filter((uid) => before.includes(uid))).toEqual([]);
      expect(after).toHaveLength(name === 'standby' ? 2 : 1);
    }
  });

  test('a drain takes one pod at a time, and the only pod as well', async () => {
    // No node takes a new pod: the evicted one stays away.
    for (const name of NODES) for (const manifest of node(name, true)) await applied(api, manifest);
    const [first, second] = await podsIn('standby');
    const [only] = await podsIn('single');
    if (!first || !second || !only) throw new Error('there are too few pods');
    // The budget is known as soon as its controller has seen the pods.
    await eventually(
      'an eviction',
      async () => ((await evict('standby', first.metadata.name)) === 201 ? true : undefined),
      () => api.request('GET', '/apis/policy/v1/namespaces/standby/poddisruptionbudgets/flicker'),
    );
    expect(await evict('standby', second.metadata.name)).toBe(429);
    expect(await evict('single', only.metadata.name)).toBe(201);
  });
});
