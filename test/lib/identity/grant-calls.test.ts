import { Template } from 'aws-cdk-lib/assertions';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as sqs from 'aws-cdk-lib/aws-sqs';
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
    `a permission: got "${key}", expected a name, key or prefix without "*" and "?"`,
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

test('a queue of the same app is granted by its URL, which is known only at deployment', () => {
  const stack = testStack();
  const role = new iam.Role(stack, 'Role', { assumedBy: new iam.AccountRootPrincipal() });
  const url = new sqs.Queue(stack, 'Queue').queueUrl;
  grantCalls(role, [{ ...read('a'), action: 'sqs:SendMessage', resource: { type: 'sqs-queue', url } }]);
  const split = (separator: string) => ({ 'Fn::Split': [separator, { Ref: 'Queue4A7E3555' }] });
  Template.fromStack(stack).hasResourceProperties('AWS::IAM::Policy', {
    PolicyDocument: {
      Statement: [
        {
          Action: 'sqs:SendMessage',
          Resource: {
            'Fn::Join': [
              '',
              [
                'arn:',
                { Ref: 'AWS::Partition' },
                ':sqs:',
                { 'Fn::Select': [1, split('.')] },
                ':',
                { 'Fn::Select': [3, split('/')] },
                ':',
                { 'Fn::Select': [4, split('/')] },
              ],
            ],
          },
        },
      ],
    },
  });
});

test('a URL that is no queue of AWS is refused: nothing could be granted', () => {
  const role = new iam.Role(testStack(), 'Role', { assumedBy: new iam.AccountRootPrincipal() });
  const resource = { type: 'sqs-queue', url: 'http://localhost:4566/q' } as const;
  expect(() => grantCalls(role, [{ ...read('a'), action: 'sqs:SendMessage', resource }])).toThrow(
    'a permission for SQS: got "http://localhost:4566/q", expected the URL of a queue',
  );
});
