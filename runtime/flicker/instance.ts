import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import {
  coreEvents,
  FINAL_SAVE_MS,
  flickerEvents,
  flickerExit,
  flickerPort,
  SettingsError,
  type FlickerProcessSettings,
} from '../../contract';
import type { S3Client } from '@aws-sdk/client-s3';
import { readAwsSettings } from '../core/aws';
import { awsClients } from '../core/aws-clients';
import { systemClock as clock } from '../core/clock';
import { stopSignal, Stopping } from '../core/lifecycle';
import type { Logger } from '../core/log';
import { serveHealth, type HealthServer } from '../core/server';
import { describeLeaseEnd, type LeaseEnd } from '../registry/errors';
import { openRegistry } from '../registry/open';
import type { Registry } from '../registry/registry';
import { Saver, type SaverStats } from '../registry/saver';
import { untracked } from './commits';
import type { LoadedConfig } from './config';
import { assemble, dismiss, type Member } from './crew';
import { createFlickerMetrics, type FlickerMetrics } from './metrics';
import { defaultNodeId } from './node-id';
import { reportProgress } from './progress';
import { readState, upgradeV1, type FlickerState } from './state';
import { registryStore, storedState } from './stores';
import type { WorkerSignals } from './worker';

export interface RunOptions {
  readonly settings: FlickerProcessSettings;
  readonly loaded: LoadedConfig;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
  readonly version: string;
  readonly once: boolean;
  readonly dryRun: boolean;
  readonly allowReset: boolean;
}

/** Why flicker did not start. The message is for people. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Positions are kept in the registry, or only in memory. */
type Tracking =
  | { readonly kind: 'registry'; readonly registry: Registry; readonly saver: Saver; readonly state: FlickerState }
  | { readonly kind: 'memory'; readonly state: FlickerState };

/** How long it may take that everything ends which was aborted. */
const ABORT_MS = 300;

/** Runs flicker until it is asked to stop; the result is the exit code. @throws StartError */
export async function runFlicker(options: RunOptions): Promise<number> {
  const { settings, loaded, log, once, dryRun } = options;
  const { config } = loaded;
  const aws = awsClients(
    orStartError(() => readAwsSettings(options.env)),
    log,
  );
  const served = createFlickerMetrics();
  const { metrics } = served;
  const stop = stopSignal();
  const registryLocation = settings.track ? settings.registryFile : undefined;

  let members: readonly Member[] = [];
  let notReady = 'starting';
  let server: HealthServer | undefined;
  let tracking: Tracking | undefined;
  try {
    if (!once && !dryRun) {
      server = await serveHealth(flickerPort, settings, {
        live: () => liveness(members),
        ready: () => {
          const stopped = members.find((member) => member.status.stopped);
          const problem = notReady || (stopped ? `source ${stopped.name} stopped: ${stopped.status.stopped}` : '');
          return { ok: problem === '', detail: problem || 'ready' };
        },
        metrics: async () => {
          if (tracking?.kind === 'registry') showSaver(metrics, tracking.saver.stats);
          return { contentType: served.contentType, text: await served.text() };
        },
      });
      log.info(coreEvents.listening, 'listening', { port: server.port });
    }
    const nodeId = settings.nodeId ?? (await defaultNodeId(options.env));
    const crew = { config, registry: registryLocation, nodeId, aws, clock, log, metrics, once, dryRun };
    members = await assemble({ ...crew, clusterId: settings.clusterId });
    tracking = await openState(options, registryLocation, aws.s3, stop.signal, metrics);
    log.info(flickerEvents.started, 'flicker started', {
      version: options.version,
      sources: members.length,
      node: nodeId,
    });
    notReady = '';
    return await work(options, members, tracking, stop.signal, metrics, (reason) => (notReady = reason));
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) return flickerExit.ok;
    if (error instanceof Error && !(error instanceof SettingsError))
      throw new StartError(error.message, { cause: error });
    throw error;
  } finally {
    await within(dismiss(members, log), ABORT_MS, () => {});
    await server?.close();
    stop.dispose();
  }
}

async function openState(
  { settings, loaded, log, version, dryRun, allowReset }: RunOptions,
  location: string | undefined,
  s3: () => Promise<S3Client>,
  signal: AbortSignal,
  metrics: FlickerMetrics,
): Promise<Tracking> {
  if (location === undefined) return { kind: 'memory', state: readState({}) };
  const store = await registryStore(location, clock, s3);
  if (dryRun) return { kind: 'memory', state: await storedState(store, clock, signal) };
  const registry = await openRegistry({
    store,
    clock,
    log,
    configHash: loaded.hash,
    owner: randomUUID(),
    host: hostname(),
    writerVersion: version,
    allowReset,
    upgrade: upgradeV1,
    check: readState,
    signal,
    ...(settings.clusterId !== undefined && { clusterId: settings.clusterId }),
  });
  const state = readState(registry.loaded);
  const { save_interval_ms, heartbeat_interval_ms, max_unsaved_events } = loaded.config.registry;
  const saver = new Saver({
    registry,
    snapshot: () => state,
    clock,
    saveIntervalMs: save_interval_ms,
    heartbeatMs: heartbeat_interval_ms,
    maxUnsavedEvents: max_unsaved_events,
    onSave: (result, seconds) => {
      metrics.registrySaves.inc({ result });
      metrics.registrySaveSeconds.observe({}, seconds);
    },
  });
  metrics.registryEpoch.set({}, registry.epoch);
  return { kind: 'registry', registry, saver, state };
}

