import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logFileSchema } from '../../../../../contract/flicker';
import type { Logger, LogFields } from '../../../../../runtime/core/log';
import { BatchBuilder } from '../../../../../runtime/flicker/batch';
import { createFlickerMetrics } from '../../../../../runtime/flicker/metrics';
import type { Source } from '../../../../../runtime/flicker/source';
import { createFileSource } from '../../../../../runtime/flicker/sources/files';
import { applyChange, flickerState, type FlickerState, type StateChange } from '../../../../../runtime/flicker/state';

export interface Shipped {
  readonly path: string;
  readonly line: string;
  readonly id: string;
}

export interface LogLine {
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A file that no other is taken for. */
export const big = (tag: string) =>
  Array.from({ length: 30 }, (_, i) => `${tag} line ${i} ${'.'.repeat(40)}\n`).join('');

export const linesOf = (text: string) => text.split('\n').slice(0, -1);

/** A folder of log files and the source that follows them, with what a worker does. */
export class Harness {
  readonly folder = mkdtempSync(join(tmpdir(), 'files-'));
  readonly shipped: Shipped[] = [];
  readonly logged: LogLine[] = [];
  state: FlickerState = flickerState.parse({});
  /** What a restart after a kill finds. */
  saved: FlickerState = this.state;
  metrics = createFlickerMetrics().metrics;
  time = 1_700_000_000_000;
  batchEvents = 1000;
  batchBytes = 1024 ** 2;
  nodeId = 'node/a';
  includeId = true;
  once = false;
  private source: Source | undefined;

  constructor(readonly config: { readonly path?: string } & Record<string, unknown> = {}) {}

  path(name: string): string {
    return join(this.folder, name);
  }

  get running(): Source {
    if (!this.source) throw new Error('the source was not started');
    return this.source;
  }

  async start(state: FlickerState = this.state): Promise<void> {
    await this.stop();
    this.state = structuredClone(state);
    const log = (event: string, message: string, fields: LogFields = {}) =>
      void this.logged.push({ event, message, fields });
    const logger: Logger = { debug: log, info: log, warn: log, error: log };
    const config = logFileSchema('final').parse({
      ...this.config,
      name: 'logs',
      path: this.path(this.config.path ?? 'app.log'),
    });
    this.source = createFileSource(config, {
      clock: { now: () => this.time, monotonic: () => this.time, sleep: (ms) => this.pass(ms) },
      log: logger,
      metrics: this.metrics,
      nodeId: this.nodeId,
      includeId: this.includeId,
      once: this.once,
    });
    const change = await this.source.start(this.state, new AbortController().signal);
    this.state.sources.logs ??= {
      kind: 'files',
      startedAt: new Date(this.time).toISOString(),
      batchNo: 1,
      position: {},
    };
    this.apply(change);
    this.save();
  }

  /** Reads all there is, or so many batches, a second later. @returns what was shipped, in order */
  async poll(advance = 1000, batches = Number.POSITIVE_INFINITY): Promise<Shipped[]> {
    this.time += advance;
    const before = this.shipped.length;
    const builder = new BatchBuilder(this.batchEvents, this.batchBytes);
    const { signal } = new AbortController();
    for (let left = batches; left > 0; left--) {
      const read = await this.running.fill(builder, signal);
      if (builder.dirty) this.ship(builder);
      if (read === 'idle') break;
    }
    return this.shipped.slice(before);
  }

  private pass(ms: number): Promise<void> {
    this.time += ms;
    return Promise.resolve();
  }

  save(): void {
    this.saved = structuredClone(this.state);
  }

  async lines(advance?: number): Promise<string[]> {
    return (await this.poll(advance)).map(({ line }) => line);
  }

  missed(): string[] {
    return this.logged
      .filter(({ event }) => event === 'source.bytes_missed')
      .map(({ fields }) => `${String(fields.from)}-${String(fields.to)}`);
  }

  async stop(): Promise<void> {
    await this.source?.close();
    this.source = undefined;
  }

  async end(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }

  private ship(builder: BatchBuilder): void {
    const { records, after, sealed } = builder.take();
    const shipped: unknown = JSON.parse(records.body('array').toString());
    this.shipped.push(...(shipped as Shipped[]));
    this.apply(after);
    if (sealed) this.save();
  }

  private apply(change: StateChange): void {
    applyChange(this.state, 'logs', change);
    // What is saved is JSON.
    this.state = flickerState.parse(JSON.parse(JSON.stringify(this.state)));
  }
}
