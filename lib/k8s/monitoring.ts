import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import type { Construct } from 'constructs';
import type { AlertRule } from '../observability/alert-rule';

interface Named {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface PodMonitorOptions extends Named {
  /** Labels of the pods. */
  readonly selector: Readonly<Record<string, string>>;
  /** Name of the container's port. */
  readonly port: string;
  readonly path: string;
}

/** Has Prometheus scrape pods (Prometheus Operator). Its job is `<namespace>/<name>`. */
export function podMonitor(scope: Construct, id: string, options: PodMonitorOptions): ApiObject {
  const { name, labels, selector, port, path } = options;
  return new ApiObject(scope, id, {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PodMonitor',
    metadata: { name, labels: { ...labels } },
    spec: {
      selector: { matchLabels: { ...selector } },
      podMetricsEndpoints: [{ port, path, interval: '30s' }],
    },
  });
}

export interface PrometheusRuleOptions extends Named {
  readonly alerts: readonly AlertRule[];
}

/** Alerting rules (Prometheus Operator). */
export function prometheusRule(scope: Construct, id: string, options: PrometheusRuleOptions): ApiObject {
  const { name, labels, alerts } = options;
  return new ApiObject(scope, id, {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name, labels: { ...labels } },
    spec: { groups: [{ name, rules: [...alerts] }] },
  });
}

export interface DashboardOptions extends Named {
  /** Name of the file that the sidecar of Grafana writes. */
  readonly file: string;
  readonly dashboard: object;
}

/** A dashboard for the sidecar of Grafana's Helm chart, which finds it by its label. */
export function dashboardConfigMap(scope: Construct, id: string, options: DashboardOptions): k8s.KubeConfigMap {
  const { name, labels, file, dashboard } = options;
  return new k8s.KubeConfigMap(scope, id, {
    metadata: { name, labels: { grafana_dashboard: '1', ...labels } },
    data: { [file]: JSON.stringify(dashboard, null, 2) },
  });
}
