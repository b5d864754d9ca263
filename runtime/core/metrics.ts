import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { MetricSpec } from '../../contract/program';

type Labels<Spec extends MetricSpec> = Readonly<Record<Spec['labels'][number], string>>;

interface CounterHandle<Spec extends MetricSpec> {
  inc(labels: Labels<Spec>, by?: number): void;
  /** The value of these labels. */
  of(labels: Labels<Spec>): number;
  /** Sum over all labels. */
  total(): number;
}
interface GaugeHandle<Spec extends MetricSpec> {
  set(labels: Labels<Spec>, value: number): void;
  /** The value of these labels; undefined before it was set. */
  of(labels: Labels<Spec>): number | undefined;
  /** Sum over all labels. */
  total(): number;
}
interface HistogramHandle<Spec extends MetricSpec> {
  observe(labels: Labels<Spec>, value: number): void;
}

type Handle<Spec extends MetricSpec> = Spec['type'] extends 'counter'
  ? CounterHandle<Spec>
  : Spec['type'] extends 'gauge'
    ? GaugeHandle<Spec>
    : HistogramHandle<Spec>;

/** The metrics of a contract, ready to be counted. */
export type Metrics<Specs extends Readonly<Record<string, MetricSpec>>> = {
  readonly [Key in keyof Specs]: Handle<Specs[Key]>;
};

export interface MetricsServer<Specs extends Readonly<Record<string, MetricSpec>>> {
  readonly metrics: Metrics<Specs>;
  readonly contentType: string;
  /** All metrics in the Prometheus text format. */
  text(): Promise<string>;
}

/** Makes every metric that a contract names, and those of the process. */
export function createMetrics<Specs extends Readonly<Record<string, MetricSpec>>>(specs: Specs): MetricsServer<Specs> {
  const registry = new Registry();
  const made = Object.fromEntries(Object.entries(specs).map(([key, spec]) => [key, handle(spec, registry)]));
  let defaults = false;
  return {
    metrics: made as Metrics<Specs>,
    contentType: registry.contentType,
    text: () => {
      // The event loop monitor of the process metrics costs memory: not before somebody asks.
      if (!defaults) collectDefaultMetrics({ register: registry });
      defaults = true;
      return registry.metrics();
    },
  };
}

function handle(spec: MetricSpec, registry: Registry): unknown {
  const values = new Map<string, number>();
  const keyOf = (labels: Record<string, string>) => spec.labels.map((label) => labels[label]).join('\0');
  const total = () => [...values.values()].reduce((sum, value) => sum + value, 0);
  const options = { name: spec.name, help: spec.help, labelNames: [...spec.labels], registers: [registry] };
  switch (spec.type) {
    case 'counter': {
      const counter = new Counter(options);
      return {
        inc: (labels: Record<string, string>, by = 1) => {
          const key = keyOf(labels);
          values.set(key, (values.get(key) ?? 0) + by);
          counter.inc(labels, by);
        },
        of: (labels: Record<string, string>) => values.get(keyOf(labels)) ?? 0,
        total,
      };
    }
    case 'gauge': {
      const gauge = new Gauge(options);
      return {
        set: (labels: Record<string, string>, value: number) => {
          values.set(keyOf(labels), value);
          gauge.set(labels, value);
        },
        of: (labels: Record<string, string>) => values.get(keyOf(labels)),
        total,
      };
    }
    case 'histogram': {
      const histogram = new Histogram(options);
      return { observe: (labels: Record<string, string>, value: number) => histogram.observe(labels, value) };
    }
  }
}
