import { awsEnvironment } from '../../contract/aws';

/** What every AWS client is made with. */
export interface AwsSettings {
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly forcePathStyle: boolean;
}

/** Reads the AWS variables that programs honour themselves. @throws Error naming a variable that cannot be read */
export function readAwsSettings(env: Readonly<Record<string, string | undefined>>): AwsSettings {
  const pathStyle = env[awsEnvironment.s3ForcePathStyle];
  if (pathStyle !== undefined && !/^(true|false|1|0|)$/i.test(pathStyle)) {
    throw new Error(`${awsEnvironment.s3ForcePathStyle} is "${pathStyle}": expected true or false`);
  }
  const endpoint = env[awsEnvironment.endpoint] || undefined;
  if (endpoint !== undefined && !URL.canParse(endpoint)) {
    throw new Error(`${awsEnvironment.endpoint} is "${endpoint}": expected a URL`);
  }
  return {
    region: env[awsEnvironment.region] || undefined,
    endpoint,
    forcePathStyle: /^(true|1)$/i.test(pathStyle ?? ''),
  };
}
