/** Plays the tasks of deployed ECS services by programs of this machine, without containers. */
export { runService, type RunningService, type RunServiceOptions, type WaitOptions } from './service';
export { listServices, readService, type DeployedService, type ServiceLocator } from './deployed';
export { awsCliPlayer, nodePlayer, players, type Player } from './players';
export { runProgram, type ContainerProcess, type ContainerRun, type Exit } from './program';
export type { ContainerDefinition, TaskDefinition } from './definition';
export type { ContainerState } from './container';
export type { LogLine, TaskState } from './task';
