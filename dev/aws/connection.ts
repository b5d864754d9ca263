/** How to reach an AWS: what SDK clients of this process and child processes need. */
export interface AwsConnection {
  /** URL that answers for all services. */
  readonly endpoint: string;
  readonly region: string;
  /** Endpoint, region and credentials for child processes, as variables. */
  readonly env: Readonly<Record<string, string>>;
  /** The same for SDK clients of this process: `new S3Client(aws.clientConfig)`. */
  readonly clientConfig: AwsClientConfig;
}

export interface AwsClientConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

/**
 * The AWS that this process' environment names by AWS_ENDPOINT_URL, AWS_REGION and an access key.
 *
 * @throws Error when one of them is missing. The endpoint is never guessed: a program that is run on this machine takes
 * over the state of the deployed one, so that this must not happen to a real account by accident.
 */
export function connectionFromEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): AwsConnection {
  const need = (name: string, hint: string): string => {
    const value = env[name];
    if (value === undefined || value === '') throw new Error(`${name} is not set; expected ${hint}`);
    return value;
  };
  const endpoint = need('AWS_ENDPOINT_URL', 'the URL of an embedded or local AWS, such as http://127.0.0.1:4566');
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || need('AWS_REGION', 'the region of the stack');
  const accessKeyId = need('AWS_ACCESS_KEY_ID', 'an access key (embedded AWS: test)');
  const secretAccessKey = need('AWS_SECRET_ACCESS_KEY', 'the secret of the access key (embedded AWS: test)');
  const sessionToken = env.AWS_SESSION_TOKEN || undefined;
  return connection({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
  });
}

/** A connection from what SDK clients need. */
export function connection(clientConfig: AwsClientConfig): AwsConnection {
  const { endpoint, region, credentials } = clientConfig;
  return {
    endpoint,
    region,
    clientConfig,
    env: {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ...(credentials.sessionToken && { AWS_SESSION_TOKEN: credentials.sessionToken }),
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    },
  };
}

/** This process' environment for a child, with the AWS of the connection and no other: a profile, a config file or an
 * endpoint of one service would win over it. */
export function childEnvironment(
  aws: Pick<AwsConnection, 'env'>,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !/^(AWS|CDK)_/.test(entry[0]),
  );
  return { ...Object.fromEntries(inherited), ...aws.env, ...extra };
}
