import { Aws, Stack, Token } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import { flickerSettings } from '../../../contract';
import { LogShipper, RuntimeCode, StateRegistry } from '../../../lib';
import { normalizedTemplate } from '../../../lib/testing';
import { exampleShipper, plainConfig, shipperIn, testApp, testStack } from '../support/app';
import { containerIn } from '../support/containers';

test('the template of the first example', () => {
  const stack = testStack();
  exampleShipper(stack);
  expect(normalizedTemplate(stack)).toMatchSnapshot();
});

describe('the service', () => {
  test('has one writer at any time and rolls back what does not start', () => {
    const stack = testStack();
    shipperIn(stack);
    Template.fromStack(stack).hasResourceProperties('AWS::ECS::Service', {
      DesiredCount: 1,
      LaunchType: 'FARGATE',
      AvailabilityZoneRebalancing: 'DISABLED',
      DeploymentConfiguration: {
        MinimumHealthyPercent: 0,
        MaximumPercent: 100,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'DISABLED' } },
    });
  });

  test('waits for its way out and for the permissions of both roles', () => {
    const stack = testStack();
    shipperIn(stack);
    Template.fromStack(stack).hasResource('AWS::ECS::Service', {
      DependsOn: Match.arrayWith([
        Match.stringLikeRegexp('ExecutionRoleDefaultPolicy'),
        Match.stringLikeRegexp('TaskRoleDefaultPolicy'),
        Match.stringLikeRegexp('privateSubnet1DefaultRoute'),
      ]),
    });
  });
});

describe('the task', () => {
  test('is small and for ARM64', () => {
    const stack = testStack();
    shipperIn(stack);
    Template.fromStack(stack).hasResourceProperties('AWS::ECS::TaskDefinition', {
      Cpu: '256',
      Memory: '512',
      NetworkMode: 'awsvpc',
      RuntimePlatform: { CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' },
    });
  });

  test('takes another size and processor', () => {
    const stack = testStack();
    shipperIn(stack, { cpu: 1024, memoryLimitMiB: 2048, cpuArchitecture: ecs.CpuArchitecture.X86_64 });
    Template.fromStack(stack).hasResourceProperties('AWS::ECS::TaskDefinition', {
      Cpu: '1024',
      Memory: '2048',
      RuntimePlatform: { CpuArchitecture: 'X86_64' },
    });
  });

  test('has a role for the program and another for ECS', () => {
    const stack = testStack();
    shipperIn(stack);
    Template.fromStack(stack).resourceCountIs('AWS::IAM::Role', 2);
  });
});

describe('the container', () => {
  test('is nobody, cannot write, is watched, restarted and stopped in time', () => {
    const stack = testStack();
    shipperIn(stack);
    expect(containerIn(stack, 'flicker')).toMatchObject({
      Essential: true,
      User: '10001:10001',
      ReadonlyRootFilesystem: true,
      EntryPoint: ['node', '--max-semi-space-size=1', '--liftoff-only', '--heap-growing-percent=50'],
      Command: ['/holdfast/flicker.mjs'],
      StopTimeout: 15,
      HealthCheck: {
        Command: ['CMD', 'node', '/holdfast/flicker.mjs', 'health'],
        Interval: 30,
        Timeout: 5,
        Retries: 3,
      },
      RestartPolicy: { Enabled: true, RestartAttemptPeriod: 60 },
    });
  });

  test('has time to drain: the longest drain gives the longest stop that Fargate has', () => {
    const stack = testStack();
    shipperIn(stack, { config: plainConfig({ shutdown_timeout_ms: '115s' }) });
    expect(containerIn(stack, 'flicker')).toMatchObject({ StopTimeout: 120 });
  });

  test('is told its settings by the variables of the contract', () => {
    const stack = testStack();
    const registry = StateRegistry.fromStateRegistryAttributes(stack, 'Registry', { bucketName: 'company-registry' });
    const config = plainConfig();
    shipperIn(stack, {
      registry,
      config,
      stage: 'test',
      shipperName: 'audit',
      environment: { FLICKER_LOG_LEVEL: 'debug' },
    });
    expect(containerIn(stack, 'flicker').Environment).toEqual([
      { Name: 'FLICKER_LOG_LEVEL', Value: 'debug' },
      { Name: flickerSettings.track.env, Value: 'true' },
      { Name: flickerSettings.registryFile.env, Value: 's3://company-registry/flicker/test/audit-registry.json' },
      { Name: flickerSettings.clusterId.env, Value: 'test/audit' },
      { Name: flickerSettings.config.env, Value: JSON.stringify(config) },
    ]);
  });

  test('logs to a group of its own for a month', () => {
    const stack = testStack();
    shipperIn(stack);
    Template.fromStack(stack).hasResourceProperties('AWS::Logs::LogGroup', { RetentionInDays: 30 });
    expect(containerIn(stack, 'flicker')).toMatchObject({ LogConfiguration: { LogDriver: 'awslogs' } });
  });
});

describe('secrets', () => {
  test('come whole, by field and from parameters, by the execution role', () => {
    const stack = testStack();
    const secret = new Secret(stack, 'Secret');
    const parameter = StringParameter.fromSecureStringParameterAttributes(stack, 'Parameter', {
      parameterName: '/token',
    });
    shipperIn(stack, {
      secrets: { WHOLE: secret, FIELD: ecs.Secret.fromSecretsManager(secret, 'token'), PARAMETER: parameter },
    });
    const secrets = containerIn(stack, 'flicker').Secrets ?? [];
    expect(secrets.map(({ Name }) => Name)).toEqual(['WHOLE', 'FIELD', 'PARAMETER']);
    expect(JSON.stringify(secrets[0])).toContain('"Ref":"SecretA720EF05"');
    expect(JSON.stringify(secrets[1])).toContain(':token::');
    expect(JSON.stringify(secrets[2])).toContain(':parameter/token');
    Template.fromStack(stack).hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Action: Match.arrayWith(['secretsmanager:GetSecretValue']) }),
          Match.objectLike({ Action: Match.arrayWith(['ssm:GetParameters']) }),
        ]),
      },
      Roles: [{ Ref: Match.stringLikeRegexp('ExecutionRole') }],
    });
  });

  test('and defaults satisfy references; `$${` is literal text', () => {
    const stack = testStack();
    expect(() =>
      shipperIn(stack, {
        config: plainConfig({
          destination: {
            type: 'http',
            endpoint: 'https://${HOST:-logs.example.com}/${PATH_PART}',
            headers: { a: '${TOKEN}', b: '$${NOT_A_REFERENCE}' },
          },
        }),
        environment: { PATH_PART: 'in' },
        secrets: { TOKEN: new Secret(stack, 'Secret') },
      }),
    ).not.toThrow();
  });
});

