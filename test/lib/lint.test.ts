import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, CfnParameter, Stack, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { z } from 'zod';
import { Schedule } from 'aws-cdk-lib/aws-applicationautoscaling';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as efs from 'aws-cdk-lib/aws-efs';
import * as kms from 'aws-cdk-lib/aws-kms';
import { ServiceStack, StateStack } from '../../bin/stacks';
import { readSettings } from '../../bin/settings';
import {
  grantLogShipper,
  IrsaRole,
  PodIdentityRole,
  ReplicatedStateRegistry,
  RuntimeBundle,
  StandbyStateRegistry,
  StateRegistry,
} from '../../lib';
import { exampleShipper, plainConfig, shipperIn, testApp } from './support/app';
import { ACCOUNT } from './support/iam';

const validationReport = z.object({
  pluginReports: z.array(
    z.object({ pluginName: z.string(), conclusion: z.string(), violations: z.array(z.unknown()) }),
  ),
});

/** Everything that the constructs make, in the shapes that users deploy. */
function everything(app: App): void {
  const one = new Stack(app, 'One');
  exampleShipper(one).monitor();
  const state = new StateStack(app, 'State', {});
  const { registry } = state;
  new ServiceStack(app, 'Service', { ...readSettings(() => undefined), registry, monitor: true });
  const keyed = new Stack(app, 'Keyed');
  const encryptionKey = new kms.Key(keyed, 'Key', { enableKeyRotation: true });
  shipperIn(keyed, {
    registry: new StateRegistry(keyed, 'Registry', { encryptionKey }),
    config: plainConfig({
      log_files: [{ path: '/logs/*.log' }],
      dead_letter: { bucket: 'company-refused', prefix: 'a' },
    }),
    logVolumes: [{ name: 'logs', containerPath: '/logs' }],
  });
  const far = new Stack(app, 'Far', { env: { account: ACCOUNT, region: 'eu-west-1' } });
  const near = new Stack(app, 'Near', { env: { account: ACCOUNT, region: 'eu-central-1' } });
  const standby = new StandbyStateRegistry(far, 'Standby', { bucketName: 'state-far' });
  const filesGroup = ec2.SecurityGroup.fromSecurityGroupId(near, 'Files', 'sg-0123456789abcdef0');
  const fileSystem = efs.FileSystem.fromFileSystemAttributes(near, 'FileSystem', {
    fileSystemId: 'fs-0123456789abcdef0',
    securityGroup: filesGroup,
  });
  shipperIn(near, {
    registry: new ReplicatedStateRegistry(near, 'Registry', { bucketName: 'state-near', standby }),
    config: plainConfig({ ha: true, log_files: [{ path: '/logs/*.log', shared: true }] }),
    logVolumes: [{ name: 'logs', containerPath: '/logs', fileSystem }],
    interfaceEndpoints: true,
  }).scaleOnSchedule('Night', { schedule: Schedule.cron({ hour: '20', minute: '0' }), desiredCount: 0 });
  const pods = new Stack(app, 'Pods');
  const account = { namespace: 'logging', serviceAccountName: 'flicker' };
  const issuer = new CfnParameter(pods, 'Issuer').valueAsString;
  const roles = [
    new IrsaRole(pods, 'Literal', { ...account, issuer: 'https://oidc.example.com/id/1' }),
    new IrsaRole(pods, 'Token', { ...account, issuer }),
    new PodIdentityRole(pods, 'PodIdentity', { ...account, clusterName: 'main' }),
  ];
  const bundle = new RuntimeBundle(pods, 'Bundle', 'flicker');
  for (const role of roles) {
    grantLogShipper(role, { registry, config: plainConfig({ ha: true }), shipperName: 'pods' });
    bundle.grantRead(role);
  }
}

/** Acknowledged rules of an app, with the sentence that says why. */
function acknowledgements(app: App): [string, string][] {
  return app.node
    .findAll()
    .flatMap(({ node }) => node.metadata)
    .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
    .flatMap(({ data }) => Object.entries<string>(data));
}

test('the built-in validation, with findings as errors, finds nothing', () => {
  const app = testApp({ validation: true, context: { '@aws-cdk/core:validateAgainstDefaultRules': true } });
  everything(app);
  expect(() => app.synth()).not.toThrow();
  const report = validationReport.parse(JSON.parse(readFileSync(join(app.outdir, 'validation-report.json'), 'utf8')));
  expect(report.pluginReports).toEqual([
    { pluginName: 'CloudFormation Validate', conclusion: 'success', violations: [] },
  ]);
}, 60_000);

test('cdk-nag finds nothing', () => {
  const app = testApp();
  everything(app);
  app.synth();
  expect(new AwsSolutionsChecks(app).validateScope(app).violations).toEqual([]);
});

test('each acknowledgement says why, in one sentence', () => {
  const app = testApp();
  everything(app);
  app.synth();
  // W3010 is the CDK's own.
  const reasons = acknowledgements(app).filter(([rule]) => !rule.endsWith('::W3010'));
  expect(reasons.length).toBeGreaterThan(5);
  for (const [rule, reason] of reasons)
    expect([rule, reason]).toEqual([rule, expect.stringMatching(/^[A-Z][^.]{20,}\.$/)]);
});

test('two synths are equal, byte by byte', () => {
  const folders = [1, 2].map(() => mkdtempSync(join(tmpdir(), 'holdfast-synth-')));
  try {
    const [first, second] = folders.map((outdir) => {
      const app = new App({ outdir, context: testApp().node.getAllContext(), builtinCloudFormationValidation: false });
      everything(app);
      app.synth();
      return contents(outdir);
    });
    expect(Object.keys(first ?? {})).toContain('One.template.json');
    expect(second).toEqual(first);
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true });
  }
});

function contents(folder: string): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'base64')]));
}
