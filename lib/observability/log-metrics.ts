import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { LogEvent } from '../../contract';

/** A number that is taken from the log lines of one event. */
export interface LogMetric {
  readonly name: string;
  readonly event: LogEvent;
  /** Field that holds the number; each line counts 1 without it. */
  readonly field?: string;
  readonly statistic: string;
}

/** Counts a program's JSON log lines into CloudWatch metrics, one filter each. */
export function addLogMetrics<Name extends string>(
  scope: Construct,
  logGroup: logs.ILogGroup,
  namespace: string,
  metrics: Readonly<Record<Name, LogMetric>>,
): (name: Name, options?: cloudwatch.MetricOptions) => cloudwatch.Metric {
  const filters = new Map<string, logs.MetricFilter>();
  for (const [id, { name, event, field }] of Object.entries<LogMetric>(metrics)) {
    filters.set(
      id,
      new logs.MetricFilter(scope, `${id.charAt(0).toUpperCase()}${id.slice(1)}Filter`, {
        logGroup,
        metricNamespace: namespace,
        metricName: name,
        filterPattern: logs.FilterPattern.stringValue('$.event', '=', event),
        metricValue: field === undefined ? '1' : `$.${field}`,
      }),
    );
  }
  return (name, options) => {
    const filter = filters.get(name);
    if (!filter) throw new Error(`no metric "${name}"`);
    return filter.metric({ statistic: metrics[name].statistic, ...options });
  };
}
