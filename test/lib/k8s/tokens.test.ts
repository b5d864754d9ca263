import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Aws, Fn, Stack, Stage, Token } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { ApiObject, App, Chart, Testing } from 'cdk8s';
import { Construct, type IConstruct } from 'constructs';
import { globSync } from 'tinyglobby';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { PodIdentityRole, StateRegistry } from '../../../lib';
import { AwsIdentity, ContainerCode, manifestsAsset, NetworkEdge, RefuseTokens } from '../../../lib/k8s';
import { plainConfig, testStack } from '../support/app';
import { chartWith, cloudRunChart } from '../support/charts';

const advice =
  'holds a CDK token, whose value is known only when its stack is deployed; a literal manifest cannot hold it';

describe('a literal manifest', () => {
  const stack = testStack();
  const bucket = new Bucket(stack, 'Bucket').bucketName;

  test.each([
    [
      'an image',
      { code: ContainerCode.image(`${bucket}:1`) },
      'Deployment/flicker: spec.template.spec.containers[0].image',
    ],
    ['a bucket', { registryBucket: bucket }, 'Deployment/flicker: spec.template.spec.containers[0].env[2].value'],
    [
      'the config',
      { config: plainConfig({ destination: { type: 's3', bucket, prefix: 'a/' } }) },
      'config: destination.bucket',
    ],
    [
      'an annotation',
      { identity: AwsIdentity.irsa(bucket) },
      'ServiceAccount/flicker: metadata.annotations.eks.amazonaws.com/role-arn',
    ],
    [
      'a number',
      { egress: [NetworkEdge.anywhere({ ports: [Token.asNumber(Fn.getAtt('Database', 'Port'))] })] },
      'NetworkPolicy/flicker: spec.egress[3].ports[0].port',
    ],
  ])('with a token in %s is refused by field', (_, props, field) => {
    const app = new App({ outdir: '/nonexistent' });
    const chart = chartWith(props, 'okta', app);
    for (const synth of [() => app.synthYaml(), () => chart.toJson(), () => Testing.synth(chart)])
      expect(synth).toThrow(`${field} ${advice}`);
  });

  test('of Cloud Run as well', () => {
    expect(() => cloudRunChart({ registryBucket: bucket }).toJson()).toThrow(
      `Service/flicker: spec.template.spec.containers[0].env[1].value ${advice}`,
    );
  });

  test('of any other chart, with the resolver', () => {
    const app = new App({ resolvers: [new RefuseTokens()] });
    const chart = new Chart(app, 'Other');
    new ApiObject(chart, 'Map', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { bucket } });
    expect(() => app.synthYaml()).toThrow(`ConfigMap/a: data.bucket ${advice}`);
  });
});

const deployment = z.object({ Properties: z.looseObject({ SourceMarkers: z.array(z.unknown()) }) });

function deploymentIn(construct: IConstruct) {
  const [found] = Object.values(Template.fromStack(Stack.of(construct)).findResources('Custom::CDKBucketDeployment'));
  return deployment.parse(found);
}

