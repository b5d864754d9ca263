/** Variables of the AWS SDK that programs read themselves; the SDK's own credential chain stays the SDK's. */
export const awsEnvironment = {
  region: 'AWS_REGION',
  endpoint: 'AWS_ENDPOINT_URL',
  /** `true` or `false`: path-style addresses, for S3 servers that have no virtual hosts. */
  s3ForcePathStyle: 'AWS_S3_FORCE_PATH_STYLE',
} as const;
