import { App, type Chart } from 'cdk8s';
import type { FlickerConfigInput } from '../../../contract';
import {
  AwsIdentity,
  CloudRunLogShipper,
  ContainerCode,
  LogShipperChart,
  NetworkEdge,
  type CloudRunLogShipperProps,
  type LogShipperChartProps,
} from '../../../lib/k8s';
import { plainConfig } from './app';
import { asManifests, type Manifest } from './manifests';

export const IMAGE = '123456789012.dkr.ecr.eu-central-1.amazonaws.com/flicker:0.1.0';

/** The least props, and these. */
export function chartProps(change: Partial<LogShipperChartProps> = {}): LogShipperChartProps {
  return {
    config: plainConfig(),
    code: ContainerCode.image(IMAGE),
    identity: AwsIdentity.podIdentity(),
    registryBucket: 'company-state',
    region: 'eu-central-1',
    ...change,
  };
}

/** A chart with the least props, and these. */
export function chartWith(change: Partial<LogShipperChartProps> = {}, id = 'okta', app = new App()): LogShipperChart {
  return new LogShipperChart(app, id, chartProps(change));
}

export const nodeConfig: FlickerConfigInput = {
  log_files: [{ path: '/var/log/pods/*/*/*.log', name: 'pods', format: 'cri' }],
  destination: { type: 's3', bucket: 'company-archive', prefix: 'pods/' },
  ha: true,
};

export function cloudRunChart(change: Partial<CloudRunLogShipperProps> = {}): CloudRunLogShipper {
  return new CloudRunLogShipper(new App(), 'audit', {
    config: plainConfig(),
    image: 'europe-docker.pkg.dev/company/images/flicker:0.1.0',
    registryBucket: 'company-state',
    serviceAccount: 'flicker@company.iam.gserviceaccount.com',
    hmacAccessId: { name: 'flicker-hmac-access-id', key: '1' },
    hmacSecret: { name: 'flicker-hmac-secret', key: '1' },
    secrets: { API_TOKEN: { name: 'api-token', key: '3' } },
    ...change,
  });
}

/** Every shape that the chart of a shipper has, each in a namespace of its own. */
export const shipperShapes: Readonly<Record<string, Partial<LogShipperChartProps>>> = {
  single: {
    namespace: 'single',
    // What Helm and YAML might read otherwise.
    config: plainConfig({
      api_sources: [
        {
          name: 'audit',
          endpoint: 'https://api.example.com/events?a=1&b=<2>',
          results_field: '',
          timestamp_field: 'at',
          headers: { Note: '{{ "é" }} \u2028 $${x}', Company: '${COMPANY}', Token: '${OKTA_API_TOKEN}' },
        },
      ],
    }),
    identity: AwsIdentity.irsa('arn:aws:iam::123456789012:role/flicker'),
    secrets: { OKTA_API_TOKEN: { name: 'okta', key: 'token' } },
    environment: { COMPANY: 'company', NOTE: 'a "b" \\ {{ c }}\n<é>' },
    monitoring: { labels: { release: 'prometheus' } },
  },
  standby: { namespace: 'standby', config: plainConfig({ ha: true }), monitoring: {} },
  bundle: {
    namespace: 'bundle',
    code: ContainerCode.bundle({ url: 's3://company-assets/flicker.mjs', sha256: 'a'.repeat(64) }),
    identity: AwsIdentity.staticCredentials({ secretName: 'aws-credentials' }),
    endpointUrl: 'http://minio.storage.svc:9000',
    s3ForcePathStyle: true,
    egress: [NetworkEdge.addresses(['10.0.0.0/8'], { ports: [514], protocol: 'UDP' })],
    secretFolders: { '/certificates': 'client-certificate' },
    imagePullSecrets: ['registry'],
    nodeSelector: { 'kubernetes.io/arch': 'arm64' },
    tolerations: [{ key: 'logs', value: 'true', effect: 'NoSchedule' }],
  },
  nodes: { namespace: 'nodes', config: nodeConfig, nodeLogs: true, monitoring: {} },
};

/** Every chart. */
export const shapes: Readonly<Record<string, () => Chart>> = {
  ...Object.fromEntries(Object.entries(shipperShapes).map(([name, props]) => [name, () => chartWith(props)])),
  cloudRun: () => cloudRunChart(),
};

export function manifestsOf(chart: Chart): Manifest[] {
  return asManifests(chart.toJson());
}
