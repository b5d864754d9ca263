import type { LogFileConfig } from '../../../../contract/flicker';
import type { BatchBuilder } from '../../batch';
import { createGrouping, createTransform, observeLines } from '../../filters';
import { SourceError, type Source, type SourceContext } from '../../source';
import { patience } from '../joiner';
import { Catalog } from './catalog';
import { Reader } from './reader';
import type { Tail } from './tail';

/**
 * Follows the files that a path or glob names, through rotations, by device and inode.
 * @throws SettingsError when a pattern of a filter or mask is not supported
 */
export function createFileSource(config: LogFileConfig, context: SourceContext): Source {
  const name = config.name ?? config.path;
  const labels = { source: name };
  const { clock, metrics } = context;
  const catalog = new Catalog(name, config, context);
  const observer = observeLines(metrics, name);
  const transform = createTransform(config, observer);
  const grouping = createGrouping(config.multiline);
  const cri = config.format === 'cri';
  const format = cri || grouping ? { cri, grouping, transform, unparsed: observer.unparsed } : undefined;
  const reader = new Reader(catalog.handles, transform, format, context);
  /** Files with something to read, each in its turn: a busy one does not starve the others. */
  let waiting: Tail[] = [];
  let polledAt = Number.NEGATIVE_INFINITY;
  /** Whether what waits for more at the end of files is yet to be waited for. */
  let patient = context.once === true && format !== undefined;

  async function poll(builder: BatchBuilder): Promise<void> {
    polledAt = clock.monotonic();
    const changes = await catalog.poll();
    if (Object.keys(changes).length > 0) builder.advance({ files: changes });
    // A chunk in hand may be of a file that was cut.
    reader.reset();
    const ready = new Set([...catalog.files].filter((tail) => tail.final || tail.size > tail.offset));
    await nameFiles(ready, builder);
    waiting = [...new Set([...waiting, ...ready])].filter((tail) => ready.has(tail) && tail.idHash !== '');
  }

  /** Ids begin with what an entry says: it is saved before the first of them is sent, so that a restart gives the same. */
  async function nameFiles(files: Iterable<Tail>, builder: BatchBuilder): Promise<void> {
    for (const tail of files) {
      await catalog.attempt(tail.location, async () => {
        if (!(await reader.name(tail))) return;
        builder.advance({ files: catalog.entry(tail) });
        builder.seal();
      });
    }
  }

  /** Reads one chunk of a file. @returns whether the builder has room for more */
  async function turn(tail: Tail, builder: BatchBuilder): Promise<boolean> {
    waiting.shift();
    const result = await reader.read(tail, builder);
    if (result.read > 0) metrics.eventsRead.inc(labels, result.read);
    if (result.filtered > 0) metrics.eventsFiltered.inc(labels, result.filtered);
    if (result.advanced) builder.advance({ files: catalog.entry(tail) });
    switch (result.state) {
      case 'refused':
        waiting.unshift(tail);
        return false;
      case 'more':
        waiting.push(tail);
        break;
      case 'changed':
        polledAt = Number.NEGATIVE_INFINITY;
        break;
      case 'drained':
        if (tail.final) builder.advance({ files: await catalog.release(tail) });
        break;
    }
    return true;
  }

  function bytesLeft(): number {
    let bytes = 0;
    for (const tail of catalog.files) bytes += Math.max(0, tail.size - tail.offset);
    return bytes;
  }

  return {
    name,
    kind: 'files',

    async start(state) {
      catalog.load(state);
      const first = state.sources[name] === undefined ? { legacy: state.legacy } : undefined;
      try {
        const files = await catalog.poll(first);
        return Object.keys(files).length > 0 ? { files } : {};
      } catch (error) {
        // Where to start must be decided at the first start; later the next poll tells what is wrong.
        if (first || !(error instanceof SourceError)) throw error;
        return {};
      }
    },

    async fill(builder, signal) {
      if (waiting.length === 0 || clock.monotonic() - polledAt >= config.polling_frequency_ms) await poll(builder);
      for (let tail = waiting[0]; tail; tail = waiting[0]) {
        if (signal.aborted || builder.full) return 'more';
        const file = tail;
        let room = true;
        await catalog.attempt(file.location, async () => {
          room = await turn(file, builder);
        });
        if (!room) return 'more';
      }
      if (polledAt === Number.NEGATIVE_INFINITY) return 'more';
      if (patient && bytesLeft() > 0) {
        patient = false;
        await clock.sleep(patience(grouping), signal);
        return 'more';
      }
      if (catalog.problem !== undefined) throw new SourceError(catalog.problem);
      return 'idle';
    },

    lag: bytesLeft,

    close: () => catalog.handles.closeAll(),
  };
}