describe('tokens in the config', () => {
  test('are resolved when the stack is deployed, and granted', () => {
    const stack = testStack();
    const archive = new s3.Bucket(stack, 'Archive');
    const ref = JSON.stringify(stack.resolve(archive.bucketName));
    shipperIn(stack, {
      config: plainConfig({
        destination: { type: 's3', bucket: archive.bucketName, prefix: `${Aws.REGION}/audit/` },
        dead_letter: { bucket: '${REFUSED}', prefix: 'flicker' },
      }),
      environment: { REFUSED: archive.bucketName },
    });
    const text = containerIn(stack, 'flicker').Environment?.find(({ Name }) => Name === 'FLICKER_CONFIG')?.Value;
    expect(text).toEqual({
      'Fn::Join': [
        '',
        [
          expect.stringContaining('"destination":{"type":"s3","bucket":"'),
          JSON.parse(ref),
          '","prefix":"',
          { Ref: 'AWS::Region' },
          '/audit/"},"dead_letter":{"bucket":"${REFUSED}","prefix":"flicker"}}',
        ],
      ],
    });
    const resources = JSON.stringify(Template.fromStack(stack).findResources('AWS::IAM::Policy'));
    expect(resources).toContain(`${ref},"/",{"Ref":"AWS::Region"},"/audit/*"`);
    expect(resources).toContain(`${ref},"/flicker/*"`);
  });

  test('next to a "$" and in a default are no references', () => {
    const stack = testStack();
    const token = Token.asString({ Ref: 'AWS::Region' });
    expect(() =>
      shipperIn(stack, {
        config: plainConfig({
          destination: {
            type: 'http',
            endpoint: 'https://a.example.com/',
            headers: { a: `$${token}`, b: `\${X:-${token}}` },
          },
        }),
      }),
    ).not.toThrow();
  });
});

