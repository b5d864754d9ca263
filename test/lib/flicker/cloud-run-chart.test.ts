import { z } from 'zod';
import {
  parseSettings,
  flickerProcessSchema,
  readFlickerEnvironment,
  type FlickerConfigInput,
} from '../../../contract';
import type { CloudRunLogShipperProps } from '../../../lib/k8s';
import { plainConfig } from '../support/app';
import { cloudRunChart, manifestsOf } from '../support/charts';

const service = z.object({
  spec: z.object({
    template: z.object({
      metadata: z.object({ annotations: z.record(z.string(), z.string()) }),
      spec: z.object({
        containers: z.array(
          z.looseObject({ env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })) }),
        ),
      }),
    }),
  }),
});

test('the manifest', () => {
  expect(manifestsOf(cloudRunChart())).toMatchSnapshot();
});

test('the program is told its config, its registry in Cloud Storage, and a stop that Cloud Run waits for', () => {
  const [manifest] = manifestsOf(cloudRunChart());
  const { metadata, spec } = service.parse(manifest).spec.template;
  expect(metadata.annotations).toEqual({
    'autoscaling.knative.dev/minScale': '1',
    'autoscaling.knative.dev/maxScale': '1',
    'run.googleapis.com/cpu-throttling': 'false',
  });
  const env = Object.fromEntries(spec.containers[0]?.env.map(({ name, value }) => [name, value]) ?? []);
  expect(env).toMatchObject({
    AWS_ENDPOINT_URL: 'https://storage.googleapis.com',
    AWS_S3_FORCE_PATH_STYLE: 'true',
    AWS_REGION: 'auto',
  });
  const { config, ...settings } = readFlickerEnvironment(env);
  expect(JSON.parse(config ?? '')).toEqual({ ...plainConfig(), shutdown_timeout_ms: 8000 });
  expect(parseSettings(flickerProcessSchema, settings, 'settings')).toMatchObject({
    track: true,
    registryFile: 's3://company-state/flicker/prod/audit-registry.json',
    clusterId: 'prod/audit',
  });
});

test.each<[string, Partial<FlickerConfigInput>, string]>([
  [
    'ha',
    { ha: true },
    'ha of audit: got ha, expected a single instance: conditional writes, of which ha is made, do not work',
  ],
  [
    'files',
    { log_files: [{ path: '/var/log/x' }] },
    'log_files and docker_containers of audit: got 1, expected api_sources alone',
  ],
  [
    'a long stop',
    { shutdown_timeout_ms: '10s' },
    'shutdown_timeout_ms of audit: got 10000 ms, expected at most 9000 ms',
  ],
  [
    'dead letters in the memory of an instance',
    { dead_letter: { path: '/tmp/dlq' } },
    'config of audit: a local path: got /tmp/dlq, expected a bucket',
  ],
])('%s is refused', (_, change, message) => {
  expect(() => cloudRunChart({ config: plainConfig(change) })).toThrow(message);
});

test.each<[string, Partial<CloudRunLogShipperProps>, string]>([
  ['a stage with a slash', { stage: 'a/b' }, 'stage of audit: got "a/b"'],
  ['a name with capitals', { name: 'Flicker' }, 'name of audit: got "Flicker"'],
  ['no bucket', { registryBucket: '' }, 'registryBucket of audit: got "", expected the name of a bucket'],
  ['a variable of the chart', { environment: { FLICKER_REGISTRY_FILE: 's3://a/b' } }, 'got FLICKER_REGISTRY_FILE'],
  ['other credentials', { secrets: { AWS_ACCESS_KEY_ID: { name: 'a', key: '1' } } }, 'got AWS_ACCESS_KEY_ID'],
  ['a variable twice', { environment: { API_TOKEN: 'a' } }, 'got API_TOKEN, which is in secrets too'],
])('%s is refused', (_, change, message) => {
  expect(() => cloudRunChart(change)).toThrow(message);
});
