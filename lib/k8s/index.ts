/** cdk8s charts for workloads that keep no state in their containers, and what they are made of. */
export { LogShipperChart } from '../flicker/log-shipper-chart';
export type { LogShipperChartProps, ShipperMonitors, Toleration } from '../flicker/log-shipper-chart-props';
export { logShipperHelmChart, type LogShipperHelmProps } from '../flicker/log-shipper-helm-chart';
export { CloudRunLogShipper, type CloudRunLogShipperProps } from '../flicker/cloud-run-chart';
export { AwsIdentity, type SecretKey, type StaticCredentials } from './aws-identity';
export { ContainerCode, type BundleLocation } from './container-code';
export {
  hardenedPod,
  httpProbes,
  programLabels,
  resourceRequirements,
  spread,
  type ContainerResources,
  type HardenedPodProps,
  type ProbeOptions,
} from './hardened-pod';
export { manifestsAsset, type ManifestsAssetProps } from './manifests-asset';
export { NetworkEdge, networkPolicy, type NetworkPolicyOptions, type PodsOptions, type PortOptions } from './network';
export { RefuseTokens } from './tokens';
