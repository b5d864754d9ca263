import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import type { AwsConnection } from '../aws/connection';

/** Where a secret of a task definition is, by its `valueFrom`. */
export type SecretSource =
  | {
      readonly type: 'secrets-manager';
      readonly id: string;
      readonly field?: string;
      readonly stage?: string;
      readonly version?: string;
    }
  | { readonly type: 'parameter'; readonly name: string };

/** Reads a `valueFrom`: `arn:…:secret:<name>[:<field>:<stage>:<version>]`, or a parameter's ARN or name. */
export function secretSource(valueFrom: string): SecretSource {
  const [arn, partition, service, region, account, ...resource] = valueFrom.split(':');
  if (arn !== 'arn') return { type: 'parameter', name: valueFrom };
  if (service === 'ssm') {
    const name = resource.join(':').replace(/^parameter\//, '');
    // A hierarchical name begins with the slash that its ARN shares.
    return { type: 'parameter', name: name.includes('/') ? `/${name}` : name };
  }
  const [kind, name, field, stage, version] = resource;
  if (service !== 'secretsmanager' || kind !== 'secret' || !name)
    throw new Error(`${valueFrom} is neither a secret of Secrets Manager nor a parameter`);
  return {
    type: 'secrets-manager',
    id: [arn, partition, service, region, account, kind, name].join(':'),
    ...(field && { field }),
    ...(stage && { stage }),
    ...(version && { version }),
  };
}

/**
 * The values of secrets by their `valueFrom`, each read once.
 *
 * @throws Error when one cannot be read or lacks the field; the text names the secret, never its value.
 */
export async function fetchSecrets(aws: AwsConnection, sources: Iterable<string>): Promise<Map<string, string>> {
  const secretsManager = new SecretsManagerClient(aws.clientConfig);
  const parameters = new SSMClient(aws.clientConfig);
  const read = async (valueFrom: string): Promise<[string, string]> => {
    const source = secretSource(valueFrom);
    const text = await (
      source.type === 'parameter'
        ? parameters
            .send(new GetParameterCommand({ Name: source.name, WithDecryption: true }))
            .then(({ Parameter }) => Parameter?.Value)
        : secretsManager
            .send(
              new GetSecretValueCommand({ SecretId: source.id, VersionStage: source.stage, VersionId: source.version }),
            )
            .then(({ SecretString }) => SecretString)
    ).catch((error: unknown) => {
      throw new Error(`secret ${valueFrom} cannot be read (${error instanceof Error ? error.name : 'unknown'})`);
    });
    if (text === undefined) throw new Error(`secret ${valueFrom} has no text value`);
    return [
      valueFrom,
      source.type === 'secrets-manager' && source.field ? fieldOf(text, source.field, valueFrom) : text,
    ];
  };
  try {
    return new Map(await Promise.all([...new Set(sources)].map(read)));
  } finally {
    secretsManager.destroy();
    parameters.destroy();
  }
}

function fieldOf(text: string, field: string, valueFrom: string): string {
  let value: unknown;
  try {
    const parsed: unknown = JSON.parse(text);
    value = typeof parsed === 'object' && parsed !== null ? new Map(Object.entries(parsed)).get(field) : undefined;
  } catch {
    // The parser's message would show a part of the secret.
    throw new Error(`secret ${valueFrom} is not JSON, so it has no field ${field}`);
  }
  if (value === undefined) throw new Error(`secret ${valueFrom} has no field ${field}`);
  return typeof value === 'string' ? value : JSON.stringify(value);
}
