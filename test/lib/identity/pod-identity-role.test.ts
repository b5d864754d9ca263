import { Template } from 'aws-cdk-lib/assertions';
import { PodIdentityRole } from '../../../lib';
import { testStack } from '../support/app';

const account = { clusterName: 'main', namespace: 'logging', serviceAccountName: 'flicker' };

test('is a role for the agent, and its association', () => {
  const stack = testStack();
  new PodIdentityRole(stack, 'Pod', { ...account, roleName: 'flicker' });
  const template = Template.fromStack(stack);
  template.hasResourceProperties('AWS::IAM::Role', {
    RoleName: 'flicker',
    AssumeRolePolicyDocument: {
      Statement: [
        {
          Effect: 'Allow',
          Action: ['sts:AssumeRole', 'sts:TagSession'],
          Principal: { Service: 'pods.eks.amazonaws.com' },
        },
      ],
    },
  });
  template.hasResourceProperties('AWS::EKS::PodIdentityAssociation', {
    ClusterName: 'main',
    Namespace: 'logging',
    ServiceAccount: 'flicker',
    RoleArn: { 'Fn::GetAtt': [Object.keys(template.findResources('AWS::IAM::Role'))[0], 'Arn'] },
  });
  expect(Object.keys(template.toJSON().Resources)).toHaveLength(2);
});

test('a service account that is none is refused', () => {
  expect(() => new PodIdentityRole(testStack(), 'Pod', { ...account, serviceAccountName: 'Flicker' })).toThrow(
    'serviceAccountName of Test/Pod: got "Flicker", expected lower-case letters, digits, "-" and "."',
  );
});
