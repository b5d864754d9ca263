import type * as appscaling from 'aws-cdk-lib/aws-applicationautoscaling';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as efs from 'aws-cdk-lib/aws-efs';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { IStringParameter } from 'aws-cdk-lib/aws-ssm';
import type { FlickerConfigInput } from '../../contract';
import type { RuntimeCode } from '../delivery/runtime-code';
import type { IStateRegistry } from '../state/state-registry';

/** A volume of the task that other containers write log files to and the shipper reads. */
export interface LogVolume {
  /** Name of the task's volume. */
  readonly name: string;
  /** Absolute folder that it is mounted at, in every container alike. */
  readonly containerPath: string;
  /**
   * An EFS file system that is mounted there, encrypted in transit and with IAM. Its files outlive the task, and with `ha`
   * every task sees the same: mark their `log_files` with `shared: true`.
   *
   * @default - a volume of the task, which ends with it
   */
  readonly fileSystem?: efs.IFileSystem;
  /**
   * Access point of `fileSystem` through which it is mounted. One that acts as a user which may read the files, or the
   * shipper, which is user 10001, must be allowed to.
   *
   * @default - none; the root folder of the file system
   */
  readonly accessPoint?: efs.IAccessPoint;
}

/** When how many tasks run. */
export interface ScheduleOptions {
  /** When it begins. Times are UTC. */
  readonly schedule: appscaling.Schedule;
  /** Tasks from then on: 0 stops the shipper; more than one needs `ha`. */
  readonly desiredCount: number;
}

/** Where a secret variable comes from: a secret, one field of one, or an SSM parameter. */
export type SecretSource = ISecret | ecs.Secret | IStringParameter;

export interface LogShipperProps {
  /** The bucket that holds the shipper's registry. */
  readonly registry: IStateRegistry;
  /** The config of flicker, as in its file. Strings may hold `${NAME}` of `secrets` or `environment`, and CDK tokens. */
  readonly config: FlickerConfigInput;
  /**
   * Variables of the container whose values are fetched when it starts: the whole of a Secrets Manager secret, one
   * field of it (`ecs.Secret.fromSecretsManager(secret, 'field')`), or an SSM parameter.
   *
   * @default - none
   */
  readonly secrets?: Readonly<Record<string, SecretSource>>;
  /**
   * More variables of the container. Never for secrets: they are readable in the template.
   *
   * @default - none
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Stage in the key of the registry, `flicker/<stage>/<name>-registry.json`.
   *
   * @default 'prod'
   */
  readonly stage?: string;
  /**
   * Name of the shipper in the key of its registry. Another name is another registry, which starts from nothing.
   *
   * @default - the construct id
   */
  readonly shipperName?: string;
  /**
   * How the container gets the program.
   *
   * @default RuntimeCode.bundle()
   */
  readonly code?: RuntimeCode;
  /**
   * Cluster to run in, with its VPC.
   *
   * @default - a new one
   */
  readonly cluster?: ecs.ICluster;
  /**
   * VPC of a new cluster. Not together with `cluster`.
   *
   * @default - a new one in two zones, with one NAT gateway, which is charged by the hour, and an S3 gateway endpoint
   */
  readonly vpc?: ec2.IVpc;
  /**
   * Adds interface endpoints to the VPC for what the task calls beside S3: its log, its secrets, and the AWS services of its
   * destinations; private registries of its images too. Each is charged by the hour and zone. Those that a shipper of the
   * app has added already are used; leave this out where the VPC has them from elsewhere.
   *
   * @default false
   */
  readonly interfaceEndpoints?: boolean;
  /**
   * Subnets of the task. They need a way to the images, to the log group and to what the config names.
   *
   * @default - private subnets, or public ones with `assignPublicIp`
   */
  readonly vpcSubnets?: ec2.SubnetSelection;
  /**
   * Gives the task a public address, for subnets without NAT. Needs `cluster` or `vpc`.
   *
   * @default false
   */
  readonly assignPublicIp?: boolean;
  /**
   * Security groups of the task.
   *
   * @default - a new one that lets everything out and nothing in
   */
  readonly securityGroups?: readonly ec2.ISecurityGroup[];
  /**
   * Role of the program. It is given what the config implies.
   *
   * @default - a new one
   */
  readonly taskRole?: iam.IRole;
  /**
   * Role with which ECS fetches secrets and writes logs.
   *
   * @default - a new one
   */
  readonly executionRole?: iam.IRole;
  /**
   * Tasks. More than one needs `ha` in the config: one works, the others stand by. Schedules decide instead, where there
   * are any.
   *
   * @default - 2 with `ha`, else 1
   */
  readonly desiredCount?: number;
  /**
   * CPU units of the task; 1024 are one vCPU.
   *
   * @default 256
   */
  readonly cpu?: number;
  /**
   * Memory of the task in MiB.
   *
   * @default 512
   */
  readonly memoryLimitMiB?: number;
  /**
   * Processor of the task: ARM64 or X86_64.
   *
   * @default ecs.CpuArchitecture.ARM64
   */
  readonly cpuArchitecture?: ecs.CpuArchitecture;
  /**
   * Log group of the program's own log.
   *
   * @default - a new one
   */
  readonly logGroup?: logs.ILogGroup;
  /**
   * How long a new log group keeps events. Not together with `logGroup`.
   *
   * @default logs.RetentionDays.ONE_MONTH
   */
  readonly logRetention?: logs.RetentionDays;
  /**
   * Volumes that log files are read from: of the task, for other containers of it that write there, or EFS file systems.
   * Add the writers to `taskDefinition` and mount the volumes in them with `mountLogVolumes`. Paths of `log_files` must lie
   * within.
   *
   * @default - none
   */
  readonly logVolumes?: readonly LogVolume[];
}
