import { CfnResource, Duration, Stack, Token } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import * as logs from 'aws-cdk-lib/aws-logs';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct, type IConstruct } from 'constructs';
import {
  BUNDLE_FOLDER,
  bundlePath,
  clusterId,
  FLICKER,
  flickerCalls,
  flickerPort,
  flickerStopSeconds,
  nodeCommand,
  registryLayout,
  renderFlickerSettings,
  type FlickerConfig,
  type RegistryLayout,
} from '../../contract';
import { ownCluster, ownVpc } from '../delivery/own-cluster';
import { RuntimeCode } from '../delivery/runtime-code';
import { acknowledge, acknowledgeTemplateRule } from '../identity/acknowledge';
import type { IStateRegistry } from '../state/state-registry';
import { problem } from '../problem';
import { checkCount, checkProps } from './check-props';
import { addInterfaceEndpoints } from './interface-endpoints';
import { addLogVolume, mountFileSystem } from './log-volumes';
import type { LogShipperProps, LogVolume, ScheduleOptions, SecretSource } from './log-shipper-props';
import { checkConfig, configText, pathProblems } from './shipper-config';
import { ShipperMonitoring, type MonitoringOptions } from './shipper-monitoring';

/** Owns nothing on the image's file system and is nobody on the host. */
const USER = '10001:10001';
/** The old task is stopped before the new one starts, and no second one is started to move zones. */
const oneWriter = {
  minHealthyPercent: 0,
  maxHealthyPercent: 100,
  availabilityZoneRebalancing: ecs.AvailabilityZoneRebalancing.DISABLED,
};
/** New tasks stand by and count as healthy; then the old ones stop, and the holder hands over. */
const surge = {
  minHealthyPercent: 100,
  maxHealthyPercent: 200,
  availabilityZoneRebalancing: ecs.AvailabilityZoneRebalancing.ENABLED,
};
const MARK = Symbol.for('holdfast.LogShipper');

/**
 * Ships log files and audit APIs from one Fargate service that keeps all state in its registry: it can be killed at any
 * moment and loses nothing.
 */
export class LogShipper extends Construct implements iam.IGrantable, ec2.IConnectable {
  static isLogShipper(construct: IConstruct): construct is LogShipper {
    return MARK in construct;
  }

  /** Stage and name of the instance in its registry's key. */
  readonly stage: string;
  readonly shipperName: string;
  /** Where the registry is in its bucket: for `registry.grants.operate`. */
  readonly registryLayout: RegistryLayout;
  readonly registry: IStateRegistry;
  readonly cluster: ecs.ICluster;
  readonly service: ecs.FargateService;
  readonly taskDefinition: ecs.FargateTaskDefinition;
  /** The container that runs the program. */
  readonly container: ecs.ContainerDefinition;
  readonly logGroup: logs.ILogGroup;
  /** The task role: for grants on what the program is to reach beyond what its config implies, such as KMS keys. */
  readonly grantPrincipal: iam.IPrincipal;
  /** Security groups of the task; the default port is the one of `/livez`, `/readyz` and `/metrics`. */
  readonly connections: ec2.Connections;
  /** Whether its config says `ha`. */
  readonly ha: boolean;
  /** Tasks, as long as no schedule says otherwise. */
  readonly desiredCount: number;
  private readonly logVolumes: readonly LogVolume[];
  private readonly config: FlickerConfig;
  private scaling: ecs.ScalableTaskCount | undefined;