async function work(
  { loaded: { config }, log, once, dryRun, settings }: RunOptions,
  members: readonly Member[],
  tracking: Tracking,
  stop: AbortSignal,
  metrics: FlickerMetrics,
  setNotReady: (reason: string) => void,
): Promise<number> {
  const abort = new AbortController();
  // Every source listens to it.
  setMaxListeners(0, abort.signal, stop);
  const signals: WorkerSignals = { drain: AbortSignal.any([stop, abort.signal]), abort: abort.signal };
  setMaxListeners(0, signals.drain);
  const commits = tracking.kind === 'registry' ? tracking.saver : untracked;
  const progress = reportProgress(
    { log, metrics, stats: () => (tracking.kind === 'registry' ? tracking.saver.stats : undefined) },
    clock,
  );
  let end: LeaseEnd | undefined;
  if (tracking.kind === 'registry') {
    void tracking.registry.ended.then((reason) => {
      end = reason;
      setNotReady(describeLeaseEnd(reason));
      if (reason.kind === 'fenced') metrics.fenced.set({}, 1);
      abort.abort(new Stopping('the end of the lease'));
    });
    tracking.saver.run().catch((error: unknown) => abort.abort(error));
  }

  const running = Promise.all(members.map((member) => member.run(commits, tracking.state, signals)));
  // Sources that stopped for good leave the process up, not ready: a restart would not help them.
  await Promise.race([once ? running : aborted(stop), aborted(stop), aborted(abort.signal)]);
  const stopBy = clock.monotonic() + config.shutdown_timeout_ms;
  if (stop.aborted) log.info(flickerEvents.draining, 'stopping: sends what was read, saves and exits');
  const stopped = await within(running, Math.max(0, config.shutdown_timeout_ms - FINAL_SAVE_MS), () =>
    abort.abort(new Stopping('the end of the shutdown time-out')),
  );
  // What is under way there counts as not delivered.
  if (!stopped) log.warn(flickerEvents.failed, 'a source or its destination hangs and cannot be stopped');

  let code: number = members.some((member) => once && member.status.failed) ? flickerExit.failed : flickerExit.ok;
  if (end === undefined && tracking.kind === 'registry') {
    const saved = await tracking.saver.flush(AbortSignal.timeout(Math.max(1, Math.ceil(stopBy - clock.monotonic()))));
    if (saved.kind === 'failed') code = flickerExit.failed;
  }
  await progress.stop();
  if (end?.kind === 'fenced') {
    // Idle until somebody stops it: an exit would be answered with a restart that fences the new owner in turn.
    if (!once) await aborted(stop);
    code = flickerExit.fenced;
  } else if (end) {
    code = flickerExit.failed;
  }
  if (once && metrics.eventsDeadLettered.total() > 0 && code === flickerExit.ok) code = flickerExit.failed;
  log.info(flickerEvents.stopped, 'flicker stopped', { exitCode: code, dryRun, track: settings.track });
  return code;
}

function showSaver(metrics: FlickerMetrics, stats: SaverStats): void {
  metrics.registryUnsaved.set({}, stats.unsavedEvents);
  if (stats.lastSavedAt !== undefined) metrics.registryLastSave.set({}, stats.lastSavedAt / 1000);
  metrics.registryConflicts.inc({}, stats.conflicts - metrics.registryConflicts.total());
}

/** Live: every source has moved by the time that it said it would. */
function liveness(members: readonly Member[]): { ok: boolean; detail: string } {
  const stuck = members.filter((member) => !member.status.stopped && clock.monotonic() > member.status.movesBy);
  return {
    ok: stuck.length === 0,
    detail: stuck.map((member) => `source ${member.name} does not move`).join('; ') || 'live',
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Waits for a promise. After `ms` calls `late`, and soon after that waits no more. Tells whether the promise was kept. */
async function within(promise: Promise<unknown>, ms: number, late: () => void): Promise<boolean> {
  const kept = new AbortController();
  const bound = async () => {
    await clock.sleep(ms, kept.signal);
    late();
    await clock.sleep(ABORT_MS, kept.signal);
    return false;
  };
  try {
    return await Promise.race([promise.then(() => true), bound()]);
  } finally {
    kept.abort();
  }
}

function orStartError<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error));
  }
}
