/** One alerting rule of Prometheus. */
export interface AlertRule {
  readonly alert: string;
  /** PromQL. */
  readonly expr: string;
  /** How long it must hold: `5m`. */
  readonly for: string;
  readonly labels: { readonly severity: 'critical' | 'warning' };
  readonly annotations: { readonly summary: string; readonly description: string };
}