  /**
   * @throws Error when props contradict each other, the config is not valid, refers to a variable that nothing provides or
   *   is too large, or another shipper of the app has the same registry
   */
  constructor(scope: Construct, id: string, props: LogShipperProps) {
    super(scope, id);
    Object.defineProperty(this, MARK, { value: true });
    const { stage, shipperName } = checkProps(this, props);
    const config = checkConfig(this.node.path, props.config, {
      environment: props.environment ?? {},
      secrets: Object.keys(props.secrets ?? {}),
    });
    this.stage = stage;
    this.shipperName = shipperName;
    this.registry = props.registry;
    this.registryLayout = registryLayout(FLICKER, stage, shipperName);
    this.logVolumes = props.logVolumes ?? [];
    this.config = config;
    this.ha = config.ha !== false;
    this.desiredCount = checkCount(this.node.path, config, props.desiredCount);
    checkAlone(this);

    this.logGroup =
      props.logGroup ??
      new logs.LogGroup(this, 'Logs', { retention: props.logRetention ?? logs.RetentionDays.ONE_MONTH });
    this.taskDefinition = new ecs.FargateTaskDefinition(this, 'Task', {
      cpu: props.cpu ?? 256,
      memoryLimitMiB: props.memoryLimitMiB ?? 512,
      runtimePlatform: {
        cpuArchitecture: props.cpuArchitecture ?? ecs.CpuArchitecture.ARM64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      taskRole: props.taskRole,
      executionRole: props.executionRole,
    });
    acknowledge(this.taskDefinition, {
      ECS2: 'The variables are settings that anybody may read; secrets come from Secrets Manager or SSM.',
    });
    acknowledgeTemplateRule(
      resourceOf(this.taskDefinition),
      'E1029',
      'The config refers to variables of the container by ${NAME}, which the program fills in, not CloudFormation.',
    );
    const registryFile = `s3://${this.registry.bucket.bucketName}/${this.registryLayout.key}`;
    this.container = this.addProgram(props, config, registryFile);
    this.registry.grants.calls(this.taskDefinition.taskRole, flickerCalls(config, registryFile));
    this.node.addValidation({ validate: () => pathProblems(this.node.path, config, this.mountedFolders()) });

    this.cluster = props.cluster ?? ownCluster(this, 'Cluster', props.vpc ?? ownVpc(this, 'Vpc'));
    const subnets = props.vpcSubnets ?? {
      subnetType: props.assignPublicIp ? ec2.SubnetType.PUBLIC : ec2.SubnetType.PRIVATE_WITH_EGRESS,
    };
    this.service = new ecs.FargateService(this, 'Service', {
      cluster: this.cluster,
      taskDefinition: this.taskDefinition,
      desiredCount: this.desiredCount,
      ...(this.ha ? surge : oneWriter),
      circuitBreaker: { rollback: true },
      assignPublicIp: props.assignPublicIp ?? false,
      vpcSubnets: subnets,
      securityGroups: props.securityGroups && [...props.securityGroups],
    });
    // The first task needs its way out and its permissions, or a first deployment may be rolled back.
    const { internetConnectivityEstablished } = this.cluster.vpc.selectSubnets(subnets);
    const endpoints = props.interfaceEndpoints ? addInterfaceEndpoints(this.cluster.vpc, config, props) : [];
    this.service.node.addDependency(
      internetConnectivityEstablished,
      this.taskDefinition.obtainExecutionRole(),
      ...endpoints,
    );
    for (const volume of this.logVolumes) mountFileSystem(this.service, volume);
    this.grantPrincipal = this.taskDefinition.taskRole.grantPrincipal;
    this.connections = new ec2.Connections({
      securityGroups: this.service.connections.securityGroups,
      defaultPort: ec2.Port.tcp(flickerPort.port),
    });
  }

  /** Mounts the log volumes, writable and at the same folders, in another container of the task. */
  mountLogVolumes(container: ecs.ContainerDefinition): void {
    for (const { name, containerPath } of this.logVolumes) {
      container.addMountPoints({ sourceVolume: name, containerPath, readOnly: false });
    }
  }

  /**
   * Changes the number of tasks at a time, such as to 0 at night and back in the morning. The first call takes the number
   * out of the template, so that a deployment does not set it back. What happened meanwhile is shipped afterwards, as far as
   * it is still there to be read.
   *
   * @throws Error when it asks for several tasks without `ha`
   */
  scaleOnSchedule(id: string, { schedule, desiredCount }: ScheduleOptions): void {
    checkCount(`${this.node.path} at ${id}`, this.config, desiredCount);
    if (!this.scaling) {
      this.scaling = this.service.autoScaleTaskCount({ minCapacity: 0, maxCapacity: this.ha ? 100 : 1 });
      resourceOf(this.service).addPropertyDeletionOverride('DesiredCount');
    }
    this.scaling.scaleOnSchedule(id, { schedule, minCapacity: desiredCount, maxCapacity: desiredCount });
  }

  /**
   * Adds alarms and a dashboard that are fed by metric filters on the program's log. Needs no permissions; about 14 custom
   * metrics, 3 alarms and a dashboard are charged by CloudWatch.
   */
  monitor(options: MonitoringOptions = {}): ShipperMonitoring {
    return new ShipperMonitoring(this, 'Monitoring', { ...options, shipper: this });
  }

  /** CPU that the service uses, in percent of what it has. Average over 5 minutes by default. */
  metricCpuUtilization(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.service.metricCpuUtilization(options);
  }

  /** Memory that the service uses, in percent of what it has. Average over 5 minutes by default. */
  metricMemoryUtilization(options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.service.metricMemoryUtilization(options);
  }

  private addProgram(props: LogShipperProps, config: FlickerConfig, registryFile: string): ecs.ContainerDefinition {
    const logging = ecs.LogDriver.awsLogs({ logGroup: this.logGroup, streamPrefix: this.shipperName });
    const runtime = (props.code ?? RuntimeCode.bundle()).bind(this, {
      program: FLICKER,
      taskDefinition: this.taskDefinition,
      logging,
    });
    const bundle = bundlePath(FLICKER);
    const settings = renderFlickerSettings(
      {
        config: props.config,
        track: true,
        registryFile,
        registryRegion: this.registryRegion(),
        clusterId: clusterId(this.stage, this.shipperName),
      },
      (input) => configText(Stack.of(this), input),
    );
    const container = this.taskDefinition.addContainer(FLICKER, {
      image: runtime.image,
      entryPoint: [...nodeCommand],
      command: [bundle],
      environment: { ...props.environment, ...settings },
      secrets: Object.fromEntries(Object.entries(props.secrets ?? {}).map(([name, from]) => [name, toEcsSecret(from)])),
      user: USER,
      readonlyRootFilesystem: true,
      stopTimeout: Duration.seconds(flickerStopSeconds(config)),
      healthCheck: {
        command: ['CMD', 'node', bundle, 'health'],
        interval: Duration.seconds(30),
        timeout: Duration.seconds(5),
        retries: 3,
        startPeriod: Duration.seconds(60),
      },
      // A crashed program starts again in its task, so that the volumes of the task outlive it.
      enableRestartPolicy: true,
      restartAttemptPeriod: Duration.seconds(60),
      logging,
    });
    runtime.attach(container);
    for (const volume of this.logVolumes) addLogVolume(this.taskDefinition, container, volume);
    return container;
  }

  /** Told where it is another than the task's. */
  private registryRegion(): string | undefined {
    const { region } = this.registry.bucket.env;
    return Token.isUnresolved(region) || region === Stack.of(this).region ? undefined : region;
  }

  private mountedFolders() {
    return this.container.mountPoints
      .filter(({ containerPath }) => containerPath !== BUNDLE_FOLDER)
      .map(({ containerPath, readOnly, sourceVolume }) => ({
        path: containerPath,
        writable: !readOnly,
        shared: this.logVolumes.every(({ name, fileSystem }) => name !== sourceVolume || fileSystem !== undefined),
      }));
  }
}

function resourceOf(construct: IConstruct): CfnResource {
  const resource = construct.node.defaultChild;
  if (CfnResource.isCfnResource(resource)) return resource;
  throw new Error(`${construct.node.path} has no resource of its own`);
}

function toEcsSecret(source: SecretSource): ecs.Secret {
  if ('secretArn' in source) return ecs.Secret.fromSecretsManager(source);
  if ('parameterArn' in source) return ecs.Secret.fromSsmParameter(source);
  return source;
}

/** A registry has one writer. Two shippers on one would fence each other for ever, unless all of them stand by. */
function checkAlone(shipper: LogShipper): void {
  const place = registryPlace(shipper);
  const other = shipper.node.root.node
    .findAll()
    .filter(LogShipper.isLogShipper)
    .filter((found) => found !== shipper && found.registry && registryPlace(found) === place)
    .find((found) => !(found.ha && shipper.ha));
  if (!other) return;
  throw problem({
    what: `registry of ${shipper.node.path}`,
    got: `${shipper.registryLayout.key}, which ${other.node.path} has too`,
    expected: 'one shipper for each registry, or ha: true in the config of all of them',
    fix: 'give one of them another shipperName or stage, or set ha',
  });
}

function registryPlace({ registry: { bucket }, registryLayout: { key } }: LogShipper): string {
  const name = bucket.bucketName;
  return `${name.includes('${') ? bucket.node.path : name}/${key}`;
}
