import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';
import { flickerMetrics, processMetrics } from '../../contract';

/** A type of the SDK as JSON has it: text instead of an enumeration, so that the SDK is needed at compile time alone. */
type Plain<T> = T extends string
  ? `${T}`
  : T extends readonly (infer Item)[]
    ? Plain<Item>[]
    : T extends object
      ? { [Key in keyof T]: Plain<T[Key]> }
      : T;

/** The SDK marks its queries with a method, which JSON has not. */
type Query = Plain<Omit<Dataquery, '_implementsDataqueryVariant'>>;
type PanelJson = Plain<Omit<Panel, 'targets'>> & { readonly targets: readonly Query[] };
type DashboardJson = Plain<Omit<Dashboard, 'panels'>> & { readonly panels: readonly PanelJson[] };

const datasource = { type: 'prometheus', uid: '${datasource}' };

interface Graph {
  readonly title: string;
  readonly unit?: string;
  /** PromQL and legend. */
  readonly lines: readonly (readonly [expr: string, legend: string])[];
}

/** A Grafana dashboard of one shipper. `job`: the label of its metrics; `uid`: at most 40 characters. */
export function shipperDashboard(options: {
  readonly job: string;
  readonly uid: string;
  readonly title: string;
}): object {
  const { job, uid, title } = options;
  const of = (metric: { readonly name: string }) => `${metric.name}{job="${job}"}`;
  const rate = (metric: { readonly name: string }, by: string) =>
    `sum by (${by}) (rate(${of(metric)}[$__rate_interval]))`;
  const highest = (metric: { readonly name: string }) => `max by (source) (${of(metric)})`;
  const m = flickerMetrics;
  const graphs: readonly Graph[] = [
    { title: 'Events delivered', unit: 'cps', lines: [[rate(m.eventsDelivered, 'source'), '{{source}}']] },
    {
      title: 'Events read, filtered, resent',
      unit: 'cps',
      lines: [
        [`sum(rate(${of(m.eventsRead)}[$__rate_interval]))`, 'read'],
        [`sum(rate(${of(m.eventsFiltered)}[$__rate_interval]))`, 'filtered'],
        [`sum(rate(${of(m.eventsResent)}[$__rate_interval]))`, 'resent'],
      ],
    },
    { title: 'Bytes waiting', unit: 'bytes', lines: [[highest(m.sourceLagBytes), '{{source}}']] },
    {
      title: 'Time since the last good poll',
      unit: 's',
      lines: [[`time() - max by (source) (${of(m.sourceLastSuccess)} > 0)`, '{{source}}']],
    },
    {
      title: 'Trouble',
      lines: [
        [`sum by (source) (increase(${of(m.eventsDeadLettered)}[$__rate_interval]))`, 'dead letters of {{source}}'],
        [highest(m.sourcePaused), '{{source}} is paused'],
        [`sum by (source) (increase(${of(m.bytesMissed)}[$__rate_interval]))`, 'bytes missed of {{source}}'],
      ],
    },
    { title: 'Failed deliveries', unit: 'cps', lines: [[rate(m.deliveryRetries, 'source'), '{{source}}']] },
    {
      title: 'Requests to APIs',
      unit: 'reqps',
      lines: [[rate(m.apiRequests, 'source, status'), '{{source}} {{status}}']],
    },
    {
      title: 'Saves of the registry',
      unit: 'cps',
      lines: [
        [rate(m.registrySaves, 'result'), '{{result}}'],
        [`sum(rate(${of(m.registryConflicts)}[$__rate_interval]))`, 'conflicts'],
      ],
    },
    { title: 'Events not yet saved', lines: [[`max by (pod) (${of(m.registryUnsaved)})`, '{{pod}}']] },
    { title: 'Epoch of the lease', lines: [[`max by (pod) (${of(m.registryEpoch)})`, '{{pod}}']] },
    {
      title: 'Memory',
      unit: 'bytes',
      lines: [[`max by (pod) (${of(processMetrics.memory)})`, '{{pod}}']],
    },
    {
      title: 'CPU',
      unit: 'percentunit',
      lines: [[rate(processMetrics.cpu, 'pod'), '{{pod}}']],
    },
  ];
  const dashboard: DashboardJson = {
    uid,
    title,
    tags: ['flicker'],
    timezone: 'browser',
    editable: true,
    time: { from: 'now-6h', to: 'now' },
    refresh: '1m',
    schemaVersion: 39,
    templating: {
      list: [{ type: 'datasource', name: 'datasource', label: 'Data source', query: 'prometheus' }],
    },
    annotations: {},
    panels: graphs.map(panel),
  };
  return dashboard;
}

/** Two in a row. */
function panel({ title, unit = 'short', lines }: Graph, index: number): PanelJson {
  return {
    id: index + 1,
    type: 'timeseries',
    title,
    datasource,
    gridPos: { x: (index % 2) * 12, y: Math.floor(index / 2) * 8, w: 12, h: 8 },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi' } },
    targets: lines.map(([expr, legendFormat], line) => ({
      refId: String.fromCharCode(65 + line),
      datasource,
      expr,
      legendFormat,
    })),
  };
}
