/** AWS constructs for workloads that keep no state in their containers. */
export * from './state/state-registry';
export * from './state/state-registry-grants';
export { RuntimeCode, type BoundRuntime, type BundleOptions, type RuntimeTask } from './delivery/runtime-code';
export { LogShipper } from './flicker/log-shipper';
export type { LogShipperProps, LogVolume, SecretSource } from './flicker/log-shipper-props';
export {
  ShipperMonitoring,
  type MonitoringOptions,
  type ShipperMetric,
  type ShipperMonitoringProps,
} from './flicker/shipper-monitoring';
