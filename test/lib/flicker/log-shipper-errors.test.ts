import { Fn, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { StateRegistry, type LogShipperProps } from '../../../lib';
import type { FlickerConfigInput } from '../../../contract';
import { exampleShipper, plainConfig, shipperIn, testApp, testStack } from '../support/app';

/** The message with which a shipper with these props fails. */
function failure(make: (stack: Stack) => Partial<LogShipperProps>): string {
  const stack = testStack();
  try {
    shipperIn(stack, make(stack));
    Template.fromStack(stack);
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  throw new Error('nothing failed');
}

const vpcOf = (stack: Stack) => new ec2.Vpc(stack, 'Vpc', { restrictDefaultSecurityGroup: false });

test.each<[string, (stack: Stack) => Partial<LogShipperProps>, string]>([
  [
    'cluster and vpc',
    (stack) => ({
      cluster: new ecs.Cluster(stack, 'Cluster', { vpc: vpcOf(stack) }),
      vpc: ec2.Vpc.fromVpcAttributes(stack, 'Other', { vpcId: 'vpc-1', availabilityZones: ['a'] }),
    }),
    'vpc of Test/Shipper: got cluster and vpc, expected one of them: the tasks run in the VPC of the cluster; leave vpc out',
  ],
  [
    'a public address in the own VPC',
    () => ({ assignPublicIp: true }),
    'assignPublicIp of Test/Shipper: got true without cluster and vpc, expected a VPC whose public subnets the task is to run in: the own VPC has its tasks in private ones; give vpc or cluster, or leave assignPublicIp out',
  ],
  [
    'log group and retention',
    (stack) => ({ logGroup: new logs.LogGroup(stack, 'Logs'), logRetention: logs.RetentionDays.ONE_DAY }),
    'logRetention of Test/Shipper: got logGroup and logRetention, expected one of them: a log group has its own retention; set the retention where the log group is made',
  ],
  [
    'another processor',
    () => ({ cpuArchitecture: ecs.CpuArchitecture.of('RISC_V') }),
    'cpuArchitecture of Test/Shipper: got neither of the two that Fargate has, expected ecs.CpuArchitecture.ARM64 or ecs.CpuArchitecture.X86_64; use one of them',
  ],
  [
    'a variable of the construct',
    () => ({ environment: { FLICKER_CONFIG: '{}' } }),
    'environment of Test/Shipper: got FLICKER_CONFIG, expected variables that the construct does not set itself; use the props config, registry, stage and shipperName',
  ],
  [
    'keys beside the role',
    () => ({ environment: { AWS_ACCESS_KEY_ID: 'AKIA' } }),
    'environment of Test/Shipper: got AWS_ACCESS_KEY_ID, expected no keys: the SDK would prefer them to the role of the task',
  ],
  [
    'a variable twice',
    (stack) => ({ environment: { TOKEN: 'a' }, secrets: { TOKEN: new Secret(stack, 'Token') } }),
    'environment of Test/Shipper: got TOKEN, which is in secrets too, expected each variable once; remove it from one of them',
  ],
  [
    'a name with a slash',
    () => ({ shipperName: 'a/b' }),
    'shipperName of Test/Shipper: got "a/b", expected letters, digits, ".", "_" and "-", known at synth: it is part of the key of the registry; set shipperName',
  ],
  [
    'a stage that is a token',
    () => ({ stage: Fn.ref('Stage') }),
    'expected letters, digits, ".", "_" and "-", known at synth: it is part of the key of the registry; set stage',
  ],
  [
    'a volume twice',
    () => ({
      logVolumes: [
        { name: 'a', containerPath: '/a' },
        { name: 'a', containerPath: '/b' },
      ],
    }),
    'logVolumes of Test/Shipper: got the name "a" a second time, expected a name of its own for each volume ("runtime" holds the program); rename one of them',
  ],
  [
    'a volume over the program',
    () => ({ logVolumes: [{ name: 'a', containerPath: '/holdfast/logs' }] }),
    'logVolumes of Test/Shipper: got the containerPath "/holdfast/logs", expected an absolute folder other than / and /holdfast; mount it elsewhere, such as /var/log/app',
  ],
  [
    'a relative volume',
    () => ({ logVolumes: [{ name: 'a', containerPath: 'logs' }] }),
    'got the containerPath "logs", expected an absolute folder',
  ],
])('fails on %s', (_, props, message) => {
  expect(failure(props)).toContain(message);
});

const withConfig = (config: FlickerConfigInput, props: Partial<LogShipperProps> = {}) =>
  failure(() => ({ ...props, config }));

describe('the config', () => {
  test('fails on an unknown key, with the nearest known one', () => {
    const misspelt = JSON.parse('{"api_source": [], "destination": {"type": "stdout"}}');
    expect(withConfig(misspelt)).toBe(
      'the config of Test/Shipper is not valid:\n' +
        '  - (top level): unknown key "api_source", did you mean "api_sources"?\n' +
        '  - (top level): there is no source: add log_files, docker_containers or api_sources',
    );
  });

  test('fails on containers of a daemon that Fargate has not', () => {
    expect(withConfig(plainConfig({ docker_containers: [{ container: 'web' }] }))).toContain(
      'docker_containers of Test/Shipper: got web, expected none: Fargate has no Docker daemon',
    );
  });

  test('fails on a reference that nothing provides', () => {
    const config = plainConfig({
      destination: { type: 'http', endpoint: 'https://a.example.com/', api_key: '${LOGS_TOKEN}' },
    });
    expect(
      failure((stack) => ({ config, secrets: { OTHER: new Secret(stack, 'Other') }, environment: { MORE: '' } })),
    ).toBe(
      'config of Test/Shipper: destination.api_key refers to ${LOGS_TOKEN}: got no secret and no environment entry of that name, ' +
        'expected one of: OTHER, MORE; add LOGS_TOKEN to secrets or environment, or give it a default: ${LOGS_TOKEN:-…}',
    );
  });

  test('fails on "${" that is no reference', () => {
    const config = plainConfig({
      destination: { type: 'http', endpoint: 'https://a.example.com/', headers: { a: '${1}' } },
    });
    expect(withConfig(config)).toBe(
      'config of Test/Shipper: destination.headers.a: got a "${" that starts no reference, expected ${NAME} or ${NAME:-default}; write "$${" for a literal "${"',
    );
  });

  test('fails over 32 KiB, with the way out', () => {
    const headers = { a: 'x'.repeat(32 * 1024) };
    expect(
      withConfig(plainConfig({ destination: { type: 'http', endpoint: 'https://a.example.com/', headers } })),
    ).toMatch(
      /^config of Test\/Shipper: got \d+ bytes of JSON, expected at most 32768, for it travels in the task definition; split the sources over several shippers, or put the config file into an image of your own \(RuntimeCode.image\)$/,
    );
  });

  test('fails on a drain that Fargate does not wait for', () => {
    expect(withConfig(plainConfig({ shutdown_timeout_ms: '2m' }))).toContain(
      'shutdown_timeout_ms: expected a whole number of ms from 3000 to 115000',
    );
  });

  test('fails on a drain that is not known', () => {
    expect(
      failure((stack) => ({
        config: plainConfig({ shutdown_timeout_ms: '${DRAIN}' }),
        secrets: { DRAIN: new Secret(stack, 'Drain') },
      })),
    ).toBe(
      'shutdown_timeout_ms of Test/Shipper: got a value that is known only when the container starts, expected a duration known at synth, because the stop timeout of the task follows from it; write the duration into the config',
    );
  });

  test('fails on a bucket that a secret names', () => {
    const config = plainConfig({ destination: { type: 's3', bucket: '${ARCHIVE}' } });
    expect(failure((stack) => ({ config, secrets: { ARCHIVE: new Secret(stack, 'Archive') } }))).toBe(
      'config of Test/Shipper: the name of a place that events go to: got ${ARCHIVE}, which a secret provides, expected a value known at synth or a CDK token, because the permissions of the task follow from it; move ARCHIVE from secrets to environment, or write it into the config',
    );
  });

  test('fails on a prefix that ends in a token', () => {
    expect(
      withConfig(plainConfig({ destination: { type: 's3', bucket: 'archive', prefix: Fn.ref('AWS::Region') } })),
    ).toBe(
      'config of Test/Shipper: destination.prefix: got a CDK token at the end of a prefix, expected a prefix that ends in "/"; add the "/" after the token',
    );
  });

  test('fails on log files that no volume holds', () => {
    expect(withConfig(plainConfig({ log_files: [{ path: '/var/log/*.log' }] }))).toContain(
      'log_files of Test/Shipper: got /var/log/*.log, expected a path in a folder that the task shares: (there is none); name its folder in logVolumes, and mount it in the container that writes there (shipper.mountLogVolumes)',
    );
  });

  test.each(['/var/log/application/a.log', '/var/log/app/../b.log', '/var/*/app/a.log'])(
    'fails on log files outside: %s',
    (path) => {
      const logVolumes = [{ name: 'logs', containerPath: '/var/log/app' }];
      expect(withConfig(plainConfig({ log_files: [{ path }] }), { logVolumes })).toContain(
        `log_files of Test/Shipper: got ${path}`,
      );
    },
  );

  test('fails on files that nothing keeps', () => {
    const message = withConfig(
      plainConfig({ destination: { type: 'file', path: '/out.jsonl' }, dead_letter: { path: '/dead' } }),
    );
    expect(message).toContain(
      'destination file of Test/Shipper: got /out.jsonl, expected a path that can be written and outlives the task, or a bucket; use S3, or mount a file system there: shipper.container.addMountPoints',
    );
    expect(message).toContain('dead_letter of Test/Shipper: got /dead');
  });
});

describe('two shippers on one registry fail', () => {
  const message = (first: string, second: string) =>
    `registry of ${second}: got flicker/prod/audit-registry.json, which ${first} has too, expected one shipper for each registry, or ha: true in the config of all of them; give one of them another shipperName or stage, or set ha`;

  test('in one stack', () => {
    const stack = testStack();
    const registry = new StateRegistry(stack, 'Registry');
    shipperIn(stack, { registry, shipperName: 'audit' }, 'First');
    expect(() => shipperIn(stack, { registry, shipperName: 'audit' }, 'Second')).toThrow(
      message('Test/First', 'Test/Second'),
    );
  });

  test('in two stacks that import the bucket', () => {
    const app = testApp();
    const ship = (id: string) => {
      const stack = new Stack(app, id);
      const registry = StateRegistry.fromStateRegistryAttributes(stack, 'Registry', { bucketName: 'company-registry' });
      return shipperIn(stack, { registry, shipperName: 'audit' });
    };
    ship('One');
    expect(() => ship('Two')).toThrow(message('One/Shipper', 'Two/Shipper'));
  });
});

test('the first example fails without its secret', () => {
  const stack = testStack();
  const { registry } = exampleShipper(stack);
  expect(() =>
    shipperIn(stack, {
      registry,
      config: plainConfig({
        destination: { type: 'http', endpoint: 'https://a.example.com/', api_key: '${OKTA_API_TOKEN}' },
      }),
    }),
  ).toThrow('expected one of: (there is none)');
});
