import {
  coreEvents,
  effectiveHa,
  flickerEvents,
  flickerExit,
  flickerPort,
  FINAL_SAVE_MS,
  SettingsError,
  type FlickerProcessSettings,
} from '../../contract';
import { readAwsSettings } from '../core/aws';
import { awsClients } from '../core/aws-clients';
import { systemClock as clock } from '../core/clock';
import { stopSignal, Stopping } from '../core/lifecycle';
import type { Logger } from '../core/log';
import { serveHealth, type HealthServer } from '../core/server';
import { untracked } from './commits';
import type { LoadedConfig } from './config';
import { assemble, dismiss, type Member } from './crew';
import { haPosts, singlePost, type PostsContext } from './leadership';
import { createFlickerMetrics, type FlickerMetrics } from './metrics';
import { findNode } from './node-id';
import { sumOfStats, type Post, type PostEnd } from './post';
import { reportProgress } from './progress';
import { readState, type FlickerState } from './state';
import { statusPages, type StatusPages } from './status/pages';
import { checkHa, haPlace, registryStore, storedState } from './stores';
import { aborted, ABORT_MS, within } from './waiting';

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

/** How long the registry may be out of sight before an instance is not ready to take it. */
const UNREADABLE_MS = 30_000;

/** Runs flicker until it is asked to stop; the result is the exit code. @throws StartError */
export async function runFlicker(options: RunOptions): Promise<number> {
  const { settings, loaded, log, once, dryRun } = options;
  const { config } = loaded;
  const awsSettings = orStartError(() => readAwsSettings(options.env));
  const aws = awsClients(awsSettings, log, settings.registryRegion);
  const served = createFlickerMetrics();
  const { metrics } = served;
  const stop = stopSignal();
  const registry = settings.track ? settings.registryFile : undefined;
  const ha = dryRun ? false : effectiveHa(config, settings.ha);

  let members: readonly Member[] = [];
  let posts: readonly Post[] = [];
  let starting = true;
  let server: HealthServer | undefined;
  let status: StatusPages | undefined;
  let nodeId = '';
  const startedAt = clock.now();
  const live = () => liveness(members, posts);
  const ready = () => (starting ? { ok: false, detail: 'starting' } : readiness(members, posts));
  try {
    const at = ha && haPlace(registry, awsSettings.endpoint);
    if (!once && !dryRun) {
      status = statusPages(() => {
        const { version } = options;
        const maxUnsaved = config.registry.max_unsaved_events;
        return { version, node: nodeId, startedAt, live: live(), ready: ready(), maxUnsaved, members, metrics, posts };
      }, clock);
      server = await serveHealth(flickerPort, settings, {
        live,
        ready,
        metrics: async () => {
          showPosts(metrics, posts);
          return { contentType: served.contentType, text: await served.text() };
        },
        pages: status.pages,
      });
      log.info(coreEvents.listening, 'listening', { port: server.port });
    }
    const node = await findNode(settings.nodeId, options.env);
    nodeId = node.id;
    const { clusterId } = settings;
    const crew = { config, registry, clusterId, nodeId, aws, clock, log, metrics, once, dryRun };
    members = await assemble({ ...crew, oneOfSeveral: ha !== false });
    const started = () => {
      log.info(flickerEvents.started, 'flicker started', {
        version: options.version,
        sources: members.length,
        node: node.id,
      });
      starting = false;
    };
    const running = { ...options, members, metrics, stop: stop.signal, started };
    if (registry === undefined) return await runUntracked(running, readState({}));
    const store = await registryStore(registry, clock, aws.registryS3, awsSettings.endpoint, log);
    if (dryRun) return await runUntracked(running, await storedState(store, clock, stop.signal));
    if (at) await checkHa(at, clock, aws.registryS3, stop.signal);
    const { version: writerVersion, allowReset } = options;
    const configHash = loaded.hash;
    const own: PostsContext = { ...crew, members, configHash, writerVersion, allowReset, node, store };
    posts = ha && at ? haPosts(own, ha, at, aws) : [singlePost(own)];
    return await runPosts(running, posts);
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) return flickerExit.ok;
    if (error instanceof Error && !(error instanceof SettingsError))
      throw new StartError(error.message, { cause: error });
    throw error;
  } finally {
    await within(dismiss(members, log), ABORT_MS, () => {});
    status?.stop();
    await server?.close();
    stop.dispose();
  }
}

interface Running extends RunOptions {
  readonly members: readonly Member[];
  readonly metrics: FlickerMetrics;
  readonly stop: AbortSignal;
  /** Called when the instance is in its place. */
  readonly started: () => void;
}

