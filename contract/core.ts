/** Log events that every program writes. */
export const coreEvents = {
  /** Level debug. Fields: operation, bucket, key or prefix. */
  awsCall: 'aws.call',
  /** Fields: port. */
  listening: 'http.listening',
} as const;

/** Metrics of a program's process, which the Prometheus client adds to its own. */
export const processMetrics = {
  startTime: { name: 'process_start_time_seconds' },
  memory: { name: 'process_resident_memory_bytes' },
  cpu: { name: 'process_cpu_seconds_total' },
} as const;
