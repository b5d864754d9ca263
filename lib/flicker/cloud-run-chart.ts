import { ApiObject, Chart } from 'cdk8s';
import type { Construct } from 'constructs';
import {
  awsCredentialEnvironment,
  awsEnvironment,
  bundlePath,
  clusterId,
  FLICKER,
  flickerPort,
  nodeCommand,
  registryLayout,
  renderFlickerSettings,
  type FlickerConfig,
  type FlickerConfigInput,
} from '../../contract';
import { secretVariable, type SecretKey } from '../k8s/aws-identity';
import { describeToken, tokenFields, tokenProblems } from '../k8s/tokens';
import { problem } from '../problem';
import { checkNames, checkVariables, checkWritten } from './check-chart';
import { GOOGLE_STORAGE, NO_HA_ON_GOOGLE } from './google-storage';
import { checkConfig, type ConfigLimit } from './shipper-config';

/** Seconds that Cloud Run waits between SIGTERM and SIGKILL (container runtime contract). */
const STOP_SECONDS = 10;
/** What a shipper takes of them when its config does not say; the rest is for its exit. */
const SHUTDOWN_MS = 8000;
const [LIVE] = flickerPort.paths;

export interface CloudRunLogShipperProps {
  /** The config of flicker, as in its file. Strings may hold `${NAME}` of `secrets` or `environment`. No `ha`, no files. */
  readonly config: FlickerConfigInput;
  /** Image that holds the program, as the one of `runtime/Dockerfile` does, in Artifact Registry. */
  readonly image: string;
  /** Bucket of the registry in Google Cloud Storage. */
  readonly registryBucket: string;
  /** Secret Manager secret, and its version, of the access id of an HMAC key for Cloud Storage. */
  readonly hmacAccessId: SecretKey;
  /** Secret Manager secret, and its version, of the secret of that key. */
  readonly hmacSecret: SecretKey;
  /**
   * Name of the service.
   *
   * @default 'flicker'
   */
  readonly name?: string;
  /**
   * Google service account that the service runs as. It must be allowed to read the secrets.
   *
   * @default - the default one of Compute Engine
   */
  readonly serviceAccount?: string;
  /**
   * Stage in the key of the registry.
   *
   * @default 'prod'
   */
  readonly stage?: string;
  /**
   * Name of the shipper in the key of its registry.
   *
   * @default - the construct id
   */
  readonly shipperName?: string;
  /**
   * Variables whose values are in Secret Manager: name of the secret, and its version as `key`.
   *
   * @default - none
   */
  readonly secrets?: Readonly<Record<string, SecretKey>>;
  /**
   * More variables. Never for secrets.
   *
   * @default - none
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Memory limit. Cloud Run asks for 512Mi where the CPU is always on.
   *
   * @default '512Mi'
   */
  readonly memory?: string;
  /**
   * CPU limit. Whole CPUs where the CPU is always on.
   *
   * @default '1'
   */
  readonly cpu?: string;
}

/** The variables of a service travel in its definition (32 KiB for all of them). */
const serviceDefinition: ConfigLimit = {
  bytes: 24 * 1024,
  where: 'a variable of the Cloud Run service',
  fix: 'split the sources over several shippers',
};

/**
 * A shipper of audit APIs on Google Cloud Run: one Knative Service of exactly one instance whose CPU is always on, with its
 * registry in Cloud Storage. For `gcloud run services replace`.
 */
export class CloudRunLogShipper extends Chart {
  /** The registry: `s3://bucket/key`. */
  readonly registryFile: string;

