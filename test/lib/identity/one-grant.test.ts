import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as kms from 'aws-cdk-lib/aws-kms';
import { flickerCalls, flickerConfig, parseSettings, registryLayout, type AwsCall } from '../../../contract';
import { grantLogShipper, IrsaRole, PodIdentityRole, RuntimeCode, StateRegistry } from '../../../lib';
import { plainConfig, shipperIn, testStack } from '../support/app';
import { ACCOUNT, allows, physicalName, policiesOf, REGION, type SynthesizedPolicies } from '../support/iam';

const config = plainConfig({
  ha: true,
  destination: { type: 's3', bucket: 'company-archive', prefix: 'audit/' },
  dead_letter: { bucket: 'company-refused', prefix: 'flicker/' },
});
const roles = {
  'task role': /^shippertask.*taskrole/,
  IRSA: /^irsarole/,
  'Pod Identity': /^podrole/,
};

let policies: SynthesizedPolicies;
let calls: AwsCall[];
let neighbour: AwsCall[];

/** One shipper, and who it may be. */
beforeAll(() => {
  const stack = testStack({ env: { account: ACCOUNT, region: REGION } });
  const registry = new StateRegistry(stack, 'Registry', { encryptionKey: new kms.Key(stack, 'Key') });
  const code = RuntimeCode.image(ecs.ContainerImage.fromRegistry('flicker:0.1.0'));
  shipperIn(stack, { registry, config, code });
  const account = { namespace: 'logging', serviceAccountName: 'flicker' };
  const irsa = new IrsaRole(stack, 'Irsa', { ...account, issuer: 'oidc.example.com/id/1' });
  const pod = new PodIdentityRole(stack, 'Pod', { ...account, clusterName: 'main' });
  for (const role of [irsa, pod]) grantLogShipper(role, { registry, config, shipperName: 'Shipper' });

  policies = policiesOf(stack);
  const bucket = physicalName(String(stack.resolve(registry.bucket.bucketName).Ref));
  const callsOf = (name: string) =>
    flickerCalls(
      parseSettings(flickerConfig('final'), config, 'config'),
      `s3://${bucket}/${registryLayout('flicker', 'prod', name).key}`,
    );
  calls = callsOf('Shipper');
  neighbour = callsOf('Neighbour').filter(({ resource }) => 'bucket' in resource && resource.bucket === bucket);
});

/** The call on a concrete key, with the headers that a registry write carries. */
async function allowed(role: RegExp, { action, resource }: AwsCall): Promise<boolean> {
  if (!('bucket' in resource)) throw new Error(`${resource.type} is not in this test`);
  const text = (pattern: string) => pattern.replace(/\*$/, 'a/1-registry.json');
  const concrete =
    resource.type === 's3-object'
      ? { ...resource, key: text(resource.key) }
      : { ...resource, prefix: text(resource.prefix) };
  const context: Record<string, string> =
    action === 's3:PutObject' ? { 's3:if-match': '"etag"', 's3:ObjectCreationOperation': 'true' } : {};
  return allows(policies, role, { action, resource: concrete }, context);
}

describe.each(Object.entries(roles))('%s', (_, role) => {
  test('may do every call of the contract', async () => {
    expect(calls.length).toBeGreaterThan(10);
    const denied = await Promise.all(calls.map(async (call) => ((await allowed(role, call)) ? [] : [call])));
    expect(denied.flat()).toEqual([]);
  });

  test("may do none on a neighbour's registry", async () => {
    expect(neighbour.length).toBeGreaterThan(4);
    const granted = await Promise.all(neighbour.map(async (call) => ((await allowed(role, call)) ? [call] : [])));
    expect(granted.flat()).toEqual([]);
  });
});

test('one grant is the same for all of them, the key included', () => {
  const [task, ...others] = Object.values(roles).map((role) => policies.identity(role).Statement);
  expect(JSON.stringify(task)).toContain('kms:GenerateDataKey');
  for (const other of others) expect(other).toEqual(task);
});

test('a registry with a key of its own is granted by that key', () => {
  const stack = testStack({ env: { account: ACCOUNT, region: REGION } });
  const role = new PodIdentityRole(stack, 'Pod', { namespace: 'a', serviceAccountName: 'b', clusterName: 'main' });
  const registry = new StateRegistry(stack, 'Registry');
  grantLogShipper(role, { registry, config: plainConfig(), shipperName: 'audit', registryKey: 'old/state.json' });
  const text = JSON.stringify(policiesOf(stack).identity(/^podrole/));
  expect(text).toContain('/old/state.json"');
  expect(text).toContain('/old/state/*"');
  expect(text).not.toContain('audit-registry');
});