describe('the network', () => {
  test('of its own has a NAT gateway, an S3 endpoint, and no Lambda function', () => {
    const stack = testStack();
    shipperIn(stack);
    const template = Template.fromStack(stack);
    template.resourceCountIs('AWS::EC2::NatGateway', 1);
    template.hasResourceProperties('AWS::EC2::VPCEndpoint', {
      VpcEndpointType: 'Gateway',
      ServiceName: { 'Fn::Join': ['', ['com.amazonaws.', { Ref: 'AWS::Region' }, '.s3']] },
    });
    template.resourceCountIs('AWS::Lambda::Function', 0);
    template.resourcePropertiesCountIs('AWS::EC2::Subnet', { MapPublicIpOnLaunch: true }, 0);
  });

  test('may be a cluster, security groups and subnets of yours', () => {
    const stack = testStack();
    const vpc = new ec2.Vpc(stack, 'Mine', { restrictDefaultSecurityGroup: false });
    const group = new ec2.SecurityGroup(stack, 'Group', { vpc });
    const cluster = new ecs.Cluster(stack, 'Cluster', { vpc });
    const shipper = shipperIn(stack, {
      cluster,
      securityGroups: [group],
      vpcSubnets: { subnetType: ec2.SubnetType.PUBLIC },
      assignPublicIp: true,
    });
    const template = Template.fromStack(stack);
    template.resourceCountIs('AWS::EC2::VPC', 1);
    template.resourceCountIs('AWS::EC2::SecurityGroup', 1);
    template.resourceCountIs('AWS::ECS::Cluster', 1);
    template.hasResourceProperties('AWS::ECS::Service', {
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'ENABLED' } },
    });
    expect(shipper.connections.securityGroups).toEqual([group]);
  });

  test('may be a VPC of yours', () => {
    const stack = testStack();
    shipperIn(stack, { vpc: new ec2.Vpc(stack, 'Mine', { restrictDefaultSecurityGroup: false }) });
    Template.fromStack(stack).resourceCountIs('AWS::EC2::VPC', 1);
  });

  test('lets in who is allowed, to the port of health and metrics', () => {
    const stack = testStack();
    const shipper = shipperIn(stack);
    shipper.connections.allowDefaultPortFrom(ec2.Peer.ipv4('10.0.0.0/8'));
    Template.fromStack(stack).hasResourceProperties('AWS::EC2::SecurityGroup', {
      SecurityGroupIngress: [Match.objectLike({ CidrIp: '10.0.0.0/8', FromPort: 8080, ToPort: 8080 })],
    });
  });
});

test('roles and a log group of yours are used', () => {
  const stack = testStack();
  const taskRole = new iam.Role(stack, 'Program', { assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com') });
  const executionRole = new iam.Role(stack, 'Execution', {
    assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
  });
  const logGroup = new logs.LogGroup(stack, 'Group');
  const shipper = shipperIn(stack, { taskRole, executionRole, logGroup });
  const template = Template.fromStack(stack);
  template.resourceCountIs('AWS::IAM::Role', 2);
  template.resourceCountIs('AWS::Logs::LogGroup', 1);
  expect(shipper.grantPrincipal).toBe(taskRole);
});

test('log volumes are read by the shipper and written by the containers that are added', () => {
  const stack = testStack();
  const shipper = shipperIn(stack, {
    logVolumes: [{ name: 'app-logs', containerPath: '/var/log/app' }],
    config: plainConfig({ log_files: [{ path: '/var/log/app/*.log' }] }),
  });
  const app = shipper.taskDefinition.addContainer('App', { image: ecs.ContainerImage.fromRegistry('app:1') });
  shipper.mountLogVolumes(app);
  Template.fromStack(stack).hasResourceProperties('AWS::ECS::TaskDefinition', {
    Volumes: [{ Name: 'runtime' }, { Name: 'app-logs' }],
  });
  expect(containerIn(stack, 'flicker').MountPoints).toContainEqual({
    SourceVolume: 'app-logs',
    ContainerPath: '/var/log/app',
    ReadOnly: true,
  });
  expect(containerIn(stack, 'App').MountPoints).toEqual([
    { SourceVolume: 'app-logs', ContainerPath: '/var/log/app', ReadOnly: false },
  ]);
});

test('a file destination is fine on a file system that you mount', () => {
  const stack = testStack();
  const shipper = shipperIn(stack, { config: plainConfig({ destination: { type: 'file', path: '/data/out.jsonl' } }) });
  shipper.taskDefinition.addVolume({ name: 'data', efsVolumeConfiguration: { fileSystemId: 'fs-1' } });
  shipper.container.addMountPoints({ sourceVolume: 'data', containerPath: '/data', readOnly: false });
  expect(() => Template.fromStack(stack)).not.toThrow();
});

test('two shippers share a bucket, each with its own registry', () => {
  const stack = testStack();
  const registry = new StateRegistry(stack, 'Registry');
  const first = shipperIn(stack, { registry }, 'First');
  const second = shipperIn(stack, { registry, cluster: first.cluster }, 'Second');
  const third = shipperIn(stack, { registry, cluster: first.cluster, stage: 'test', shipperName: 'First' }, 'Third');
  expect([first, second, third].map(({ registryLayout }) => registryLayout.key)).toEqual([
    'flicker/prod/First-registry.json',
    'flicker/prod/Second-registry.json',
    'flicker/test/First-registry.json',
  ]);
});

test('equal names in buckets of two stages are two registries', () => {
  const app = testApp();
  for (const name of ['Test', 'Prod']) {
    const stack = new Stack(app, name);
    shipperIn(stack, { code: RuntimeCode.image(ecs.ContainerImage.fromRegistry('shipper:1')) });
  }
  expect(app.node.findAll().filter(LogShipper.isLogShipper)).toHaveLength(2);
});
