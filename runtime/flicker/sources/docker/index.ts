import { dockerSourceName, flickerEvents, type DockerSourceConfig } from '../../../../contract/flicker';
import type { BatchBuilder } from '../../batch';
import { createGrouping, createTransform, observeLines } from '../../filters';
import { FORGET_NODE_MS, nodeSeenIn } from '../../node-state';
import { SourceError, type Source, type SourceContext } from '../../source';
import { plainKey, type ContainerEntry } from '../../state';
import { patience } from '../joiner';
import { createEngine, socketPath, type Container, type Engine } from './engine';
import { ContainerLog } from './log';
import { createSelection } from './select';
import { normalTime, timeOf } from './time';

/** The entry of a container that is gone is kept for this long: a daemon may come back without its containers. */
const FORGET_MS = 3_600_000;
/** Containers named when several cannot be read. */
const MAX_PROBLEMS = 5;

type Entries = Map<string, ContainerEntry>;

/**
 * Follows the logs of containers through the API of the Docker daemon: each poll asks for what each of them wrote since
 * the last one.
 * @throws SettingsError when a pattern of a filter, mask or multiline is not supported
 */
export function createDockerSource(
  config: DockerSourceConfig,
  context: SourceContext,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Source {
  const name = dockerSourceName(config);
  const { clock, log, metrics, nodeId } = context;
  const labels = { source: name };
  const observer = observeLines(metrics, name);
  const shaping = { transform: createTransform(config, observer), grouping: createGrouping(config.multiline) };
  const selects = createSelection(config);
  let engine: Engine | undefined;
  /** By container id. */
  const entries: Entries = new Map();
  /** Ended containers whose log was read to its end: what told that they have not run since. */
  const finished = new Map<string, string>();
  const terminals = new Map<string, boolean>();
  const missingSince = new Map<string, number>();
  const problems = new Set<string>();
  const dropped: string[] = [];
  let queue: Container[] = [];
  let open: ContainerLog | undefined;
  /** Whether events that wait for more are yet to be waited for, and whether there are any. */
  let patient = context.once === true;
  let waits = false;

  const daemon = () => (engine ??= createEngine(socketPath(config.socket_path, env)));
  const keyOf = (id: string) => `${nodeId}/${id}`;
  const stamp = () => new Date(clock.now()).toISOString();
  const newEntry = (
    { names, id }: Container,
    from?: { readonly ts: string; readonly shipped: number },
  ): ContainerEntry => {
    const point = from && { ts: from.ts, sameTsCount: from.shipped };
    return {
      source: name,
      name: names[0] ?? id,
      ts: from?.ts ?? timeOf(0),
      streams: point ? { stdout: point, stderr: point } : {},
      seenAt: stamp(),
    };
  };

  async function poll(signal: AbortSignal): Promise<Record<string, null>> {
    problems.clear();
    const all = await daemon().list(signal);
    queue = all.filter(selects);
    for (const container of queue) {
      if (entries.has(container.id)) continue;
      entries.set(container.id, newEntry(container));
      log.debug(flickerEvents.containerFound, 'container found', { ...labels, container: container.names[0] ?? '' });
    }
    return forget(new Set(all.map(({ id }) => id)));
  }

  /** Drops entries of containers that are gone. */
  function forget(present: ReadonlySet<string>): Record<string, null> {
    const now = clock.monotonic();
    const keys = dropped.splice(0);
    for (const id of entries.keys()) {
      if (present.has(id)) {
        missingSince.delete(id);
        continue;
      }
      const since = missingSince.get(id) ?? now;
      missingSince.set(id, since);
      if (now - since < FORGET_MS) continue;
      for (const known of [entries, finished, terminals, missingSince]) known.delete(id);
      keys.push(keyOf(id));
    }
    return Object.fromEntries(keys.map((key) => [key, null]));
  }

  /** One container that cannot be read does not stop the others. */
  async function attempt<T>(container: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (problems.size < MAX_PROBLEMS) problems.add(`container ${container}: ${error.message}`);
      return undefined;
    }
  }

  /** Asks for what a container wrote since the last time; undefined when that is nothing for sure. */
  async function openLog(container: Container, signal: AbortSignal): Promise<ContainerLog | undefined> {
    const { id, running } = container;
    const entry = entries.get(id);
    const details = running && terminals.has(id) ? undefined : await daemon().inspect(id, signal);
    if (details) terminals.set(id, details.tty);
    const tty = terminals.get(id);
    // Nothing is written to the log of a container that has ended, until it starts again.
    const life = running ? undefined : details?.life;
    if (!entry || tty === undefined || (life !== undefined && finished.get(id) === life)) return undefined;
    const opened = await ContainerLog.open(daemon(), { container, entry, tty, shaping, context }, signal);
    opened?.whenRead(() => {
      if (life === undefined) finished.delete(id);
      else finished.set(id, life);
    });
    return opened;
  }

  function account(current: ContainerLog, builder: BatchBuilder): void {
    const { read, filtered, changed, entry } = current.take();
    if (read > 0) metrics.eventsRead.inc(labels, read);
    if (filtered > 0) metrics.eventsFiltered.inc(labels, filtered);
    if (!changed) return;
    entries.set(current.container.id, entry);
    builder.advance({ docker: { [keyOf(current.container.id)]: entry } });
  }

  return {
    name,
    kind: 'docker',

    async start(state, signal) {
      const nodeSeen = nodeSeenIn(state);
      for (const [key, entry] of Object.entries(state.docker ?? {})) {
        if (entry.source !== name) continue;
        const plain = plainKey(key, name);
        if (plain.startsWith(`${nodeId}/`)) entries.set(plain.slice(nodeId.length + 1), entry);
        else if (clock.now() - nodeSeen(key, entry) > FORGET_NODE_MS) dropped.push(plain);
      }
      if (state.sources[name] !== undefined) return {};
      // Where to start must be decided at the first start.
      const legacy = state.legacy?.containers ?? {};
      for (const container of (await daemon().list(signal)).filter(selects)) {
        const { id, names } = container;
        const known = [...names, id, id.slice(0, 12), config.container ?? '', config.name ?? ''];
        const last = normalTime(known.flatMap((one) => legacy[one]?.last_timestamp ?? [])[0] ?? '');
        const now = config.start_at === 'end' ? { ts: timeOf(clock.now()), shipped: 0 } : undefined;
        entries.set(id, newEntry(container, last === undefined ? now : { ts: last, shipped: 1 }));
      }
      return entries.size === 0
        ? {}
        : { docker: Object.fromEntries([...entries].map(([id, entry]) => [keyOf(id), entry])) };
    },

    async fill(builder, signal) {
      if (!open && queue.length === 0) {
        const gone = await poll(signal);
        if (Object.keys(gone).length > 0) builder.advance({ docker: gone });
      }
      for (;;) {
        if (signal.aborted || builder.full) return 'more';
        const next = open ? undefined : queue.shift();
        if (next) open = await attempt(next.names[0] ?? next.id, () => openLog(next, signal));
        if (!open) {
          if (queue.length > 0) continue;
          break;
        }
        const current = open;
        const { container } = current;
        let turn: 'refused' | 'end' | undefined;
        try {
          turn = await attempt(container.names[0] ?? container.id, () => current.read(builder));
        } finally {
          // Also when it is told to stop: what was added is sent.
          account(current, builder);
        }
        if (turn === 'refused') return 'more';
        waits ||= current.waits;
        open = undefined;
      }
      if (patient && waits) {
        patient = false;
        await clock.sleep(patience(shaping.grouping), signal);
        return 'more';
      }
      if (problems.size > 0) throw new SourceError([...problems].join('; '));
      return 'idle';
    },

    lag: () => undefined,

    close: async () => {
      await open?.close();
      await engine?.close();
    },
  };
}
