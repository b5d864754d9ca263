import { Template } from 'aws-cdk-lib/assertions';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { AwsCall } from '../../../contract';
import { grantCalls } from '../../../lib/identity/grant-calls';
import { testStack } from '../support/app';

const read = (key: string): AwsCall => ({
  operation: 'GetObject',
  action: 's3:GetObject',
  resource: { type: 's3-object', bucket: 'archive', key },
  why: 'test',
});

test.each(['a*b', 'a?b', '*/x'])('a wildcard inside "%s" is refused', (key) => {
  const role = new iam.Role(testStack(), 'Role', { assumedBy: new iam.AccountRootPrincipal() });
  expect(() => grantCalls(role, [read(key)])).toThrow(
    `a permission for S3: got "${key}", expected a bucket, key or prefix without "*" and "?"`,
  );
});

test('calls on one resource become one statement, each action once', () => {
  const stack = testStack();
  const role = new iam.Role(stack, 'Role', { assumedBy: new iam.AccountRootPrincipal() });
  grantCalls(role, [read('a'), { ...read('a'), operation: 'HeadObject' }, { ...read('a'), action: 's3:PutObject' }]);
  Template.fromStack(stack).hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: { Statement: [{ Action: ['s3:GetObject', 's3:PutObject'], Effect: 'Allow' }] },
  });
});
