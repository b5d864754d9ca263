import { Aws } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as kms from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { kmsActionsOf, type AwsCall, type S3Resource } from '../../contract';
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
 * @throws Error when there is no call, or when a bucket, key or prefix holds an IAM wildcard of its own
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
        .filter(({ resource }) => resource.bucket === bucketName)
        .flatMap(({ action }) => kmsActionsOf[action] ?? []),
    );
    if (encryptionKey && actions.size > 0) grants.push(encryptionKey.grant(grantee, ...actions));
  }
  const principal = grantee.grantPrincipal;
  if (Construct.isConstruct(principal)) {
    const wildcards = statements.flatMap(({ resourceArns }) => resourceArns).filter((arn) => arn.endsWith('*'));
    acknowledgeWildcards(principal, wildcards, 'The program writes numbered objects below a prefix of its own.');
  }
  return grants.reduce((all, grant) => all.combine(grant));
}

function groupByResource(calls: readonly AwsCall[]) {
  const groups = new Map<string, { resource: S3Resource; actions: Set<string> }>();
  for (const { resource, action } of calls) {
    const id = JSON.stringify(resource);
    const group = groups.get(id) ?? { resource, actions: new Set<string>() };
    groups.set(id, group);
    group.actions.add(action);
  }
  return groups;
}

function arnOf(resource: S3Resource): string {
  const bucket = `arn:${Aws.PARTITION}:s3:::${literal(resource.bucket)}`;
  switch (resource.type) {
    case 's3-object':
      return `${bucket}/${pattern(resource.key)}`;
    case 's3-list':
      return bucket;
  }
}

function conditionsOf(resource: S3Resource): Record<string, Record<string, string>> | undefined {
  switch (resource.type) {
    case 's3-object':
      return undefined;
    case 's3-list':
      return {
        [resource.prefix.endsWith('*') ? 'StringLike' : 'StringEquals']: { 's3:prefix': pattern(resource.prefix) },
      };
  }
}

/** Text that may end in the one wildcard that is meant. */
function pattern(text: string): string {
  return text.endsWith('*') ? `${literal(text.slice(0, -1))}*` : literal(text);
}

function literal(text: string): string {
  if (!/[*?]/.test(text)) return text;
  throw problem({
    what: 'a permission for S3',
    got: JSON.stringify(text),
    expected: 'a bucket, key or prefix without "*" and "?", which IAM takes as wildcards',
    fix: 'choose another name',
  });
}
