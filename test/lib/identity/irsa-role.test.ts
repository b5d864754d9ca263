import { CfnParameter, Fn } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { IrsaRole, type IrsaRoleProps } from '../../../lib';
import { testStack } from '../support/app';

const ISSUER = 'oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF';
const account = { namespace: 'logging', serviceAccountName: 'flicker' };
const conditions = {
  [`${ISSUER}:sub`]: 'system:serviceaccount:logging:flicker',
  [`${ISSUER}:aud`]: 'sts.amazonaws.com',
};

function rendered(props: Omit<IrsaRoleProps, keyof typeof account> & Partial<IrsaRoleProps>, stack = testStack()) {
  new IrsaRole(stack, 'Irsa', { ...account, ...props });
  const template = Template.fromStack(stack);
  const [role] = Object.values(template.findResources('AWS::IAM::Role'));
  return { template, trust: role?.Properties.AssumeRolePolicyDocument as unknown };
}

test.each([`https://${ISSUER}`, ISSUER, `https://${ISSUER}/`])('trusts one service account of %s', (issuer) => {
  const { template, trust } = rendered({ issuer });
  expect(trust).toEqual({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: 'sts:AssumeRoleWithWebIdentity',
        Principal: {
          Federated: {
            'Fn::Join': [
              '',
              ['arn:', { Ref: 'AWS::Partition' }, ':iam::', { Ref: 'AWS::AccountId' }, `:oidc-provider/${ISSUER}`],
            ],
          },
        },
        Condition: { StringEquals: conditions },
      },
    ],
  });
  template.resourceCountIs('AWS::Lambda::Function', 0);
});

test('takes a provider that exists', () => {
  const providerArn = `arn:aws:iam::123456789012:oidc-provider/${ISSUER}`;
  const { trust } = rendered({ providerArn });
  expect(trust).toMatchObject({
    Statement: [{ Principal: { Federated: providerArn }, Condition: { StringEquals: conditions } }],
  });
});

/** Fills in the functions of a text as CloudFormation does when it deploys. */
function deployed(value: unknown, references: Readonly<Record<string, string>>): string | string[] {
  if (typeof value === 'string') return value;
  const [[name, argument] = ['', undefined]] = Object.entries(Object(value));
  const list = (parts: unknown) =>
    Array.isArray(parts) ? parts.map((part) => deployed(part, references)) : [deployed(parts, references)].flat();
  if (name === 'Ref') return references[String(argument)] ?? '';
  if (name === 'Fn::GetAtt' && Array.isArray(argument)) return references[argument.join('.')] ?? '';
  if (name === 'Fn::Join' && Array.isArray(argument)) return list(argument[1]).flat().join(String(argument[0]));
  if (name === 'Fn::Split' && Array.isArray(argument))
    return String(deployed(argument[1], references)).split(String(argument[0]));
  if (name === 'Fn::Select' && Array.isArray(argument)) return list(argument[1]).flat()[Number(argument[0])] ?? '';
  throw new Error(`${name} is not known here`);
}

const pseudo = { 'AWS::Partition': 'aws', 'AWS::AccountId': '123456789012' };

test.each([`https://${ISSUER}`, ISSUER])(
  'a token for %s is filled in at deployment, without a Lambda function',
  (issuer) => {
    const stack = testStack();
    const { template, trust } = rendered({ issuer: new CfnParameter(stack, 'Issuer').valueAsString }, stack);
    const text = deployed(trust, { ...pseudo, Issuer: issuer });
    expect(JSON.parse(String(text))).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: 'sts:AssumeRoleWithWebIdentity',
          Principal: { Federated: `arn:aws:iam::123456789012:oidc-provider/${ISSUER}` },
          Condition: { StringEquals: conditions },
        },
      ],
    });
    template.resourceCountIs('AWS::Lambda::Function', 0);
  },
);

test('a token for the provider is filled in as well', () => {
  const stack = testStack();
  const { trust } = rendered({ providerArn: Fn.importValue('provider') }, stack);
  const providerArn = `arn:aws:iam::123456789012:oidc-provider/${ISSUER}`;
  const filled = JSON.parse(
    String(
      deployed(JSON.parse(JSON.stringify(trust).replaceAll('{"Fn::ImportValue":"provider"}', '{"Ref":"Provider"}')), {
        Provider: providerArn,
      }),
    ),
  );
  expect(filled).toMatchObject({
    Statement: [{ Principal: { Federated: providerArn }, Condition: { StringEquals: conditions } }],
  });
});

describe('errors', () => {
  test.each<[Partial<IrsaRoleProps>, string]>([
    [{}, 'issuer of Test/Irsa: got neither issuer nor providerArn, expected one of them'],
    [{ issuer: ISSUER, providerArn: 'arn' }, 'issuer of Test/Irsa: got issuer and providerArn'],
    [{ issuer: 'http://a b' }, 'issuer of Test/Irsa: got "http://a b"'],
    [
      { providerArn: 'arn:aws:iam::1:oidc-provider/x' },
      'providerArn of Test/Irsa: got "arn:aws:iam::1:oidc-provider/x"',
    ],
    [{ issuer: ISSUER, namespace: '*' }, 'namespace of Test/Irsa: got "*"'],
    [{ issuer: ISSUER, serviceAccountName: 'flicker*' }, 'serviceAccountName of Test/Irsa: got "flicker*"'],
  ])('%j', (props, message) => {
    expect(() => new IrsaRole(testStack(), 'Irsa', { ...account, ...props })).toThrow(message);
  });
});
