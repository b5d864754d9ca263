import * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import { FILE_SYSTEM_MOUNT_ACTION } from '../../contract';
import type { LogVolume } from './log-shipper-props';

/** Adds a volume to the task and mounts it, read-only, in the container that ships. */
export function addLogVolume(
  task: ecs.FargateTaskDefinition,
  container: ecs.ContainerDefinition,
  { name, containerPath, fileSystem, accessPoint }: LogVolume,
): void {
  task.addVolume({
    name,
    ...(fileSystem && {
      efsVolumeConfiguration: {
        fileSystemId: fileSystem.fileSystemId,
        transitEncryption: 'ENABLED',
        authorizationConfig: { iam: 'ENABLED', ...(accessPoint && { accessPointId: accessPoint.accessPointId }) },
      },
    }),
  });
  container.addMountPoints({ sourceVolume: name, containerPath, readOnly: true });
  fileSystem?.grant(task.taskRole, FILE_SYSTEM_MOUNT_ACTION);
}

/** Opens the way from the tasks of a service to the file system of a volume. */
export function mountFileSystem(service: ecs.FargateService, { fileSystem }: LogVolume): void {
  if (!fileSystem) return;
  for (const tasks of service.connections.securityGroups) {
    for (const files of fileSystem.connections.securityGroups) {
      // In the stack of the service: that of the file system, which outlives it, may not refer to it.
      files.addIngressRule(tasks, ec2.Port.NFS, 'log files', true);
      if (!tasks.allowAllOutbound) tasks.addEgressRule(files, ec2.Port.NFS, 'log files');
    }
  }
  service.node.addDependency(fileSystem.mountTargetsAvailable);
}