/** Runs all sources with positions that live as long as the process. */
async function runUntracked(running: Running, state: FlickerState): Promise<number> {
  const { members, log, stop, started, once } = running;
  const { shutdown_timeout_ms } = running.loaded.config;
  const abort = new AbortController();
  started();
  const progress = reportProgress({ log, metrics: running.metrics, stats: () => undefined }, clock);
  const work = Promise.all(members.map((member) => member.run(untracked, state, { drain: stop, abort: abort.signal })));
  await Promise.race([once ? work : aborted(stop), aborted(stop)]);
  if (stop.aborted) log.info(flickerEvents.draining, 'stopping: sends what was read and exits');
  const stopped = await within(work, Math.max(0, shutdown_timeout_ms - FINAL_SAVE_MS), () =>
    abort.abort(new Stopping('the end of the shutdown time-out')),
  );
  // What is under way there counts as not delivered.
  if (!stopped) log.warn(flickerEvents.failed, 'a source or its destination hangs and cannot be stopped');
  await progress.stop();
  return exit(running, flickerExit.ok);
}

/** Runs the sources of each registry while this instance holds it. When one of them is lost, all stop. */
async function runPosts(running: Running, posts: readonly Post[]): Promise<number> {
  const { log, metrics, stop, started, once } = running;
  const over = new AbortController();
  const signal = AbortSignal.any([stop, over.signal]);
  const runs = posts.map(async (post): Promise<PostEnd> => {
    try {
      const ended = await post.run(signal);
      if (ended.end?.kind === 'lost') over.abort(new Stopping('the loss of the registry'));
      return ended;
    } catch (error) {
      if (signal.aborted && error === signal.reason) return { end: undefined, unsaved: false };
      over.abort(new Stopping('the failure of a registry'));
      throw error;
    }
  });
  const all = Promise.all(runs);
  try {
    await Promise.race([Promise.all(posts.map(({ placed }) => placed)), all, aborted(stop)]);
  } catch (error) {
    // The others save, and give back what they hold.
    await Promise.allSettled(runs);
    throw error;
  }
  if (!stop.aborted) started();
  const progress = reportProgress({ log, metrics, stats: () => sumOfStats(posts.map(({ stats }) => stats)) }, clock);
  void aborted(stop).then(() => log.info(flickerEvents.draining, 'stopping: sends what was read, saves and exits'));
  let ends: PostEnd[];
  try {
    ends = await all;
  } finally {
    await Promise.allSettled(runs);
    await progress.stop();
  }
  const kinds = ends.map(({ end }) => end?.kind);
  if (kinds.includes('lost')) return exit(running, flickerExit.failed);
  if (kinds.some((kind) => kind !== undefined)) {
    // Idle until somebody stops it: an exit would be answered with a restart that fences the new owner in turn.
    if (!once) await aborted(stop);
    return exit(running, flickerExit.fenced);
  }
  return exit(running, ends.some(({ unsaved }) => unsaved) ? flickerExit.failed : flickerExit.ok);
}

function exit({ members, metrics, log, once, dryRun, settings }: Running, so: number): number {
  const undelivered = members.some(({ status }) => status.failed) || metrics.eventsDeadLettered.total() > 0;
  const code = so === flickerExit.ok && once && undelivered ? flickerExit.failed : so;
  log.info(flickerEvents.stopped, 'flicker stopped', { exitCode: code, dryRun, track: settings.track });
  return code;
}

function showPosts(metrics: FlickerMetrics, posts: readonly Post[]): void {
  const stats = sumOfStats(posts.map((post) => post.stats));
  metrics.registryUnsaved.set({}, stats.unsavedEvents);
  if (stats.lastSavedAt !== undefined) metrics.registryLastSave.set({}, stats.lastSavedAt / 1000);
  metrics.registryConflicts.inc({}, stats.conflicts - metrics.registryConflicts.total());
  metrics.leader.set({}, posts[0]?.role === 'holder' ? 1 : 0);
  metrics.registryRenewalAge.set({}, Math.max(0, ...posts.map((post) => post.renewedAgoMs ?? 0)) / 1000);
}

/** Live: every source, and the watch of a registry, has moved by the time that it said it would. */
function liveness(members: readonly Member[], posts: readonly Post[]): { ok: boolean; detail: string } {
  const now = clock.monotonic();
  const sources = members.filter(({ status }) => !status.stopped && now > status.movesBy);
  const stuck = [
    ...sources.map(({ name }) => `source ${name} does not move`),
    ...posts.flatMap((post) => (post.stuck ? [post.stuck] : [])),
  ];
  return { ok: stuck.length === 0, detail: stuck.join('; ') || 'live' };
}

/** Ready: it works, or could take over. Never "holds the lease". */
function readiness(members: readonly Member[], posts: readonly Post[]): { ok: boolean; detail: string } {
  const stopped = members.find(({ status }) => status.stopped);
  const problem =
    posts.map((post) => post.problem(UNREADABLE_MS)).find((text) => text !== '') ??
    (stopped ? `source ${stopped.name} stopped: ${stopped.status.stopped}` : '');
  if (problem) return { ok: false, detail: problem };
  const waiting = posts.find(({ role }) => role === 'standby');
  if (!waiting) return { ok: true, detail: 'ready' };
  const { holder } = waiting;
  return {
    ok: true,
    detail: holder ? `standby: ${holder.owner} on ${holder.host} holds the lease, epoch ${holder.epoch}` : 'standby',
  };
}

function orStartError<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error));
  }
}
