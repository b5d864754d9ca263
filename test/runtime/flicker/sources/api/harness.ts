import {
  flickerConfig,
  type AnyApiConfig,
  type ApiSourceConfig,
  type FlickerConfigInput,
} from '../../../../../contract/flicker';
import type { LogFields } from '../../../../../runtime/core/log';
import { BatchBuilder } from '../../../../../runtime/flicker/batch';
import { createFlickerMetrics } from '../../../../../runtime/flicker/metrics';
import type { Source } from '../../../../../runtime/flicker/source';
import { createApiSource } from '../../../../../runtime/flicker/sources/api';
import type { HttpLimits } from '../../../../../runtime/flicker/sources/api/http';
import { applyChange, flickerState, type FlickerState } from '../../../../../runtime/flicker/state';

type ApiSourceInput = Extract<NonNullable<FlickerConfigInput['api_sources']>[number], { preset?: undefined }>;

/** A parsed source config; the fields are those of `dev/vendors/pages.ts`. */
export function apiConfig(input: Partial<ApiSourceInput> & { endpoint: string }): AnyApiConfig {
  const source = { name: 'api', results_field: 'items', timestamp_field: 'time', ...input };
  const [config] = flickerConfig('final').parse({ api_sources: [source], destination: { type: 'stdout' } }).api_sources;
  if (!config || config.preset !== undefined) throw new Error('no source');
  return config;
}

export interface Shipped {
  readonly path: string;
  readonly line: string;
  readonly id?: string;
  readonly time?: string;
}

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** Runs a source as the worker does, and can lose what was not committed. */
export class Harness {
  readonly shipped: Shipped[] = [];
  readonly log: LogLine[] = [];
  readonly served = createFlickerMetrics();
  /** What a restart finds. */
  committed: FlickerState;
  time: number;
  private state: FlickerState;
  private source: Source | undefined;
  private builder: BatchBuilder;

  constructor(
    private config: ApiSourceConfig,
    private readonly batch: { events: number; bytes: number; includeId?: boolean; limits?: HttpLimits } = {
      events: 1000,
      bytes: 1024 ** 2,
    },
    now = Date.now(),
    legacy?: unknown,
  ) {
    this.time = now;
    this.builder = new BatchBuilder(batch.events, batch.bytes);
    this.state = flickerState.parse({ legacy });
    this.committed = structuredClone(this.state);
  }

  get position(): Record<string, unknown> {
    return this.committed.sources[this.config.name]?.position ?? {};
  }

  async start(): Promise<void> {
    const line =
      (level: string) =>
      (event: string, message: string, fields: LogFields = {}) =>
        void this.log.push({ level, event, message, fields });
    this.source = createApiSource(this.config, {
      clock: { now: () => this.time, monotonic: () => this.time, sleep: () => Promise.resolve() },
      log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
      metrics: this.served.metrics,
      nodeId: 'node',
      includeId: this.batch.includeId ?? true,
      ...(this.batch.limits && { limits: this.batch.limits }),
    });
    const change = await this.source.start(this.state, new AbortController().signal);
    this.state.sources[this.config.name] ??= {
      kind: 'api',
      startedAt: '2026-01-01T00:00:00Z',
      batchNo: 1,
      position: {},
    };
    applyChange(this.state, this.config.name, change);
    this.committed = structuredClone(this.state);
  }

  /** One call of `fill`, and a batch sent when the builder has something. `settle: false`: sent and not yet saved. */
  async fill(settle = true, signal = new AbortController().signal): Promise<'more' | 'idle'> {
    if (!this.source) await this.start();
    const { source } = this;
    if (!source) throw new Error('not started');
    try {
      return await source.fill(this.builder, signal);
    } finally {
      this.send();
      if (settle) this.committed = structuredClone(this.state);
    }
  }

  /** Fills until the source is idle. */
  async poll(): Promise<void> {
    while ((await this.fill()) === 'more');
  }

  /** Starts anew at the committed position; what was not committed is forgotten. */
  async restart(config = this.config): Promise<void> {
    await this.source?.close();
    this.config = config;
    this.builder = new BatchBuilder(this.batch.events, this.batch.bytes);
    this.state = flickerState.parse(JSON.parse(JSON.stringify(this.committed)));
    await this.start();
  }

  async close(): Promise<void> {
    await this.source?.close();
  }

  async metric(name: string, labels = ''): Promise<number> {
    const line = (await this.served.text())
      .split('\n')
      .find((text) => text.startsWith(`${name}{source="api"${labels}`));
    return Number(line?.split(' ').at(-1) ?? 0);
  }

  get lines(): string[] {
    return this.shipped.map(({ line }) => line);
  }

  private send(): void {
    if (!this.builder.dirty) return;
    const { records, after } = this.builder.take();
    this.shipped.push(...(JSON.parse(records.body('array').toString()) as Shipped[]));
    applyChange(this.state, this.config.name, after);
  }
}
