/** Log events that every program writes. */
export const coreEvents = {
  /** Level debug. Fields: operation, bucket, key or prefix. */
  awsCall: 'aws.call',
  /** Fields: port. */
  listening: 'http.listening',
} as const;
