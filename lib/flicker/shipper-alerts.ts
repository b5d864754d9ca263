import { allSources, flickerMetrics, processMetrics, type FlickerConfig } from '../../contract';
import type { AlertRule } from '../observability/alert-rule';

export interface AlertOptions {
  /** Value of the label `job` of the shipper's metrics. */
  readonly job: string;
  /** Whether each pod saves a registry of its own: those of one shipper take turns, those of nodes do not. */
  readonly eachPodSaves: boolean;
}

/** Minutes without a save that are an alert: an idle shipper saves once a minute. */
const SAVE_MINUTES = 5;
/** Least minutes without a good poll that are an alert. */
const POLL_MINUTES = 15;

/** Alerts on what a shipper reports. */
export function shipperAlerts(config: FlickerConfig, { job, eachPodSaves }: AlertOptions): AlertRule[] {
  const of = (metric: { readonly name: string }) => `${metric.name}{job="${job}"}`;
  const { registryLastSave, eventsDeadLettered, bytesMissed, sourcePaused, sourceLastSuccess } = flickerMetrics;
  const slowest = Math.max(...allSources(config).map(({ source }) => source.polling_frequency_ms));
  const silent = Math.max(POLL_MINUTES, Math.ceil((5 * (Number.isNaN(slowest) ? 0 : slowest)) / 60_000));
  return [
    {
      alert: 'FlickerDown',
      expr: `absent(up{job="${job}"} == 1)`,
      for: '5m',
      labels: { severity: 'critical' },
      annotations: {
        summary: 'No instance of the shipper answers.',
        description: `Prometheus has scraped no pod of ${job} for 5 minutes. Nothing is lost as long as the sources keep it.`,
      },
    },
    {
      alert: 'FlickerNotSaving',
      // A standby has not saved yet: its metric is 0.
      expr: eachPodSaves
        ? `time() - (${of(registryLastSave)} > 0) > ${SAVE_MINUTES * 60}`
        : `time() - max(${of(registryLastSave)}) > ${SAVE_MINUTES * 60}`,
      for: '1m',
      labels: { severity: 'critical' },
      annotations: {
        summary: 'The registry is not saved.',
        description: `${job} last saved its registry {{ $value | humanizeDuration }} ago. Events sent since then are sent again after a restart.`,
      },
    },
    {
      alert: 'FlickerDeadLetters',
      expr: `sum by (source) (increase(${of(eventsDeadLettered)}[10m])) > 0`,
      for: '0m',
      labels: { severity: 'warning' },
      annotations: {
        summary: 'Events were refused for good.',
        description:
          'Events of {{ $labels.source }} were refused by their destination and written to the dead letters.',
      },
    },
    {
      alert: 'FlickerBytesMissed',
      expr: `sum by (source) (increase(${of(bytesMissed)}[10m])) > 0`,
      for: '0m',
      labels: { severity: 'critical' },
      annotations: {
        summary: 'Log files were cut or deleted before they could be read.',
        description: 'Bytes of {{ $labels.source }} are lost: files are rotated away faster than they can be shipped.',
      },
    },
    {
      alert: 'FlickerSourcePaused',
      expr: `max by (source) (${of(sourcePaused)}) == 1`,
      for: '15m',
      labels: { severity: 'warning' },
      annotations: {
        summary: 'A destination refuses or fails.',
        description: '{{ $labels.source }} has been waiting for its destination for 15 minutes; it resumes by itself.',
      },
    },
    {
      alert: 'FlickerSourceSilent',
      // Who has never polled it, a standby, has no time yet.
      expr: `time() - max by (source) (${of(sourceLastSuccess)} > 0) > ${silent * 60}`,
      for: '1m',
      labels: { severity: 'warning' },
      annotations: {
        summary: 'A source cannot be read.',
        description: '{{ $labels.source }} was last read {{ $value | humanizeDuration }} ago.',
      },
    },
    {
      alert: 'FlickerRestarting',
      expr: `max by (pod) (changes(${of(processMetrics.startTime)}[15m])) >= 3`,
      for: '0m',
      labels: { severity: 'warning' },
      annotations: {
        summary: 'The program starts again and again.',
        description: '{{ $labels.pod }} was started {{ $value }} times within 15 minutes.',
      },
    },
  ];
}
