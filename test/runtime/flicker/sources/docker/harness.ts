import { startDocker, type Docker } from '../../../../../dev/vendors/docker';
import { flickerConfig, type FlickerConfigInput } from '../../../../../contract/flicker';
import { BatchBuilder } from '../../../../../runtime/flicker/batch';
import { createFlickerMetrics } from '../../../../../runtime/flicker/metrics';
import { SourceError, type Source } from '../../../../../runtime/flicker/source';
import { createDockerSource } from '../../../../../runtime/flicker/sources/docker';
import { applyChange, flickerState, type FlickerState } from '../../../../../runtime/flicker/state';

type DockerInput = NonNullable<FlickerConfigInput['docker_containers']>[number];

export interface Shipped {
  readonly path: string;
  readonly line: string;
  readonly id: string;
  readonly time?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly fields?: unknown;
}

/** The time of the host when a harness is made. */
export const START = 1_700_000_000_000;

/** A daemon and a source that reads its containers, with what a worker does. */
export class Harness {
  readonly shipped: Shipped[] = [];
  state: FlickerState = flickerState.parse({});
  /** Nanoseconds of the host's clock. It stands still by itself. */
  nanos = BigInt(START) * 1_000_000n;
  metrics = createFlickerMetrics().metrics;
  batchEvents = 1000;
  batchBytes = 1024 ** 2;
  includeId = true;
  once = false;
  private source: Source | undefined;

  private constructor(
    readonly docker: Docker,
    public config: DockerInput,
  ) {}

  static async create(config: DockerInput = { container: '*', start_at: 'beginning' }): Promise<Harness> {
    const clock: { now?: () => bigint } = {};
    const docker = await startDocker({ clock: () => clock.now?.() ?? 0n });
    const harness = new Harness(docker, config);
    clock.now = () => harness.nanos;
    return harness;
  }

  get ms(): number {
    return Number(this.nanos / 1_000_000n);
  }

  pass(ms: number): void {
    this.nanos += BigInt(ms) * 1_000_000n;
  }

  async start(state: FlickerState = this.state, env: Record<string, string> = {}): Promise<void> {
    await this.source?.close();
    this.state = structuredClone(state);
    const log = () => {};
    const socket = env.DOCKER_HOST === undefined ? { socket_path: this.docker.socket } : {};
    const [config] = flickerConfig('final').parse({
      docker_containers: [{ ...socket, ...this.config }],
      destination: { type: 'stdout' },
    }).docker_containers;
    if (!config) throw new Error('no source');
    const context = {
      clock: { now: () => this.ms, monotonic: () => this.ms, sleep: (ms: number) => Promise.resolve(this.pass(ms)) },
      log: { debug: log, info: log, warn: log, error: log },
      metrics: this.metrics,
      nodeId: 'node',
      includeId: this.includeId,
      once: this.once,
    };
    this.source = createDockerSource(config, context, env);
    const change = await this.source.start(this.state, new AbortController().signal);
    this.state.sources[this.source.name] ??= { kind: 'docker', startedAt: '', batchNo: 1, position: {} };
    this.apply(change);
  }

  /** Reads all there is, or so many batches. @returns what was shipped */
  async poll(batches = Number.POSITIVE_INFINITY): Promise<Shipped[]> {
    if (!this.source) await this.start();
    const before = this.shipped.length;
    const builder = new BatchBuilder(this.batchEvents, this.batchBytes);
    for (let left = batches; left > 0; left--) {
      let read: 'more' | 'idle' | undefined;
      try {
        read = await this.source?.fill(builder, new AbortController().signal);
      } finally {
        if (builder.dirty) this.ship(builder);
      }
      if (read === 'idle') break;
    }
    return this.shipped.slice(before);
  }

  async lines(): Promise<string[]> {
    return (await this.poll()).map(({ line }) => line);
  }

  /** Why a poll failed. */
  async problem(): Promise<string> {
    try {
      await this.poll();
    } catch (error) {
      if (error instanceof SourceError) return error.message;
      throw error;
    }
    return '';
  }

  async end(): Promise<void> {
    await this.source?.close();
    await this.docker.stop();
  }

  private ship(builder: BatchBuilder): void {
    const { records, after } = builder.take();
    this.shipped.push(...(JSON.parse(records.body('array').toString()) as Shipped[]));
    this.apply(after);
  }

  private apply(change: Parameters<typeof applyChange>[2]): void {
    applyChange(this.state, this.source?.name ?? '', change);
    // What is saved is JSON.
    this.state = flickerState.parse(JSON.parse(JSON.stringify(this.state)));
  }
}
