import { posix } from 'node:path';
import { Token } from 'aws-cdk-lib';
import {
  awsCredentialEnvironment,
  awsEnvironment,
  flickerSettings,
  usedDestinations,
  type FlickerConfig,
} from '../../contract';
import { problem } from '../problem';
import { GOOGLE_STORAGE, NO_HA_ON_GOOGLE } from './google-storage';
import type { LogShipperChartProps } from './log-shipper-chart-props';
import { POD_LOGS } from './pod-logs';
import { shipperEndpoints } from './shipper-endpoints';
import { checkConfig, type ConfigLimit } from './shipper-config';

/** The props of a chart, with the names that follow from the others. */
type CheckedProps = LogShipperChartProps &
  Required<Pick<LogShipperChartProps, 'name' | 'namespace' | 'stage' | 'shipperName'>>;

/** An object of the API may have 1 MiB (etcd), with its metadata and the last applied copy. */
const configMap: ConfigLimit = {
  bytes: 400 * 1024,
  where: 'a ConfigMap',
  fix: 'split the sources over several shippers',
};

/** What a chart sets itself; anything else about the program may be set in `environment`. */
const ownVariables: readonly string[] = [
  ...(['config', 'configFile', 'track', 'registryFile', 'clusterId', 'nodeId', 'port', 'ha'] as const).map(
    (setting) => flickerSettings[setting].env,
  ),
  ...Object.values(awsEnvironment),
  ...Object.values(awsCredentialEnvironment),
];

/** Checks props and config of a chart. @throws Error for the first fault */
export function checkChart(where: string, props: CheckedProps): FlickerConfig {
  const { environment = {}, secrets = {}, nodeLogs = false, replicas } = props;
  checkNames(where, props);
  checkVariables(where, Object.keys(environment), Object.keys(secrets));
  const config = checkConfig(where, props.config, { environment, secrets: Object.keys(secrets) }, configMap);
  if (nodeLogs && replicas !== undefined) {
    throw problem({
      what: `replicas of ${where}`,
      got: `${replicas} with nodeLogs`,
      expected: 'one of them: a DaemonSet has a pod on every node',
      fix: 'leave replicas out',
    });
  }
  if (config.ha && props.endpointUrl?.startsWith(GOOGLE_STORAGE)) {
    throw problem({
      what: `ha of ${where}`,
      got: `ha with ${props.endpointUrl}`,
      expected: NO_HA_ON_GOOGLE,
      fix: 'leave ha out, or keep the registry in S3',
    });
  }
  if (nodeLogs && !config.ha) {
    throw problem({
      what: `config of ${where}`,
      got: 'nodeLogs without ha',
      expected: 'ha: every node has a pod, and all of them have one registry',
      fix: 'set "ha": true; each node then keeps the positions of its files in an object of its own',
    });
  }
  if (replicas !== undefined && (!Number.isInteger(replicas) || replicas < 0 || (replicas > 1 && !config.ha))) {
    throw problem({
      what: `replicas of ${where}`,
      got: String(replicas),
      expected: config.ha ? 'a whole number' : '0 or 1: without ha a registry has one shipper',
      fix: 'set "ha": true in the config for standbys, or split the sources over several shippers',
    });
  }
  checkPaths(where, config, nodeLogs);
  const [unknown] = shipperEndpoints(config).unknown;
  if (unknown !== undefined && props.egress === undefined) {
    throw problem({
      what: `egress of ${where}`,
      got: `nothing, and ${unknown} is known only when the program starts`,
      expected: 'the ports that the pods connect to: everything else is denied',
      fix: `add it, such as egress: [NetworkEdge.anywhere({ ports: [8443] })], or write scheme and port into ${unknown}`,
    });
  }
  return config;
}

/** @throws Error for a name that Kubernetes, or the key of a registry, cannot have */
export function checkNames(
  where: string,
  props: Pick<CheckedProps, 'name' | 'stage' | 'shipperName' | 'registryBucket' | 'registryKey'> & {
    readonly namespace?: string;
  },
): void {
  for (const prop of ['name', 'namespace'] as const) {
    const name = props[prop];
    if (name === undefined || Token.isUnresolved(name) || /^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$/.test(name)) continue;
    throw problem({
      what: `${prop} of ${where}`,
      got: JSON.stringify(name),
      expected: 'at most 52 lower-case letters, digits and "-"',
      fix: 'choose another name',
    });
  }
  for (const prop of ['stage', 'shipperName'] as const) {
    if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(props[prop])) continue;
    throw problem({
      what: `${prop} of ${where}`,
      got: JSON.stringify(props[prop]),
      expected: 'letters, digits, ".", "_" and "-": it is part of the key of the registry',
      fix: `set ${prop}`,
    });
  }
  for (const prop of ['registryBucket', 'registryKey'] as const) {
    if (props[prop] !== '' && !props[prop]?.startsWith('/')) continue;
    throw problem({
      what: `${prop} of ${where}`,
      got: JSON.stringify(props[prop]),
      expected: prop === 'registryKey' ? 'a key without "/" at its beginning' : 'the name of a bucket',
      fix: 'write it as the listing of S3 shows it',
    });
  }
}

/** @throws Error for a variable that the chart sets itself, or that is given twice */
export function checkVariables(where: string, environment: readonly string[], secrets: readonly string[]): void {
  const own = [...environment, ...secrets].find((name) => ownVariables.includes(name));
  const both = environment.find((name) => secrets.includes(name));
  const name = own ?? both;
  if (name === undefined) return;
  throw problem({
    what: `environment of ${where}`,
    got: own === undefined ? `${name}, which is in secrets too` : name,
    expected: own === undefined ? 'each variable once' : 'variables that the chart does not set itself',
    fix: own === undefined ? 'remove it from one of them' : 'use the props of the chart',
  });
}

/** A pod has no files of others but the logs of its node. */
function checkPaths(where: string, config: FlickerConfig, nodeLogs: boolean): void {
  const readable = (path: string) => nodeLogs && `${posix.normalize(path)}/`.startsWith(`${POD_LOGS}/`);
  const foreign = config.log_files.find(({ path }) => !path.includes('${') && !readable(path));
  if (foreign) {
    throw problem({
      what: `log_files of ${where}`,
      got: foreign.path,
      expected: nodeLogs ? `a path below ${POD_LOGS}` : 'no files: the pod has none',
      fix: nodeLogs
        ? `read the logs of pods, such as ${POD_LOGS}/*/*/*.log`
        : `set nodeLogs to read ${POD_LOGS} of every node`,
    });
  }
  const [docker] = config.docker_containers;
  if (docker) {
    throw problem({
      what: `docker_containers of ${where}`,
      got: docker.container ?? docker.labels.join(', '),
      expected: 'none: the nodes of Kubernetes have no Docker daemon that a pod may ask',
      fix: `read the logs of pods: nodeLogs, and log_files of ${POD_LOGS}/*/*/*.log with format cri`,
    });
  }
  checkWritten(where, config);
}

/** @throws Error for a place in the container that events would be written to */
export function checkWritten(where: string, config: FlickerConfig): void {
  const written = [
    ...usedDestinations(config).flatMap((to) => (to.type === 'file' ? [to.path] : [])),
    ...(config.dead_letter && 'path' in config.dead_letter ? [config.dead_letter.path] : []),
  ];
  if (written.length > 0) {
    throw problem({
      what: `config of ${where}: a local path`,
      got: written[0] ?? '',
      expected: 'a bucket: nothing in the container can be written and outlives it',
      fix: 'use S3',
    });
  }
}
