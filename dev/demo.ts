// npm run demo: deploys the reference app to an embedded AWS with the real CDK CLI, runs the task definition that was
// deployed, kills the shipper over and over, and shows that nothing is lost.
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { startAws } from './aws';
import { runService, type RunningService } from './ecs';
import { lastWord, Ledger } from './ledger';
import { startReceiver } from './receiver';
import { deployReference, writerSource, type Reference } from './reference';
import { standIns, type ApiSource, type StandIn } from './vendors/stand-ins';

const FILE_EVENTS = 20_000;
/** Events that each vendor has already; it happened from two hours ago to one hour ago. */
const PAST_EVENTS = 150;
const [FROM_MS, TO_MS] = [7_200_000, 3_600_000];
/** Events of vendors whose events can be asked for at once, while the shipper is killed. */
const NEW_EVENTS = 1_000;
const PROMPT = ['okta', 'github', 'auth0', 'onepassword'];
const KILLS = 3;
const PROGRAM = 'flicker';

const started = performance.now();
const say = (text: string) =>
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);

const registry = z.looseObject({
  lease: z.looseObject({ epoch: z.number(), seq: z.number() }),
  files: z.record(z.string(), z.looseObject({ path: z.string(), offset: z.number() })),
});

const nameOf = (source: ApiSource, id: string | undefined) => `api://${source.name}/${id}`;

async function main(): Promise<void> {
  // An event of a vendor is named by its id, a line of a file by its last word.
  const ledger = new Ledger(({ path, line, id }) => (path.startsWith('api://') ? `${path}/${id}` : lastWord(line)));
  for (let n = 1; n <= FILE_EVENTS; n++) ledger.send(`f${n}`);
  const aws = await startAws();
  say(`embedded AWS at ${aws.endpoint}`);
  const vendors = await startVendors(ledger);
  say(`stand-ins of ${[...vendors.keys()].join(', ')}, each with ${PAST_EVENTS} events`);
  const receiver = await startReceiver((records, accepted) => accepted && ledger.accept(records, false));
  let reference: Reference | undefined;
  let service: RunningService | undefined;
  try {
    say('cdk bootstrap and cdk deploy: a state stack and a service stack');
    const { sources, secrets } = byReference([...vendors.values()].map(({ source }) => source));
    reference = await deployReference({
      aws,
      stage: 'demo',
      config: {
        destination: { type: 'http', endpoint: receiver.url },
        registry: { save_interval_ms: '500ms' },
        log_files: [writerSource],
        api_sources: sources,
      },
      secrets,
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
    const prompt = PROMPT.flatMap((name) => vendors.get(name) ?? []);
    await shipAndKill(service, ledger, prompt, reference, aws.clientConfig);

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
    for (const { vendor } of vendors.values()) await vendor.stop();
    await aws.stop();
  }
}

/** A stand-in for each vendor that has one, with events of the past. */
async function startVendors(ledger: Ledger): Promise<Map<string, StandIn>> {
  const vendors = new Map<string, StandIn>();
  const first = Date.now() - FROM_MS;
  for (const [name, start] of Object.entries(standIns)) {
    const { vendor, source, ids } = await start({});
    for (let n = 0; n < PAST_EVENTS; n++) vendor.append(1, first + Math.floor((n * (FROM_MS - TO_MS)) / PAST_EVENTS));
    for (const id of ids()) ledger.send(nameOf(source, id));
    const start_from = new Date(first - 1000).toISOString();
    const quick = { polling_frequency_ms: 1000, flush_interval_ms: 200, page_size: 50, start_from };
    vendors.set(name, { vendor, source: { ...source, ...quick }, ids });
  }
  return vendors;
}

/** Sources that name their secrets by variables, and the secrets. */
function byReference(sources: readonly ApiSource[]): { sources: ApiSource[]; secrets: Record<string, string> } {
  const secrets: Record<string, string> = {};
  const named = sources.map((source): ApiSource => {
    const variables = Object.entries(source).flatMap(([key, value]) => {
      if (!['token', 'client_secret', 'service_account_key'].includes(key)) return [];
      const variable = `${source.name}_${key}`.toUpperCase();
      secrets[variable] = String(value);
      return [[key, `\${${variable}}`]];
    });
    return { ...source, ...Object.fromEntries(variables) };
  });
  return { sources: named, secrets };
}

/** Appends events of vendors, and kills the shipper when a quarter, a half and three quarters of all events have arrived. */
async function shipAndKill(
  service: RunningService,
  ledger: Ledger,
  vendors: readonly StandIn[],
  reference: Reference,
  clientConfig: ConstructorParameters<typeof S3Client>[0],
): Promise<void> {
  const s3 = new S3Client({ ...clientConfig, forcePathStyle: true });
  const total = ledger.counts.sent + NEW_EVENTS;
  let appended = 0;
  const appendEvents = () => {
    for (const { vendor, source, ids } of vendors) {
      if (appended === NEW_EVENTS) return;
      vendor.append(5);
      for (const id of ids().slice(-5)) ledger.send(nameOf(source, id));
      appended += 5;
    }
  };
  const timer = setInterval(appendEvents, 80);
  const bytesSaved = async () => {
    const { files } = await readRegistry(s3, reference);
    return Object.values(files).reduce((sum, { offset }) => sum + offset, 0);
  };
  try {
    for (let kill = 1, saved = 0; kill <= KILLS; kill++) {
      const share = kill / (KILLS + 1);
      const due = async () => ledger.counts.accepted >= total * share && (await bytesSaved()) > saved;
      await service.waitFor(due, {
        timeoutMs: 60_000,
        what: `${Math.round(share * 100)} % of the events, and a save since the last kill`,
      });
      await service.kill(PROGRAM, 'SIGKILL');
      ledger.life++;
      saved = await bytesSaved();
      const { lease, files } = await readRegistry(s3, reference);
      const offsets = Object.values(files).map(({ path, offset }) => `${path.split('/').at(-1)}@${offset}`);
      say(
        `SIGKILL after ${ledger.counts.accepted} events; S3 has epoch ${lease.epoch}, seq ${lease.seq}, ${offsets.join(', ')}`,
      );
    }
    await service.waitFor(() => appended === NEW_EVENTS && ledger.outstanding === 0, {
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
