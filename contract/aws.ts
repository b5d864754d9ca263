/** Variables of the AWS SDK that programs read themselves; the SDK's own credential chain stays the SDK's. */
export const awsEnvironment = {
  region: 'AWS_REGION',
  endpoint: 'AWS_ENDPOINT_URL',
  /** `true` or `false`: path-style addresses, for S3 servers that have no virtual hosts. */
  s3ForcePathStyle: 'AWS_S3_FORCE_PATH_STYLE',
} as const;

/** What S3 asks of a KMS key for a caller, by the caller's own S3 action, in a bucket encrypted with that key. */
export const kmsActionsOf: Readonly<Record<string, readonly string[]>> = {
  's3:GetObject': ['kms:Decrypt'],
  's3:GetObjectVersion': ['kms:Decrypt'],
  's3:PutObject': ['kms:GenerateDataKey'],
  's3:DeleteObject': [],
};

/** Variables of static credentials. The SDK prefers them to every role. */
export const awsCredentialEnvironment = {
  accessKeyId: 'AWS_ACCESS_KEY_ID',
  secretAccessKey: 'AWS_SECRET_ACCESS_KEY',
} as const;
