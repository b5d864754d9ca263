import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as appscaling from 'aws-cdk-lib/aws-applicationautoscaling';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as efs from 'aws-cdk-lib/aws-efs';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import { RuntimeCode, StateRegistry } from '../../../lib';
import { plainConfig, shipperIn, testApp, testStack } from '../support/app';
import { containerIn } from '../support/containers';

const ha = plainConfig({ ha: true });
const files = (shared: boolean) => plainConfig({ log_files: [{ path: '/logs/*.log', shared }], ha: true });

describe('with ha', () => {
  test('one task works and one stands by, and a deployment never waits for the one that it replaces', () => {
    const stack = testStack();
    shipperIn(stack, { config: ha });
    Template.fromStack(stack).hasResourceProperties('AWS::ECS::Service', {
      DesiredCount: 2,
      AvailabilityZoneRebalancing: 'ENABLED',
      DeploymentConfiguration: { MinimumHealthyPercent: 100, MaximumPercent: 200 },
    });
  });

  test('any number stands by', () => {
    const stack = testStack();
    shipperIn(stack, { config: ha, desiredCount: 5 });
    Template.fromStack(stack).hasResourceProperties('AWS::ECS::Service', { DesiredCount: 5 });
  });

  test('several shippers may have one registry, if all of them have it', () => {
    const stack = testStack();
    const registry = new StateRegistry(stack, 'Registry');
    const { cluster } = shipperIn(stack, { registry, config: ha, shipperName: 'okta' });
    shipperIn(stack, { registry, cluster, config: ha, shipperName: 'okta' }, 'Second');
    expect(() => shipperIn(stack, { registry, cluster, config: plainConfig(), shipperName: 'okta' }, 'Third')).toThrow(
      /okta-registry\.json, which .*expected one shipper for each registry, or ha: true/s,
    );
  });
});

test('without ha there is one task', () => {
  expect(() => shipperIn(testStack(), { desiredCount: 2 })).toThrow(/desiredCount of .*got 2.*ha: true/s);
});

test('whether there is ha is said in the config alone', () => {
  expect(() => shipperIn(testStack(), { environment: { FLICKER_HA: 'true' } })).toThrow(/FLICKER_HA/);
});

describe('an EFS volume', () => {
  const withFiles = () => {
    const stack = testStack();
    const vpc = new ec2.Vpc(stack, 'Vpc', { restrictDefaultSecurityGroup: false });
    const fileSystem = new efs.FileSystem(stack, 'Files', { vpc, encrypted: true });
    const accessPoint = fileSystem.addAccessPoint('Logs', { posixUser: { uid: '10001', gid: '10001' } });
    return { stack, vpc, fileSystem, accessPoint };
  };

  test('is mounted read-only, encrypted, by the task role and its access point, and can be reached', () => {
    const { stack, vpc, fileSystem, accessPoint } = withFiles();
    const logVolumes = [{ name: 'logs', containerPath: '/logs', fileSystem, accessPoint }];
    shipperIn(stack, { vpc, config: files(true), logVolumes });
    const template = Template.fromStack(stack);
    const volume = {
      Name: 'logs',
      EFSVolumeConfiguration: {
        FilesystemId: Match.anyValue(),
        TransitEncryption: 'ENABLED',
        AuthorizationConfig: { IAM: 'ENABLED', AccessPointId: Match.anyValue() },
      },
    };
    template.hasResourceProperties('AWS::ECS::TaskDefinition', { Volumes: Match.arrayWith([volume]) });
    expect(containerIn(stack, 'flicker')).toMatchObject({
      MountPoints: expect.arrayContaining([
        { ContainerPath: '/logs', ReadOnly: true, SourceVolume: 'logs' },
      ]) as unknown,
    });
    template.hasResourceProperties('AWS::EC2::SecurityGroupIngress', { FromPort: 2049, ToPort: 2049 });
    const statements = JSON.stringify(
      Object.values(template.findResources('AWS::IAM::Policy')).flatMap(({ Properties }) => Properties as unknown),
    );
    expect(statements.match(/elasticfilesystem:\w+/g)).toEqual(['elasticfilesystem:ClientMount']);
  });

  test('may be in a stack of its own, as what must survive is', () => {
    const { stack: state, vpc, fileSystem, accessPoint } = withFiles();
    const service = new Stack(App.of(state), 'Service');
    const logVolumes = [{ name: 'logs', containerPath: '/logs', fileSystem, accessPoint }];
    shipperIn(service, { vpc, config: files(true), logVolumes, interfaceEndpoints: true });
    Template.fromStack(service).hasResourceProperties('AWS::EC2::SecurityGroupIngress', { FromPort: 2049 });
    expect(state.dependencies).toEqual([]);
  });

  test('is what shared files need', () => {
    const stack = testStack();
    shipperIn(stack, { config: files(true), logVolumes: [{ name: 'logs', containerPath: '/logs' }] });
    expect(() => Template.fromStack(stack)).toThrow(/shared log_files of .*storage that all tasks share/s);
  });

  test('has the access point of its own file system', () => {
    const { stack, vpc, accessPoint } = withFiles();
    const logVolumes = [{ name: 'logs', containerPath: '/logs', accessPoint }];
    expect(() => shipperIn(stack, { vpc, config: files(false), logVolumes })).toThrow(
      /accessPoint and without fileSystem/,
    );
  });
});

