import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Yaml } from 'cdk8s';
import type { FlickerConfigInput } from '../contract';
import { AwsIdentity, ContainerCode, type LogShipperChartProps, type SecretKey } from '../lib/k8s';

export interface ManifestSettings {
  /** Folder that is written to. */
  readonly out: string;
  readonly props: LogShipperChartProps & { readonly name: string; readonly shipperName: string };
}

export const usage = `holdfast-manifests: writes Kubernetes manifests and a Helm chart of a log shipper

  --config FILE             config of flicker, YAML or JSON (required)
  --registry-bucket BUCKET  bucket of the registry (required)
  --region REGION           its region (required)
  --image IMAGE             image that holds the program, with tag or digest
  --bundle URL              instead: s3://bucket/key of the program, which a stock Node image runs
  --name NAME               name of the objects (flicker)
  --namespace NAME          namespace (logging)
  --stage STAGE             stage in the key of the registry (prod)
  --shipper NAME            name in the key of the registry (that of --name)
  --registry-key KEY        key of a registry that exists already
  --role-arn ARN            role of the service account (IRSA); without it: Pod Identity
  --credentials SECRET      instead: a Secret with access-key-id and secret-access-key
  --endpoint-url URL        endpoint of a store that is not AWS
  --secret NAME=SECRET/KEY  a variable from a Secret; may be repeated
  --env NAME=VALUE          a variable; may be repeated
  --node-logs               a DaemonSet that reads the logs of every node's pods
  --monitoring              PodMonitor, PrometheusRule and dashboard
  --out FOLDER              where to write (manifests)
`;

/** Reads the command line. @throws Error that names the option at fault */
export function readManifestSettings(argv: readonly string[]): ManifestSettings {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      config: { type: 'string' },
      'registry-bucket': { type: 'string' },
      region: { type: 'string' },
      image: { type: 'string' },
      bundle: { type: 'string' },
      name: { type: 'string', default: 'flicker' },
      namespace: { type: 'string', default: 'logging' },
      stage: { type: 'string' },
      shipper: { type: 'string' },
      'registry-key': { type: 'string' },
      'role-arn': { type: 'string' },
      credentials: { type: 'string' },
      'endpoint-url': { type: 'string' },
      secret: { type: 'string', multiple: true, default: [] },
      env: { type: 'string', multiple: true, default: [] },
      'node-logs': { type: 'boolean', default: false },
      monitoring: { type: 'boolean', default: false },
      out: { type: 'string', default: 'manifests' },
    },
  });
  const needed = (option: 'config' | 'registry-bucket' | 'region'): string => {
    const value = values[option];
    if (value !== undefined && value !== '') return value;
    throw new Error(`--${option} is needed`);
  };
  const { image, bundle, credentials, 'role-arn': roleArn, 'endpoint-url': endpointUrl } = values;
  if ((image === undefined) === (bundle === undefined)) throw new Error('one of --image and --bundle is needed');
  if (roleArn !== undefined && credentials !== undefined)
    throw new Error('--role-arn and --credentials exclude each other');
  return {
    out: values.out,
    props: {
      name: values.name,
      namespace: values.namespace,
      shipperName: values.shipper ?? values.name,
      config: readConfig(needed('config')),
      registryBucket: needed('registry-bucket'),
      region: needed('region'),
      code: image === undefined ? ContainerCode.bundle({ url: bundle ?? '' }) : ContainerCode.image(image),
      identity:
        roleArn !== undefined
          ? AwsIdentity.irsa(roleArn)
          : credentials !== undefined
            ? AwsIdentity.staticCredentials({ secretName: credentials })
            : AwsIdentity.podIdentity(),
      secrets: Object.fromEntries(values.secret.map(secretOf)),
      environment: Object.fromEntries(values.env.map((text) => pairOf('--env', text))),
      nodeLogs: values['node-logs'],
      ...(values.stage === undefined ? {} : { stage: values.stage }),
      ...(values['registry-key'] === undefined ? {} : { registryKey: values['registry-key'] }),
      ...(endpointUrl === undefined ? {} : { endpointUrl, s3ForcePathStyle: true }),
      ...(values.monitoring ? { monitoring: {} } : {}),
    },
  };
}

/** The chart checks it against the schema. */
function readConfig(path: string): FlickerConfigInput {
  if (!existsSync(path)) throw new Error(`--config: there is no ${path}`);
  const documents: FlickerConfigInput[] = Yaml.load(path);
  const [config, second] = documents;
  if (config !== undefined && second === undefined) return config;
  throw new Error(`--config: ${path} must be one YAML or JSON document, it holds ${documents.length}`);
}

function pairOf(option: string, text: string): [string, string] {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name, value];
  throw new Error(`${option}: expected NAME=VALUE, got ${JSON.stringify(text)}`);
}

function secretOf(text: string): [string, SecretKey] {
  const [variable, from] = pairOf('--secret', text);
  const [, name, key] = /^([^/]+)\/([^/]+)$/.exec(from) ?? [];
  if (name !== undefined && key !== undefined) return [variable, { name, key }];
  throw new Error(`--secret: expected NAME=SECRET/KEY, got ${JSON.stringify(text)}`);
}
