import { posix } from 'node:path';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type { Construct } from 'constructs';
import { awsCredentialEnvironment, BUNDLE_FOLDER, flickerSettings, type FlickerConfig } from '../../contract';
import { RUNTIME_VOLUME } from '../delivery/runtime-code';
import { problem } from '../problem';
import type { LogShipperProps, LogVolume } from './log-shipper-props';

/** What the construct sets itself; anything else about the program may be set in `environment`. */
const ownSettings = ['config', 'configFile', 'track', 'registryFile', 'registryRegion', 'clusterId', 'ha'] as const;
const architectures = [ecs.CpuArchitecture.ARM64, ecs.CpuArchitecture.X86_64];

/** Checks the props that do not concern the config. @throws Error for the first that cannot work */
export function checkProps(shipper: Construct, props: LogShipperProps): { stage: string; shipperName: string } {
  const { cluster, vpc, assignPublicIp, logGroup, logRetention, cpuArchitecture } = props;
  const where = shipper.node.path;
  if (cluster && vpc) {
    throw problem({
      what: `vpc of ${where}`,
      got: 'cluster and vpc',
      expected: 'one of them: the tasks run in the VPC of the cluster',
      fix: 'leave vpc out',
    });
  }
  if (assignPublicIp && !cluster && !vpc) {
    throw problem({
      what: `assignPublicIp of ${where}`,
      got: 'true without cluster and vpc',
      expected: 'a VPC whose public subnets the task is to run in: the own VPC has its tasks in private ones',
      fix: 'give vpc or cluster, or leave assignPublicIp out',
    });
  }
  if (logGroup && logRetention !== undefined) {
    throw problem({
      what: `logRetention of ${where}`,
      got: 'logGroup and logRetention',
      expected: 'one of them: a log group has its own retention',
      fix: 'set the retention where the log group is made',
    });
  }
  if (cpuArchitecture && !architectures.some((known) => known === cpuArchitecture)) {
    throw problem({
      what: `cpuArchitecture of ${where}`,
      got: 'neither of the two that Fargate has',
      expected: 'ecs.CpuArchitecture.ARM64 or ecs.CpuArchitecture.X86_64',
      fix: 'use one of them',
    });
  }
  checkVariables(where, props);
  checkVolumes(where, props.logVolumes ?? []);
  return {
    stage: checkName(where, 'stage', props.stage ?? 'prod'),
    shipperName: checkName(where, 'shipperName', props.shipperName ?? shipper.node.id),
  };
}

function checkVariables(where: string, { environment = {}, secrets = {} }: LogShipperProps): void {
  const own = ownSettings.map((setting) => flickerSettings[setting].env);
  for (const name of [...Object.keys(environment), ...Object.keys(secrets)]) {
    if (own.some((taken) => taken === name)) {
      throw problem({
        what: `environment of ${where}`,
        got: name,
        expected: 'variables that the construct does not set itself',
        fix: 'use the props config, registry, stage and shipperName',
      });
    }
    if (Object.values<string>(awsCredentialEnvironment).includes(name)) {
      throw problem({
        what: `environment of ${where}`,
        got: name,
        expected: 'no keys: the SDK would prefer them to the role of the task, which has the permissions',
        fix: 'grant what is missing to the shipper, which is grantable',
      });
    }
  }
  const both = Object.keys(environment).find((name) => name in secrets);
  if (both !== undefined) {
    throw problem({
      what: `environment of ${where}`,
      got: `${both}, which is in secrets too`,
      expected: 'each variable once',
      fix: 'remove it from one of them',
    });
  }
}

function checkVolumes(where: string, volumes: readonly LogVolume[]): void {
  const taken = new Set<string>([RUNTIME_VOLUME]);
  for (const { name, containerPath, fileSystem, accessPoint } of volumes) {
    if (taken.has(name)) {
      throw problem({
        what: `logVolumes of ${where}`,
        got: `the name "${name}" a second time`,
        expected: `a name of its own for each volume ("${RUNTIME_VOLUME}" holds the program)`,
        fix: 'rename one of them',
      });
    }
    taken.add(name);
    if (accessPoint && !fileSystem) {
      throw problem({
        what: `logVolumes of ${where}`,
        got: `"${name}" with accessPoint and without fileSystem`,
        expected: 'both, or neither',
        fix: 'give the fileSystem of the access point',
      });
    }
    const path = posix.normalize(containerPath);
    if (!posix.isAbsolute(containerPath) || path === '/' || `${path}/`.startsWith(`${BUNDLE_FOLDER}/`)) {
      throw problem({
        what: `logVolumes of ${where}`,
        got: `the containerPath "${containerPath}"`,
        expected: `an absolute folder other than / and ${BUNDLE_FOLDER}`,
        fix: 'mount it elsewhere, such as /var/log/app',
      });
    }
  }
}

function checkName(where: string, prop: string, name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) return name;
  throw problem({
    what: `${prop} of ${where}`,
    got: JSON.stringify(name),
    expected: 'letters, digits, ".", "_" and "-", known at synth: it is part of the key of the registry',
    fix: `set ${prop}`,
  });
}

/**
 * How many tasks there are, which follows from the config.
 *
 * @throws Error when several would fence each other for ever
 */
export function checkCount(where: string, { ha }: FlickerConfig, desiredCount = ha ? 2 : 1): number {
  if (Number.isInteger(desiredCount) && desiredCount >= 0 && (ha !== false || desiredCount <= 1)) return desiredCount;
  throw problem({
    what: `desiredCount of ${where}`,
    got: String(desiredCount),
    expected: ha ? 'a whole number of tasks' : '0 or 1 without ha: a registry has one writer',
    fix: 'set ha: true in the config to have standbys, or leave desiredCount out',
  });
}