describe('manifestsAsset', () => {
  function deployed() {
    const stack = testStack();
    const registry = new StateRegistry(stack, 'Registry');
    const role = new PodIdentityRole(stack, 'Role', {
      clusterName: 'main',
      namespace: 'logging',
      serviceAccountName: 'flicker',
    });
    const chart = chartWith({
      registryBucket: registry.bucket.bucketName,
      identity: AwsIdentity.irsa(role.roleArn),
      config: plainConfig({ destination: { type: 's3', bucket: registry.bucket.bucketName, prefix: 'a/' } }),
    });
    const destinationBucket = Bucket.fromBucketName(stack, 'Delivery', 'company-delivery');
    manifestsAsset(stack, 'Manifests', { charts: [chart], destinationBucket, key: 'logging/flicker.yaml' });
    return { stack, chart };
  }

  test('delivers tokens as what they are when the stack is deployed', () => {
    const { stack } = deployed();
    const template = Template.fromStack(stack);
    template.hasResourceProperties('Custom::CDKBucketDeployment', {
      DestinationBucketName: 'company-delivery',
      DestinationBucketKeyPrefix: 'logging/',
      Prune: false,
    });
    const filled = JSON.stringify(deploymentIn(stack).Properties.SourceMarkers);
    expect(filled).toMatch(/"Ref":"Registry\w+"/);
    expect(filled).toMatch(/"Fn::GetAtt":\["Role\w+","Arn"\]/);
  });

  test('a text stays one, whatever is filled in, and a number a number', () => {
    const stack = testStack();
    const chart = chartWith({
      environment: { ACCOUNT: Aws.ACCOUNT_ID },
      egress: [NetworkEdge.anywhere({ ports: [Token.asNumber(Fn.getAtt('Database', 'Port'))] })],
    });
    const destinationBucket = Bucket.fromBucketName(stack, 'Delivery', 'company-delivery');
    manifestsAsset(stack, 'Manifests', { charts: [chart], destinationBucket });
    const { Properties } = deploymentIn(stack);
    const filled: Record<string, unknown> = Object(Properties.SourceMarkers[0]);
    expect(Object.values(filled)).toEqual([{ Ref: 'AWS::AccountId' }, { 'Fn::GetAtt': ['Database', 'Port'] }]);
    const folder = Stage.of(stack)?.outdir ?? '';
    const [file] = globSync('asset.*/manifests.yaml', { cwd: folder });
    const text = Object.keys(filled).reduce(
      (filling, marker, index) => filling.replaceAll(marker, ['111122223333', '5432'][index] ?? ''),
      readFileSync(join(folder, file ?? ''), 'utf8'),
    );
    const objects = JSON.stringify(parseAllDocuments(text, { version: '1.1' }).map((one): unknown => one.toJS()));
    expect(objects).toContain('{"name":"ACCOUNT","value":"111122223333"}');
    expect(objects).toContain('{"port":5432,"protocol":"TCP"}');
  });

  test('has the same hash in every synth, whatever the numbers of tokens', () => {
    const hash = () => {
      const [deployment] = deployed()
        .chart.apiObjects.map((object) => JSON.stringify(object.toJson()))
        .filter((text) => text.includes('"Deployment"'));
      return /"checksum\/config":"([0-9a-f]{64})"/.exec(deployment ?? '')?.[1];
    };
    expect(hash()).toMatch(/^[0-9a-f]{64}$/);
    expect(hash()).toBe(hash());
  });

  test('takes the objects of any chart, however deep, and refuses what is wrong otherwise', () => {
    const stack = testStack();
    const destinationBucket = Bucket.fromBucketName(stack, 'Delivery', 'company-delivery');
    const app = new App();
    const chart = new Chart(app, 'Other');
    const data = { bucket: new Bucket(stack, 'Bucket').bucketName };
    new ApiObject(new Construct(chart, 'Deep'), 'Map', {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'deep' },
      data,
    });
    const { Properties } = deploymentIn(manifestsAsset(stack, 'Manifests', { charts: [chart], destinationBucket }));
    expect(Properties.SourceMarkers).toEqual([{ '<<marker:0xbaba:0>>': { Ref: expect.stringMatching(/^Bucket/) } }]);

    chart.node.addValidation({ validate: () => ['the chart is wrong'] });
    expect(() => manifestsAsset(stack, 'Again', { charts: [chart], destinationBucket })).toThrow('the chart is wrong');
  });

  test('says when nobody needs it', () => {
    const warned = (...chart: Chart[]) => {
      const stack = testStack();
      const destinationBucket = Bucket.fromBucketName(stack, 'Delivery', 'company-delivery');
      manifestsAsset(stack, 'Manifests', { charts: chart, destinationBucket });
      return stack.node
        .findAll()
        .flatMap(({ node }) => node.metadata)
        .some(({ type }) => /warning/.test(type));
    };
    expect(warned(chartWith())).toBe(true);
    expect(warned(chartWith(), deployed().chart)).toBe(false);
  });
});
