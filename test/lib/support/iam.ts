import type { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { runSimulation } from '@cloud-copilot/iam-simulate';
import { z } from 'zod';
import type { AwsCall, AwsResource } from '../../../contract';

export const ACCOUNT = '111122223333';
export const REGION = 'eu-central-1';

const policyDocument = z.object({
  Version: z.string(),
  Statement: z.array(
    z.object({
      Sid: z.string().optional(),
      Effect: z.enum(['Allow', 'Deny']),
      Principal: z.unknown().optional(),
      Action: z.union([z.string(), z.array(z.string())]),
      Resource: z.union([z.string(), z.array(z.string())]),
      Condition: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
    }),
  ),
});
type PolicyDocument = z.output<typeof policyDocument>;

const template = z.object({
  Resources: z.record(z.string(), z.object({ Type: z.string(), Properties: z.unknown().optional() })),
});
const identityPolicy = z.object({ Roles: z.array(z.string()), PolicyDocument: policyDocument });
const bucketPolicy = z.object({ Bucket: z.string(), PolicyDocument: policyDocument });

/** What a stack grants, with every reference replaced by a physical name: `physicalName(logicalId)`. */
export interface SynthesizedPolicies {
  identity(roleId: RegExp): PolicyDocument;
  bucketPolicy(bucket: string): PolicyDocument | undefined;
}

/** The name that a resource has in the simulation. */
export function physicalName(logicalId: string): string {
  return logicalId.toLowerCase();
}

/** Reads the policies of a synthesized stack. Bucket and role names are their logical ids in lower case. */
export function policiesOf(stack: Stack): SynthesizedPolicies {
  const { Resources } = template.parse(Template.fromStack(stack).toJSON());
  const of = (type: string) =>
    Object.values(Resources)
      .filter((resource) => resource.Type === type)
      .map(({ Properties }) => resolve(Properties));
  const identities = of('AWS::IAM::Policy').map((policy) => identityPolicy.parse(policy));
  const buckets = of('AWS::S3::BucketPolicy').map((policy) => bucketPolicy.parse(policy));
  return {
    identity: (roleId) => ({
      Version: '2012-10-17',
      Statement: identities
        .filter(({ Roles }) => Roles.some((role) => roleId.test(role)))
        .flatMap((policy) => policy.PolicyDocument.Statement),
    }),
    bucketPolicy: (bucket) => buckets.find(({ Bucket }) => Bucket === bucket)?.PolicyDocument,
  };
}

/** Whether S3 would do this for the role, asked of the identity policy and the bucket's own. */
export async function allows(
  policies: SynthesizedPolicies,
  roleId: RegExp,
  call: Pick<AwsCall, 'action' | 'resource'>,
  context: Record<string, string> = {},
): Promise<boolean> {
  const { resource } = call;
  const arn = arnOf(resource);
  const result = await runSimulation(
    {
      request: {
        principal: `arn:aws:iam::${ACCOUNT}:role/program`,
        action: call.action,
        resource: { resource: arn, accountId: ACCOUNT },
        contextVariables: {
          'aws:SecureTransport': 'true',
          ...(resource.type === 's3-list' ? { 's3:prefix': resource.prefix } : {}),
          ...context,
        },
      },
      identityPolicies: [{ name: 'identity', policy: policies.identity(roleId) }],
      resourcePolicy: 'bucket' in resource ? policies.bucketPolicy(resource.bucket) : undefined,
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    { simulationMode: 'Strict' },
  );
  if (result.resultType === 'error') throw new Error(JSON.stringify(result.errors));
  return result.overallResult === 'Allowed';
}

/** What AWS calls the resource of a request, in the account and region of the test. */
function arnOf(resource: AwsResource): string {
  const here = (service: string, region?: string) => `arn:aws:${service}:${region ?? REGION}:${ACCOUNT}`;
  switch (resource.type) {
    case 's3-object':
      return `arn:aws:s3:::${resource.bucket}/${resource.key}`;
    case 's3-list':
      return `arn:aws:s3:::${resource.bucket}`;
    case 'log-group':
      return `${here('logs', resource.region)}:log-group:${resource.name}:log-stream:app/node`;
    case 'kinesis-stream':
      return resource.stream.startsWith('arn:')
        ? resource.stream
        : `${here('kinesis', resource.region)}:stream/${resource.stream}`;
    case 'firehose-stream':
      return `${here('firehose', resource.region)}:deliverystream/${resource.name}`;
    case 'sqs-queue': {
      const [, region = '', account = '', name = ''] =
        /^https:\/\/sqs\.([^.]+)\.[^/]+\/(\d+)\/(.+)$/.exec(resource.url) ?? [];
      return `arn:aws:sqs:${region}:${account}:${name}`;
    }
  }
}

function resolve(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(resolve);
  if (typeof value !== 'object' || value === null) return value;
  const [[intrinsic, argument] = ['', undefined]] = Object.entries(value);
  if (intrinsic === 'Ref') return pseudo[String(argument)] ?? physicalName(String(argument));
  if (intrinsic === 'Fn::Join' && Array.isArray(argument) && Array.isArray(argument[1])) {
    return argument[1].map(resolve).join(String(argument[0]));
  }
  if (intrinsic === 'Fn::Sub')
    return String(argument).replace(/\$\{([^}]+)\}/g, (_, name: string) => pseudo[name] ?? name);
  if (intrinsic === 'Fn::GetAtt' && Array.isArray(argument)) {
    const [id, attribute] = argument.map(String);
    return attribute === 'Arn' && /Registry/.test(id ?? '')
      ? `arn:aws:s3:::${physicalName(id ?? '')}`
      : `arn:${id}:${attribute}`;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item)]));
}

const pseudo: Readonly<Record<string, string>> = {
  'AWS::Partition': 'aws',
  'AWS::AccountId': ACCOUNT,
  'AWS::Region': REGION,
};
