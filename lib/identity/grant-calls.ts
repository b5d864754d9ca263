import { Aws, Fn, Stack, Token } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { kmsActionsOf, parseQueueUrl, parseStreamArn, type AwsCall, type AwsResource } from '../../contract';
import { problem } from '../problem';
import { acknowledgeWildcards } from './acknowledge';

/** A bucket whose objects are encrypted with a key of one's own. */
export interface EncryptedBucket {
  readonly bucketName: string;
  readonly encryptionKey?: kms.IKey;
}

/**
 * Allows exactly the calls listed, each on its own resource and no more. Whoever the container is (a task role, IRSA,
 * Pod Identity), this is how it gets its permissions. In the buckets given, the use of the KMS key follows.
 *
 * @throws Error when there is no call, when a name, key or prefix holds an IAM wildcard of its own, or a queue
 *   URL is none of AWS'
 */
export function grantCalls(
  grantee: iam.IGrantable,
  calls: readonly AwsCall[],
  buckets: readonly EncryptedBucket[] = [],
): iam.Grant {
  const statements = [...groupByResource(calls).values()].map(({ resource, actions }) => ({
    actions: [...actions],
    resourceArns: [arnOf(resource)],
    conditions: conditionsOf(resource),
  }));
  const grants = statements.map((statement) => iam.Grant.addToPrincipal({ grantee, ...statement }));
  for (const { bucketName, encryptionKey } of buckets) {
    const actions = new Set(
      calls
        .filter(({ resource }) => 'bucket' in resource && resource.bucket === bucketName)
        .flatMap(({ action }) => kmsActionsOf[action] ?? []),
    );
    if (encryptionKey && actions.size > 0) grants.push(grantKey(encryptionKey, grantee, [...actions]));
  }
  const principal = grantee.grantPrincipal;
  if (Construct.isConstruct(principal)) {
    const wildcards = statements.flatMap(({ resourceArns }) => resourceArns).filter((arn) => arn.endsWith('*'));
    acknowledgeWildcards(
      principal,
      wildcards,
      'The program writes below a prefix of its own, and to streams of a log group that it names by source and node.',
    );
  }
  return grants.reduce((all, grant) => all.combine(grant));
}

/** The use of one key. For a role in another region the CDK's own grant would be the use of every key. */
function grantKey(key: kms.IKey, grantee: iam.IGrantable, actions: string[]): iam.Grant {
  const { grantPrincipal } = grantee;
  if (Construct.isConstruct(grantPrincipal)) {
    const [own, other] = [Stack.of(grantPrincipal), Stack.of(key)];
    if (own.account === other.account && own.region !== other.region) {
      return iam.Grant.addToPrincipal({ grantee, actions, resourceArns: [key.keyArn] });
    }
  }
  return key.grant(grantee, ...actions);
}

function groupByResource(calls: readonly AwsCall[]) {
  const groups = new Map<string, { resource: AwsResource; actions: Set<string> }>();
  for (const { resource, action } of calls) {
    const id = JSON.stringify(resource);
    const group = groups.get(id) ?? { resource, actions: new Set<string>() };
    groups.set(id, group);
    group.actions.add(action);
  }
  return groups;
}

function arnOf(resource: AwsResource): string {
  switch (resource.type) {
    case 's3-object':
      return `${bucketArn(resource.bucket)}/${pattern(resource.key)}`;
    case 's3-list':
      return bucketArn(resource.bucket);
    case 'log-group':
      return arn('logs', resource, `log-group:${literal(resource.name)}:*`);
    case 'kinesis-stream': {
      const told = parseStreamArn(resource.stream);
      return arn('kinesis', told ?? resource, `stream/${literal(told?.name ?? resource.stream)}`);
    }
    case 'firehose-stream':
      return arn('firehose', resource, `deliverystream/${literal(resource.name)}`);
    case 'sqs-queue': {
      const { name, ...place } = queueOf(resource.url);
      return arn('sqs', place, literal(name));
    }
  }
}

const bucketArn = (bucket: string) => `arn:${Aws.PARTITION}:s3:::${literal(bucket)}`;

/** Account and region are the stack's own unless they are told. */
function arn(service: string, place: { region?: string | undefined; account?: string | undefined }, rest: string) {
  return `arn:${Aws.PARTITION}:${service}:${place.region ?? Aws.REGION}:${place.account ?? Aws.ACCOUNT_ID}:${rest}`;
}

/** A queue by its URL, `https://sqs.<region>.amazonaws.com/<account>/<name>`; a token is taken apart at deployment. */
function queueOf(url: string): { region: string; account: string; name: string } {
  const told = parseQueueUrl(url);
  if (told) return told;
  if (Token.isUnresolved(url)) {
    const part = (index: number) => Fn.select(index, Fn.split('/', url));
    return { region: Fn.select(1, Fn.split('.', url)), account: part(3), name: part(4) };
  }
  throw problem({
    what: 'a permission for SQS',
    got: JSON.stringify(url),
    expected: 'the URL of a queue: https://sqs.<region>.amazonaws.com/<account>/<name>',
    fix: 'use the URL that SQS tells, or queue.queueUrl',
  });
}

function conditionsOf(resource: AwsResource): Record<string, Record<string, string>> | undefined {
  if (resource.type !== 's3-list') return undefined;
  return {
    [resource.prefix.endsWith('*') ? 'StringLike' : 'StringEquals']: { 's3:prefix': pattern(resource.prefix) },
  };
}

/** Text that may end in the one wildcard that is meant. */
function pattern(text: string): string {
  return text.endsWith('*') ? `${literal(text.slice(0, -1))}*` : literal(text);
}

function literal(text: string): string {
  if (!/[*?]/.test(text)) return text;
  throw problem({
    what: 'a permission',
    got: JSON.stringify(text),
    expected: 'a name, key or prefix without "*" and "?", which IAM takes as wildcards',
    fix: 'choose another name',
  });
}
