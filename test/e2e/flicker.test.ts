import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import {
  DescribeServicesCommand,
  DescribeTaskDefinitionCommand,
  ECSClient,
  ListClustersCommand,
  ListServicesCommand,
} from '@aws-sdk/client-ecs';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { flickerCalls, flickerConfig, parseSettings, type FlickerConfigInput } from '../../contract';
import { startAws, type EmbeddedAws } from '../../dev/aws';
import { runService, type RunningService } from '../../dev/ecs';
import { Ledger } from '../../dev/ledger';
import { startReceiver, type Receiver } from '../../dev/receiver';
import { deployReference, stackStatus, unprotect, writerSource, type Reference } from '../../dev/reference';
import { startOkta, type Okta } from '../../dev/vendors/okta';
import { covers, recordedCalls } from './recorded-calls';

const LINES = 3000;
const PROGRAM = 'flicker';
const ARCHIVE = { bucket: 'e2e-archive', prefix: 'audit/' };
const deadLetter = z.looseObject({ event: z.looseObject({ line: z.string() }) });

/** One deployment serves all tests of this file, in order: what is deployed, what it does, how it is deployed again. */
describe('the reference app, deployed by the CDK CLI', () => {
  jest.setTimeout(120_000);
  const ledger = new Ledger();
  let aws: EmbeddedAws;
  let okta: Okta;
  let receiver: Receiver;
  let reference: Reference;
  let s3: S3Client;
  let config: FlickerConfigInput;
  let service: RunningService | undefined;

  beforeAll(async () => {
    aws = await startAws();
    s3 = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: ARCHIVE.bucket }));
    okta = await startOkta({ token: 'token-e2e' });
    for (let n = 1; n <= LINES; n++) ledger.send(`f${n}`);
    // The batch with this line is refused for good: it must be kept as dead letters.
    receiver = await startReceiver(
      (records, accepted) => accepted && ledger.accept(records, false),
      (records) =>
        records.some(({ line }) => line.endsWith(' f1500')) ? { kind: 'answer', status: 400 } : { kind: 'accept' },
    );
    config = configOf(okta.url, receiver.url);
    reference = await deployReference({
      aws,
      stage: 'e2e',
      config,
      environment: { FLICKER_LOG_LEVEL: 'debug' },
      secrets: { OKTA_API_TOKEN: 'token-e2e' },
      lines: LINES,
      pauseMs: 20,
    });
  });

  afterAll(async () => {
    await service?.stop();
    reference?.dispose();
    s3?.destroy();
    await receiver?.stop();
    await okta?.stop();
    await aws?.stop();
  });

  test('the service is a single writer that rolls back, and its task has the roles, user and image of the template', async () => {
    const ecs = new ECSClient(aws.clientConfig);
    const { clusterArns = [] } = await ecs.send(new ListClustersCommand({}));
    const cluster = clusterArns.find((arn) => arn.includes('e2e'));
    const { serviceArns = [] } = await ecs.send(new ListServicesCommand({ cluster }));
    const { services: [deployed] = [] } = await ecs.send(
      new DescribeServicesCommand({ cluster, services: serviceArns }),
    );
    expect(deployed?.deploymentConfiguration).toMatchObject({
      minimumHealthyPercent: 0,
      maximumPercent: 100,
      deploymentCircuitBreaker: { enable: true, rollback: true },
    });
    const { taskDefinition } = await ecs.send(
      new DescribeTaskDefinitionCommand({ taskDefinition: deployed?.taskDefinition }),
    );
    ecs.destroy();
    expect(taskDefinition?.taskRoleArn).toBeTruthy();
    expect(taskDefinition?.taskRoleArn).not.toBe(taskDefinition?.executionRoleArn);
    const program = taskDefinition?.containerDefinitions?.find(({ name }) => name === PROGRAM);
    expect(program?.user).toBe('10001:10001');
    expect(program?.image).toMatch(/^public\.ecr\.aws\/docker\/library\/node:24\.\d+\.\d+/);
  });

  test('it ships, is killed twice, resumes from the registry and loses nothing', async () => {
    service = await runService({
      aws,
      stackName: reference.serviceStack,
      environment: { [PROGRAM]: { FLICKER_PORT: '0', FLICKER_HOST: '127.0.0.1' } },
      restartAttemptPeriodMs: 0,
    });
    okta.append(200);
    for (const share of [0.3, 0.6]) {
      await service.waitFor(() => ledger.counts.accepted >= share * LINES, { what: `${share} of the events` });
      await service.kill(PROGRAM, 'SIGKILL');
      ledger.life++;
    }
    okta.append(200);
    const allArrived = async () => {
      for (const letter of await linesBelow(reference.bucket, 'flicker/e2e/Shipper/dlq/')) {
        ledger.park(deadLetter.parse(letter).event.line);
      }
      return ledger.counts.missing.length === 0 && (await archived()).length >= okta.events.length;
    };
    await service.waitFor(allArrived, { timeoutMs: 40_000, what: 'all events' });
    expect(ledger.counts.parked).toBeGreaterThan(0);
    expect(ledger.problems).toEqual([]);
    // Numbered objects: killed or not, each event is there once.
    expect((await archived()).sort()).toEqual(okta.events.map(({ uuid }) => uuid).sort());

    await service.stop();
    expect(service.stoppedTasks().at(-1)?.containers[PROGRAM]?.exitCode).toBe(0);

    const stored = await s3.send(new GetObjectCommand({ Bucket: reference.bucket, Key: reference.registryKey }));
    const document = z
      .looseObject({ format: z.number(), clusterId: z.string(), lease: z.looseObject({ epoch: z.number() }) })
      .parse(JSON.parse((await stored.Body?.transformToString()) ?? ''));
    expect(document).toMatchObject({ format: 2, clusterId: 'e2e/Shipper' });
    expect(document.lease.epoch).toBeGreaterThanOrEqual(3);
  });

  const linesBelow = async (bucket: string, prefix: string): Promise<unknown[]> => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
    const texts = Contents.map(async ({ Key = '' }) => {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
      const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
      return (Key.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
    });
    return (await Promise.all(texts)).flatMap((text) =>
      text
        .split('\n')
        .filter(Boolean)
        .map((line): unknown => JSON.parse(line)),
    );
  };
  const archived = async () =>
    (await linesBelow(ARCHIVE.bucket, ARCHIVE.prefix)).flatMap((record) => {
      const parsed = z.object({ line: z.string() }).safeParse(record);
      return parsed.success ? [parsed.data.line] : [];
    });

  test('the calls that the program made are the calls of its contract', () => {
    const recorded = recordedCalls((service?.lines() ?? []).map(({ line }) => line));
    const contract = flickerCalls(
      parseSettings(flickerConfig('template'), config, 'config'),
      `s3://${reference.bucket}/${reference.registryKey}`,
    );
    expect(recorded.length).toBeGreaterThan(5);
    expect(recorded.filter((call) => !contract.some((entry) => covers(entry, call)))).toEqual([]);
    const made = new Set(recorded.map(({ operation }) => operation));
    // The listing right only turns 403 into 404; versions are listed only after a 403, which the embedded S3 never gives.
    expect(contract.map(({ operation }) => operation).filter((operation) => !made.has(operation))).toEqual(
      expect.arrayContaining(['ListObjectsV2', 'ListObjectVersions']),
    );
    expect([...made].sort()).toEqual(['GetObject', 'HeadObject', 'PutObject']);
  });

  test('a redeploy without a change is a no-op', async () => {
    const printed = await reference.cdk(['deploy', '--all', '--require-approval', 'never']);
    expect(printed.match(/no changes/g)).toHaveLength(2);
  });

  test('the protected state stack is not destroyed; unprotected, its bucket stays', async () => {
    await reference.cdk(['destroy', reference.serviceStack, '--force']);
    expect(await stackStatus(aws, reference.serviceStack)).toBeUndefined();
    await expect(reference.cdk(['destroy', reference.stateStack, '--force'])).rejects.toThrow(
      /[Tt]ermination ?[Pp]rotection/,
    );
    expect(await stackStatus(aws, reference.stateStack)).toBeDefined();

    await unprotect(aws, reference.stateStack);
    await reference.cdk(['destroy', reference.stateStack, '--force']);
    expect(await stackStatus(aws, reference.stateStack)).toBeUndefined();
    const versions = await s3.send(
      new ListObjectVersionsCommand({ Bucket: reference.bucket, Prefix: reference.registryKey }),
    );
    expect(versions.Versions?.length).toBeGreaterThan(1);
  });
});

function configOf(api: string, endpoint: string): FlickerConfigInput {
  const audit = {
    name: 'audit',
    endpoint: api,
    headers: { Authorization: 'SSWS ${OKTA_API_TOKEN}' },
    results_field: '',
    timestamp_field: 'published',
    id_field: 'uuid',
    message_field: 'uuid',
    start_from: 'beginning',
    pagination: { pagination_type: 'link', limit_param: 'limit', page_size: 100 },
    polling_frequency_ms: 100,
    flush_interval_ms: 200,
  } as const;
  return {
    registry: { save_interval_ms: '300ms' },
    log_files: [{ ...writerSource, batch_max_events: 100, destination: { type: 'http', endpoint } }],
    api_sources: [{ ...audit, destination: { type: 's3', ...ARCHIVE, compression: true } }],
  };
}