describe('interface endpoints', () => {
  const services = (stack: ReturnType<typeof testStack>) =>
    Object.values(
      Template.fromStack(stack).findResources('AWS::EC2::VPCEndpoint', {
        Properties: { VpcEndpointType: 'Interface' },
      }),
    )
      .map(
        ({ Properties }) =>
          JSON.stringify(Properties).match(/\.(logs|secretsmanager|ssm|sqs|kinesis-\w+|ecr\.\w+)"/)?.[1],
      )
      .sort();

  test('are none unless asked for', () => {
    const stack = testStack();
    shipperIn(stack);
    expect(services(stack)).toEqual([]);
  });

  test('are those that the task calls, each once in a VPC', () => {
    const stack = testStack();
    const secrets = { TOKEN: Secret.fromSecretNameV2(stack, 'Token', 'token') };
    const { cluster } = shipperIn(stack, { interfaceEndpoints: true, secrets });
    const parameter = StringParameter.fromSecureStringParameterAttributes(stack, 'Key', { parameterName: '/key' });
    const config = plainConfig({
      destination: { type: 'sqs', queue_url: 'https://sqs.eu-central-1.amazonaws.com/111122223333/events' },
    });
    shipperIn(
      stack,
      {
        cluster,
        interfaceEndpoints: true,
        config,
        secrets: { KEY: ecs.Secret.fromSsmParameter(parameter) },
        code: RuntimeCode.image(ecs.ContainerImage.fromRegistry('company/flicker:1')),
      },
      'Second',
    );
    expect(services(stack)).toEqual(['ecr.api', 'ecr.dkr', 'logs', 'secretsmanager', 'sqs', 'ssm']);
    // No task is started that cannot get out yet.
    const template = Template.fromStack(stack);
    const waits = Object.values(template.findResources('AWS::ECS::Service')).map(({ DependsOn }) => String(DependsOn));
    expect(waits.filter((of) => /EndpointLogs/.test(of) && /Endpoint(SecretsManager|Ssm)/.test(of))).toHaveLength(2);
  });
});

describe('a schedule', () => {
  const schedule = appscaling.Schedule.cron({ hour: '20', minute: '0' });

  test('changes the number of tasks, which deployments leave alone then', () => {
    const stack = testStack();
    const shipper = shipperIn(stack);
    shipper.scaleOnSchedule('Night', { schedule, desiredCount: 0 });
    shipper.scaleOnSchedule('Day', { schedule: appscaling.Schedule.cron({ hour: '6', minute: '0' }), desiredCount: 1 });
    const template = Template.fromStack(stack);
    template.hasResourceProperties('AWS::ECS::Service', { DesiredCount: Match.absent() });
    template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', {
      MinCapacity: 0,
      MaxCapacity: 1,
      ScheduledActions: [
        { Schedule: 'cron(0 20 * * ? *)', ScalableTargetAction: { MinCapacity: 0, MaxCapacity: 0 } },
        { Schedule: 'cron(0 6 * * ? *)', ScalableTargetAction: { MinCapacity: 1, MaxCapacity: 1 } },
      ],
    });
  });

  test('does not start two writers', () => {
    const shipper = shipperIn(testStack({}, testApp()));
    expect(() => shipper.scaleOnSchedule('Day', { schedule, desiredCount: 2 })).toThrow(/desiredCount of .*at Day/);
  });
});
