/** AWS constructs for workloads that keep no state in their containers. */
export * from './state/replicated-state-registry';
export * from './state/state-registry';
export * from './state/state-registry-grants';
export { RuntimeCode, type BoundRuntime, type BundleOptions, type RuntimeTask } from './delivery/runtime-code';
export { RuntimeBundle } from './delivery/runtime-bundle';
export { IrsaRole, type IrsaRoleProps } from './identity/irsa-role';
export { PodIdentityRole, type PodIdentityRoleProps } from './identity/pod-identity-role';
export type { ServiceAccountOptions } from './identity/service-account';
export { grantLogShipper, type LogShipperGrant } from './flicker/grant-log-shipper';
export { LogShipper } from './flicker/log-shipper';
export type { LogShipperProps, LogVolume, ScheduleOptions, SecretSource } from './flicker/log-shipper-props';
export {
  ShipperMonitoring,
  type MonitoringOptions,
  type ShipperMetric,
  type ShipperMonitoringProps,
} from './flicker/shipper-monitoring';
