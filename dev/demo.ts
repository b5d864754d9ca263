// npm run demo: deploys the reference app to an embedded AWS with the real CDK CLI, runs the task definition that was
// deployed, kills the shipper over and over, and shows that nothing is lost.
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import type { FlickerConfigInput } from '../contract';
import { startAws } from './aws';
import { runService, type RunningService } from './ecs';
import { Ledger } from './ledger';
import { startReceiver } from './receiver';
import { deployReference, referenceSources, type Reference } from './reference';
import { startOkta } from './vendors/okta';

const FILE_EVENTS = 20_000;
const API_EVENTS = 2_000;
const KILLS = 3;
const PROGRAM = 'flicker';

const started = performance.now();
const say = (text: string) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);

const registry = z.looseObject({
  lease: z.looseObject({ epoch: z.number(), seq: z.number() }),
  files: z.record(z.string(), z.looseObject({ path: z.string(), offset: z.number() })),
});

async function main(): Promise<void> {
  const ledger = new Ledger();
  for (let n = 1; n <= FILE_EVENTS; n++) ledger.send(`f${n}`);
  const aws = await startAws();
  say(`embedded AWS at ${aws.endpoint}`);
  const okta = await startOkta({ token: 'token-demo' });
  const receiver = await startReceiver((records, accepted) => accepted && ledger.accept(records, false));
  let reference: Reference | undefined;
  let service: RunningService | undefined;
  try {
    say('cdk bootstrap and cdk deploy: a state stack and a service stack');
    reference = await deployReference({
      aws,
      stage: 'demo',
      config: configOf(okta.url, receiver.url),
      lines: FILE_EVENTS,
      pauseMs: 20,
    });
    say(`deployed ${reference.stateStack} and ${reference.serviceStack}`);
    service = await runService({
      aws,
      stackName: reference.serviceStack,
      environment: { [PROGRAM]: { FLICKER_PORT: '0', FLICKER_HOST: '127.0.0.1' } },
      restartAttemptPeriodMs: 0,
    });
    say('the deployed task runs: bundle copied and checked, shipper and writer started');
    await shipAndKill(service, ledger, okta, reference, aws.clientConfig);

    const exitCode = await stopCleanly(service);
    const { missing, ...counts } = ledger.counts;
    const ok = missing.length === 0 && exitCode === 0 && ledger.problems.length === 0;
    console.table({
      'events sent': counts.sent,
      'events received': counts.accepted,
      'times killed (SIGKILL)': KILLS,
      'times resumed from S3': KILLS,
      'received twice after a kill': counts.repeatedAfterKills,
      'exit code after SIGTERM': exitCode,
      lost: missing.length,
    });
    for (const problem of ledger.problems.slice(0, 5)) console.error(problem);
    say(ok ? 'nothing was lost' : 'FAILED');
    process.exitCode = ok ? 0 : 1;
  } finally {
    await service?.stop();
    reference?.dispose();
    await receiver.stop();
    await okta.stop();
    await aws.stop();
  }
}

function configOf(api: string, endpoint: string): FlickerConfigInput {
  const { app, audit } = referenceSources(api);
  return {
    destination: { type: 'http', endpoint },
    registry: { save_interval_ms: '500ms' },
    log_files: [app],
    api_sources: [audit],
  };
}

/** Appends API events, and kills the shipper when a quarter, a half and three quarters of all events have arrived. */
async function shipAndKill(
  service: RunningService,
  ledger: Ledger,
  okta: Awaited<ReturnType<typeof startOkta>>,
  reference: Reference,
  clientConfig: ConstructorParameters<typeof S3Client>[0],
): Promise<void> {
  const s3 = new S3Client({ ...clientConfig, forcePathStyle: true });
  const total = FILE_EVENTS + API_EVENTS;
  let apiEvents = 0;
  const appendApiEvents = () => {
    for (const { uuid } of okta.append(Math.min(20, API_EVENTS - apiEvents))) {
      ledger.send(uuid);
      apiEvents++;
    }
  };
  const timer = setInterval(appendApiEvents, 80);
  try {
    for (let kill = 1; kill <= KILLS; kill++) {
      const share = kill / (KILLS + 1);
      await service.waitFor(() => ledger.counts.accepted >= total * share, {
        timeoutMs: 60_000,
        what: `${Math.round(share * 100)} % of the events`,
      });
      await service.kill(PROGRAM, 'SIGKILL');
      ledger.life++;
      const { lease, files } = await readRegistry(s3, reference);
      const offsets = Object.values(files).map(({ path, offset }) => `${path.split('/').at(-1)}@${offset}`);
      say(
        `SIGKILL after ${ledger.counts.accepted} events; S3 has epoch ${lease.epoch}, seq ${lease.seq}, ${offsets.join(', ')}`,
      );
    }
    await service.waitFor(() => apiEvents === API_EVENTS && ledger.outstanding === 0, {
      timeoutMs: 60_000,
      what: 'all events',
    });
    say(`all ${ledger.counts.sent} events have arrived`);
  } finally {
    clearInterval(timer);
    s3.destroy();
  }
}

async function readRegistry(s3: S3Client, { bucket, registryKey }: Reference) {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: registryKey }));
  return registry.parse(JSON.parse((await Body?.transformToString()) ?? ''));
}

/** Stops the task as ECS does: SIGTERM, on which the program drains, saves and exits. */
async function stopCleanly(service: RunningService): Promise<number | undefined> {
  await service.stop();
  return service.stoppedTasks().at(-1)?.containers[PROGRAM]?.exitCode;
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
