import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CloudFormationClient,
  DescribeStacksCommand,
  ListStackResourcesCommand,
  UpdateTerminationProtectionCommand,
} from '@aws-sdk/client-cloudformation';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { registryLayout, type FlickerConfigInput } from '../contract';
import { cdk, typescriptApp, type AwsConnection } from './aws';

/** Folder of the log files in the reference service. */
export const LOG_FOLDER = '/var/log/app';
const NODE_IMAGE = 'public.ecr.aws/docker/library/node:24-slim';

/** Writes `lines` lines that end in `f1`, `f2` …, a few at a time, and rotates the file by renaming it. */
const writerProgram = `
const { appendFileSync, renameSync } = require('node:fs');
const [file, lines, pauseMs] = [process.argv[1], Number(process.argv[2]), Number(process.argv[3])];
let n = 0, rotations = 0;
const turn = () => {
  let text = '';
  for (let i = 0; i < 50 && n < lines; i++) text += 'GET /orders/' + (n * 7919) + ' "quoted" ü 200 f' + ++n + '\\n';
  appendFileSync(file, text);
  if (n % 5000 === 0) renameSync(file, file + '.' + ++rotations);
  if (n < lines) setTimeout(turn, pauseMs);
  else setInterval(() => {}, 60000);
};
process.on('SIGTERM', () => process.exit(0));
turn();
`;

export interface ReferenceOptions {
  readonly aws: AwsConnection;
  readonly stage: string;
  readonly config: FlickerConfigInput;
  readonly environment?: Readonly<Record<string, string>>;
  /** Values of the secrets that the config refers to, by their variables. They are kept in Secrets Manager. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Lines that the writer beside the shipper writes. */
  readonly lines: number;
  /** Pause between two bursts of 50 lines, in milliseconds. */
  readonly pauseMs: number;
  readonly log?: (line: string) => void;
}

/** The reference app, deployed by the real CDK CLI. */
export interface Reference {
  readonly stateStack: string;
  readonly serviceStack: string;
  readonly bucket: string;
  readonly registryKey: string;
  /** Runs the CLI on the same app with the same context. */
  cdk(args: readonly string[]): Promise<string>;
  /** Removes local files; what is deployed stays. */
  dispose(): void;
}

/** The source that follows the writer's files. */
export const writerSource = {
  name: 'app',
  path: `${LOG_FOLDER}/*.log`,
  start_at: 'beginning',
  polling_frequency_ms: 50,
  flush_interval_ms: 200,
} as const;

/** Bootstraps and deploys the reference app. */
export async function deployReference(options: ReferenceOptions): Promise<Reference> {
  const { aws, stage, log } = options;
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-app-'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(options.config));
  const names = Object.fromEntries(Object.keys(options.secrets).map((name) => [name, `flicker/${name.toLowerCase()}`]));
  const manager = new SecretsManagerClient(aws.clientConfig);
  for (const [variable, SecretString] of Object.entries(options.secrets)) {
    await manager.send(new CreateSecretCommand({ Name: names[variable], SecretString }));
  }
  manager.destroy();

  const context = {
    stage,
    config: join(folder, 'config.json'),
    secrets: JSON.stringify(names),
    environment: JSON.stringify(options.environment ?? {}),
    logVolume: LOG_FOLDER,
    writer: JSON.stringify({
      image: NODE_IMAGE,
      command: ['node', '-e', writerProgram, `${LOG_FOLDER}/app.log`, String(options.lines), String(options.pauseMs)],
    }),
    monitor: 'true',
    nat: 'false', // the embedded AWS has no NAT gateways
  };
  writeFileSync(join(folder, 'cdk.json'), JSON.stringify({ context }));
  const run = (args: readonly string[]) =>
    cdk(args, {
      aws,
      app: typescriptApp(join(__dirname, '../bin/holdfast.ts')),
      output: join(folder, 'cdk.out'),
      cwd: folder,
      // The templates are validated in the unit tests; here it would only cost seconds at every call.
      env: { CDK_VALIDATION: 'false' },
      ...(log && { log }),
    });
  await run(['bootstrap']);
  await run(['deploy', '--all', '--require-approval', 'never']);

  const stateStack = `Holdfast-${stage}-State`;
  return {
    stateStack,
    serviceStack: `Holdfast-${stage}-Service`,
    bucket: await bucketOf(aws, stateStack),
    registryKey: registryLayout('flicker', stage, 'Shipper').key,
    cdk: run,
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function bucketOf(aws: AwsConnection, stack: string): Promise<string> {
  const client = new CloudFormationClient(aws.clientConfig);
  try {
    const { StackResourceSummaries = [] } = await client.send(new ListStackResourcesCommand({ StackName: stack }));
    const bucket = StackResourceSummaries.find(({ ResourceType }) => ResourceType === 'AWS::S3::Bucket');
    if (!bucket?.PhysicalResourceId) throw new Error(`the stack ${stack} has no bucket`);
    return bucket.PhysicalResourceId;
  } finally {
    client.destroy();
  }
}

/** Whether a stack is deployed. */
export async function stackStatus(aws: AwsConnection, stack: string): Promise<string | undefined> {
  const client = new CloudFormationClient(aws.clientConfig);
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: stack }));
    return Stacks[0]?.StackStatus;
  } catch (error) {
    if (error instanceof Error && /does not exist/.test(error.message)) return undefined;
    throw error;
  } finally {
    client.destroy();
  }
}

/** Takes the termination protection from a stack. */
export async function unprotect(aws: AwsConnection, stack: string): Promise<void> {
  const client = new CloudFormationClient(aws.clientConfig);
  try {
    await client.send(new UpdateTerminationProtectionCommand({ StackName: stack, EnableTerminationProtection: false }));
  } finally {
    client.destroy();
  }
}
