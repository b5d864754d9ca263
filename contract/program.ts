/**
 * What every program's contract is made of. A program tells here what it calls, reports and listens on; constructs
 * render it, the runtime obeys it, and tests compare both with this text.
 */

/** `<subject>.<what happened>`: the `event` field of every JSON log line. */
export type LogEvent = `${string}.${string}`;

/** One call that a program makes to AWS, on one resource. */
export interface AwsCall {
  /** The API operation, as the SDK names its command: `GetObject`. */
  readonly operation: string;
  /** The IAM action that allows it: `s3:GetObject`. */
  readonly action: `${string}:${string}`;
  readonly resource: AwsResource;
  /** Why the program makes this call, in one sentence. */
  readonly why: string;
}

/** What a call touches. Names may be CDK tokens at synth. */
export type AwsResource =
  | S3Resource
  /** A log group with its streams. Without a region, that of the program, as below. */
  | { readonly type: 'log-group'; readonly name: string; readonly region?: string | undefined }
  /** A Kinesis data stream: its name in the program's own account, or its ARN. */
  | { readonly type: 'kinesis-stream'; readonly stream: string; readonly region?: string | undefined }
  | { readonly type: 'firehose-stream'; readonly name: string; readonly region?: string | undefined }
  /** An SQS queue: its URL tells where it is. */
  | { readonly type: 'sqs-queue'; readonly url: string };

/** What an S3 call touches. `bucket` may be a CDK token at synth. */
export type S3Resource =
  /** Objects: one key, or every key below a prefix (`key` ends in `*`). */
  | { readonly type: 's3-object'; readonly bucket: string; readonly key: string }
  /** The bucket, listed only with this `prefix` parameter (a trailing `*` is a pattern). */
  | { readonly type: 's3-list'; readonly bucket: string; readonly prefix: string };

export interface MetricSpec {
  /** Prometheus name. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

/** Ports that a program listens on. */
export interface PortSpec {
  readonly name: string;
  readonly port: number;
  readonly paths: readonly string[];
}
