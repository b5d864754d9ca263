import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ECSClient, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { cdk, childEnvironment, EMBEDDED_ACCOUNT, startAws, typescriptApp, type EmbeddedAws } from '../../../dev/aws';
import { temporaryFolder } from '../../../dev/guard';
import { readService, runService, type RunningService } from '../../../dev/ecs';

jest.setTimeout(60_000);

let aws: EmbeddedAws;
let service: RunningService | undefined;
const folder = temporaryFolder('holdfast-fixture-');
const assembly = join(folder, 'assembly');
const stackName = 'Fixture';

beforeAll(async () => {
  aws = await startAws();
  const secrets = new SecretsManagerClient(aws.clientConfig);
  await Promise.all([
    cdk(['bootstrap', `aws://${EMBEDDED_ACCOUNT}/${aws.region}`], { aws, cwd: folder }),
    cdk(['synth', '--quiet'], {
      aws,
      app: typescriptApp(join(__dirname, '../fixtures/app.ts')),
      output: assembly,
      cwd: folder,
    }),
    secrets.send(new CreateSecretCommand({ Name: 'fixture/named', SecretString: 'by name' })),
  ]);
  secrets.destroy();
  await cdk(['deploy', stackName, '--require-approval', 'never'], { aws, app: assembly, cwd: folder });
}, 120_000);
afterEach(() => service?.stop());
afterAll(async () => {
  await aws.stop();
});

/** What the fixture's program has told at its starts. */
const told = (running: RunningService): Record<string, unknown>[] =>
  running
    .lines()
    .filter(({ line }) => line.startsWith('{'))
    .map(({ line }) => JSON.parse(line));

test('the definition is whole again', async () => {
  const { definition, desiredCount } = await readService(aws, { stackName });
  const [copy, main] = definition.containers;
  expect(desiredCount).toBe(1);
  expect(definition.volumes).toEqual(['runtime', 'state']);
  expect(copy).toMatchObject({ name: 'copy', essential: false });
  expect(main).toMatchObject({
    dependsOn: [{ containerName: 'copy', condition: 'SUCCESS' }],
    healthCheck: { command: ['CMD-SHELL', 'node /holdfast/program.mjs health'], interval: 5 },
    restartPolicy: { enabled: true, restartAttemptPeriod: 60 },
    readonlyRootFilesystem: true,
    stopTimeout: 10,
  });
  expect(main?.secrets).toEqual([
    { name: 'TOKEN', valueFrom: expect.stringMatching(/^arn:aws:secretsmanager:.*:token::$/) },
    { name: 'NAMED', valueFrom: expect.stringMatching(/:secret:fixture\/named$/) },
    { name: 'LEVEL', valueFrom: 'arn:aws:ssm:us-east-1:000000000000:parameter/fixture/level' },
  ]);
});

test('runs as deployed; a killed program is restarted in its task, a stopped task is replaced', async () => {
  service = await runService({ aws, stackName, service: 'Service', restartAttemptPeriodMs: 0, healthIntervalMs: 100 });
  await service.waitFor((now) => now.tasks()[0]?.containers.main?.health === 'HEALTHY' && told(now).length === 1, {
    what: 'a healthy task',
  });
  const [task] = service.tasks();
  expect(told(service)).toEqual([
    {
      starts: 1,
      GREETING: 'hello from us-east-1',
      tokenLength: 24,
      NAMED: 'by name',
      LEVEL: 'loud',
      AWS_ENDPOINT_URL: aws.endpoint,
      TaskARN: task?.arn,
    },
  ]);
  await service.kill('main', 'SIGKILL');
  await service.waitFor((now) => told(now).length === 2, { what: 'a restart' });
  expect(told(service)[1]).toMatchObject({ starts: 2, TaskARN: task?.arn });
  expect(service.tasks()[0]?.containers.main?.restarts).toBe(1);
  await service.stop();

  service = await runService({ aws, stackName });
  await service.waitFor((now) => told(now).length === 1, { what: 'a start' });
  await service.kill('main', 'SIGKILL');
  await service.waitFor((now) => told(now).length === 2, { what: 'a replacement' });
  const [first, second] = told(service);
  expect(second).toMatchObject({ starts: 1 });
  expect(second?.TaskARN).not.toBe(first?.TaskARN);
  expect(service.stoppedTasks()).toMatchObject([{ stoppedReason: 'essential container main exited with 137' }]);
});

test('follows a changed service, by its names in ECS too', async () => {
  const { name, cluster } = await readService(aws, { stackName });
  const ecs = new ECSClient(aws.clientConfig);
  const scale = (desiredCount: number) => ecs.send(new UpdateServiceCommand({ cluster, service: name, desiredCount }));
  service = await runService({ aws, cluster, service: name });
  await scale(2);
  await service.update();
  expect(service.tasks()).toHaveLength(2);
  await scale(1);
  await service.update();
  expect(service.tasks()).toHaveLength(1);
  ecs.destroy();
});

test('npm run local runs the stack until it is interrupted', async () => {
  const args = [
    require.resolve('tsx/cli'),
    join(__dirname, '../../../dev/local.ts'),
    stackName,
    '--env',
    'main:GREETING=ho',
  ];
  const child = spawn(process.execPath, args, { env: childEnvironment(aws), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      if (!output.includes('"starts"') && (output + text).includes('"starts"')) child.kill('SIGINT');
      output += text;
    });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(output).toMatch(/\/main \| \{"starts":1,"GREETING":"ho"/);
  expect(output).toMatch(/\/main \| drained\n/);
  expect(code).toBe(0);
});

test('a bundle of another content is not run', async () => {
  const { definition } = await readService(aws, { stackName });
  const variables = definition.containers[0]?.environment ?? [];
  const url = new URL(variables.find(({ name }) => name === 'HOLDFAST_BUNDLE_URL')?.value ?? '');
  const s3 = new S3Client(aws.clientConfig);
  await s3.send(new PutObjectCommand({ Bucket: url.host, Key: url.pathname.slice(1), Body: 'tampered' }));
  s3.destroy();
  service = await runService({ aws, stackName });
  await service.waitFor((now) => now.stoppedTasks().length === 1, { what: 'a refused start' });
  expect(service.lines()).toMatchObject([
    { container: 'copy', line: expect.stringMatching(/has SHA-256 .*, expected .*; it is not used/) },
  ]);
  expect(service.stoppedTasks()[0]?.stoppedReason).toMatch(/copy did not reach SUCCESS/);
});

test('cdk says why it failed, and destroys', async () => {
  await expect(cdk(['deploy', 'Nothing'], { aws, app: assembly, cwd: folder })).rejects.toThrow(
    /cdk deploy Nothing failed with exit code 1:\n[^]*No stacks match/,
  );
  const lines: string[] = [];
  await cdk(['destroy', stackName, '--force'], { aws, app: assembly, cwd: folder, log: (line) => lines.push(line) });
  expect(lines.join('\n')).toMatch(/Fixture: destroyed/);
  await expect(readService(aws, { stackName })).rejects.toThrow(
    /stack Fixture cannot be read at .* \(.*does not exist\); is it deployed there\?/,
  );
});
