import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import {
  FLICKER,
  flickerEventMetrics,
  flickerEvents,
  logMetricNamespace,
  PROGRESS_INTERVAL_MS,
  progressFields,
} from '../../contract';
import { addLogMetrics, type LogMetric } from '../observability/log-metrics';
import { problem } from '../problem';
import type { LogShipper } from './log-shipper';

/** A number that the shipper's log tells: those of a progress line, `starts` of the program, and `deadLetters`, the writes there. */
export type ShipperMetric = keyof typeof progressFields | keyof typeof flickerEventMetrics;

export interface MonitoringOptions {
  /**
   * The registry must have been saved within this time. Whole minutes, at least 2: an idle shipper saves once a minute.
   *
   * @default Duration.minutes(5)
   */
  readonly maxTimeWithoutSave?: Duration;
  /**
   * So many starts of the program within 15 minutes are an alarm. A deployment is one of each task.
   *
   * @default - 3 for each task
   */
  readonly maxStarts?: number;
  /**
   * What every alarm does when it goes off.
   *
   * @default - nothing
   */
  readonly alarmActions?: readonly cloudwatch.IAlarmAction[];
}

export interface ShipperMonitoringProps extends MonitoringOptions {
  readonly shipper: LogShipper;
}

/** Alarms and a dashboard of one shipper. */
export class ShipperMonitoring extends Construct {
  /** Goes off when no save of the registry was logged in time, also when nothing is logged at all. */
  readonly noSaveAlarm: cloudwatch.Alarm;
  /** Goes off when events were refused for good and written to the dead letters. */
  readonly deadLetterAlarm: cloudwatch.Alarm;
  /** Goes off when the program starts again and again. */
  readonly restartAlarm: cloudwatch.Alarm;
  readonly dashboard: cloudwatch.Dashboard;
  private readonly find: (name: ShipperMetric, options?: cloudwatch.MetricOptions) => cloudwatch.Metric;

  /** @throws Error when `maxTimeWithoutSave` is not whole minutes, or below 2 */
  constructor(scope: Construct, id: string, props: ShipperMonitoringProps) {
    super(scope, id);
    const { shipper } = props;
    const namespace = logMetricNamespace(FLICKER, shipper.stage, shipper.shipperName);
    this.find = addLogMetrics(this, shipper.logGroup, namespace, shipperMetrics);

    const minutes = wholeMinutes(shipper.node.path, props.maxTimeWithoutSave ?? Duration.minutes(5));
    this.noSaveAlarm = new cloudwatch.Alarm(this, 'NoSave', {
      alarmDescription: `${shipper.node.path}: the registry was not saved for ${minutes} minutes.`,
      metric: this.metric('saves', { period: Duration.minutes(1) }),
      comparisonOperator: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
      threshold: 1,
      evaluationPeriods: minutes,
      treatMissingData: cloudwatch.TreatMissingData.BREACHING,
    });
    this.deadLetterAlarm = new cloudwatch.Alarm(this, 'DeadLetters', {
      alarmDescription: `${shipper.node.path}: events were refused and written to the dead letters.`,
      metric: this.metric('deadLetters', { period: Duration.minutes(5) }),
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      threshold: 1,
      evaluationPeriods: 1,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    this.restartAlarm = new cloudwatch.Alarm(this, 'Restarts', {
      alarmDescription: `${shipper.node.path}: the program was started again and again.`,
      metric: this.metric('starts', { period: Duration.minutes(15) }),
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      threshold: props.maxStarts ?? 3 * Math.max(1, shipper.desiredCount),
      evaluationPeriods: 1,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    const alarms = [this.noSaveAlarm, this.deadLetterAlarm, this.restartAlarm];
    for (const alarm of alarms) alarm.addAlarmAction(...(props.alarmActions ?? []));
    this.dashboard = this.addDashboard(shipper, alarms);
  }

  /** A metric of this shipper: sums of counts, maxima of levels. Over 1 minute by default. */
  metric(name: ShipperMetric, options?: cloudwatch.MetricOptions): cloudwatch.Metric {
    return this.find(name, { period: Duration.minutes(1), ...options });
  }

  private addDashboard(shipper: LogShipper, alarms: readonly cloudwatch.Alarm[]): cloudwatch.Dashboard {
    const graph = (title: string, ...names: ShipperMetric[]) =>
      new cloudwatch.GraphWidget({ title, width: 12, left: names.map((name) => this.metric(name)) });
    return new cloudwatch.Dashboard(this, 'Dashboard', {
      widgets: [
        [new cloudwatch.AlarmStatusWidget({ title: shipper.node.path, width: 24, alarms: [...alarms] })],
        [
          graph('Events', 'read', 'delivered', 'filtered', 'resent'),
          graph('Trouble', 'deadLettered', 'pausedSources', 'starts'),
        ],
        [graph('Registry saves', 'saves', 'saveFailures'), graph('Events not yet saved', 'unsaved')],
        [graph('Bytes delivered', 'bytesDelivered'), graph('Bytes waiting and missed', 'lagBytes', 'bytesMissed')],
        [
          new cloudwatch.GraphWidget({
            title: 'CPU and memory (%)',
            width: 12,
            left: [shipper.metricCpuUtilization(), shipper.metricMemoryUtilization()],
          }),
        ],
      ],
    });
  }
}

/** Levels rather than counts: their sum means nothing. */
const levels: readonly string[] = [progressFields.unsaved, progressFields.lagBytes, progressFields.pausedSources];

const progressMetric = (field: string): LogMetric => ({
  name: field,
  event: flickerEvents.progress,
  field,
  statistic: levels.includes(field) ? cloudwatch.Stats.MAXIMUM : cloudwatch.Stats.SUM,
});

const shipperMetrics: Readonly<Record<ShipperMetric, LogMetric>> = {
  read: progressMetric(progressFields.read),
  delivered: progressMetric(progressFields.delivered),
  filtered: progressMetric(progressFields.filtered),
  resent: progressMetric(progressFields.resent),
  deadLettered: progressMetric(progressFields.deadLettered),
  bytesDelivered: progressMetric(progressFields.bytesDelivered),
  bytesMissed: progressMetric(progressFields.bytesMissed),
  saves: progressMetric(progressFields.saves),
  saveFailures: progressMetric(progressFields.saveFailures),
  unsaved: progressMetric(progressFields.unsaved),
  lagBytes: progressMetric(progressFields.lagBytes),
  pausedSources: progressMetric(progressFields.pausedSources),
  starts: { name: 'starts', event: flickerEventMetrics.starts, statistic: cloudwatch.Stats.SUM },
  deadLetters: { name: 'deadLetters', event: flickerEventMetrics.deadLetters, statistic: cloudwatch.Stats.SUM },
};

function wholeMinutes(where: string, time: Duration): number {
  const minutes = time.toMinutes({ integral: false });
  const least = (2 * PROGRESS_INTERVAL_MS) / 60_000;
  if (Number.isInteger(minutes) && minutes >= least) return minutes;
  throw problem({
    what: `maxTimeWithoutSave of ${where}`,
    got: `${minutes} minutes`,
    expected: `whole minutes, at least ${least}: the program reports once a minute`,
    fix: 'use a longer time',
  });
}