  /** @throws Error for `ha`, files, a stop that takes longer than Cloud Run waits, or props or a config that are not valid */
  constructor(scope: Construct, id: string, props: CloudRunLogShipperProps) {
    super(scope, id, { disableResourceNameHashes: true });
    const { name = FLICKER, stage = 'prod', shipperName = id, environment = {}, secrets = {} } = props;
    const input = { shutdown_timeout_ms: SHUTDOWN_MS, ...props.config };
    const variables = { environment, secrets: Object.keys(secrets) };
    checkNames(this.node.path, { ...props, name, stage, shipperName });
    checkVariables(this.node.path, Object.keys(environment), variables.secrets);
    checkCloudRun(this.node.path, checkConfig(this.node.path, input, variables, serviceDefinition));
    this.registryFile = `s3://${props.registryBucket}/${registryLayout(FLICKER, stage, shipperName).key}`;
    const settings = renderFlickerSettings({
      config: input,
      track: true,
      registryFile: this.registryFile,
      clusterId: clusterId(stage, shipperName),
    });
    const plain = {
      ...settings,
      // Cloud Storage takes any region in signatures.
      [awsEnvironment.region]: 'auto',
      [awsEnvironment.endpoint]: GOOGLE_STORAGE,
      [awsEnvironment.s3ForcePathStyle]: 'true',
      ...environment,
    };
    const secret = {
      [awsCredentialEnvironment.accessKeyId]: props.hmacAccessId,
      [awsCredentialEnvironment.secretAccessKey]: props.hmacSecret,
      ...secrets,
    };
    const probe = { httpGet: { path: LIVE, port: flickerPort.port }, timeoutSeconds: 5 };
    const service = new ApiObject(this, 'Service', {
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: {
        name,
        // The port serves health and metrics to nobody outside.
        annotations: { 'run.googleapis.com/ingress': 'internal' },
      },
      spec: {
        template: {
          metadata: {
            annotations: {
              'autoscaling.knative.dev/minScale': '1',
              'autoscaling.knative.dev/maxScale': '1',
              // Between requests a shipper works: without this its CPU would be taken away.
              'run.googleapis.com/cpu-throttling': 'false',
            },
          },
          spec: {
            ...(props.serviceAccount === undefined ? {} : { serviceAccountName: props.serviceAccount }),
            containers: [
              {
                name: FLICKER,
                image: props.image,
                command: [...nodeCommand, bundlePath(FLICKER)],
                ports: [{ name: 'http1', containerPort: flickerPort.port }],
                env: [
                  ...Object.entries(plain).map(([variable, value]) => ({ name: variable, value })),
                  ...Object.entries(secret).map(([variable, from]) => secretVariable(variable, from)),
                ],
                resources: { limits: { memory: props.memory ?? '512Mi', cpu: props.cpu ?? '1' } },
                startupProbe: { ...probe, periodSeconds: 5, failureThreshold: 12 },
                livenessProbe: { ...probe, periodSeconds: 30, failureThreshold: 3 },
              },
            ],
          },
        },
      },
    });
    this.node.addValidation({
      validate: () => [
        ...tokenFields(props.config).map((field) => describeToken('config', field)),
        ...tokenProblems(service.toJson()),
      ],
    });
  }
}

function checkCloudRun(where: string, config: FlickerConfig): void {
  if (config.ha) {
    throw problem({
      what: `ha of ${where}`,
      got: 'ha',
      expected: NO_HA_ON_GOOGLE,
      fix: 'leave ha out: Cloud Run starts a failed instance again',
    });
  }
  const local = [...config.log_files, ...config.docker_containers].length;
  if (local > 0) {
    throw problem({
      what: `log_files and docker_containers of ${where}`,
      got: String(local),
      expected: 'api_sources alone: an instance of Cloud Run has no files of others',
      fix: 'ship files where they are written',
    });
  }
  checkWritten(where, config);
  if (config.shutdown_timeout_ms > (STOP_SECONDS - 1) * 1000) {
    throw problem({
      what: `shutdown_timeout_ms of ${where}`,
      got: `${config.shutdown_timeout_ms} ms`,
      expected: `at most ${(STOP_SECONDS - 1) * 1000} ms: Cloud Run kills an instance ${STOP_SECONDS} s after it asks it to stop`,
      fix: `leave it out for ${SHUTDOWN_MS} ms`,
    });
  }
}
