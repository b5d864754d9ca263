import { resolve, type StackValues } from '../../../dev/ecs/template';

const values: StackValues = {
  stackName: 'Shop',
  refs: new Map([
    ['Bucket', 'shop-bucket'],
    ['Secret', 'arn:aws:secretsmanager:us-east-1:1:secret:s-AbCdEf'],
  ]),
  pseudo: { 'AWS::Region': 'us-east-1', 'AWS::Partition': 'aws' },
  exports: new Map([['State:Export', 'exported']]),
  attribute: (id, name) => (id === 'Bucket' && name === 'Arn' ? 'arn:aws:s3:::shop-bucket' : undefined),
};

test.each<[string, unknown, unknown]>([
  ['a Ref of a resource', { Ref: 'Bucket' }, 'shop-bucket'],
  ['a Ref of a pseudo parameter', { Ref: 'AWS::Region' }, 'us-east-1'],
  [
    'GetAtt, as list and as text',
    [{ 'Fn::GetAtt': ['Bucket', 'Arn'] }, { 'Fn::GetAtt': 'Bucket.Arn' }],
    ['arn:aws:s3:::shop-bucket', 'arn:aws:s3:::shop-bucket'],
  ],
  [
    'a Join within a Join',
    { 'Fn::Join': ['', [{ Ref: 'Secret' }, { 'Fn::Join': [':', ['', 'token', '', '']] }]] },
    'arn:aws:secretsmanager:us-east-1:1:secret:s-AbCdEf:token::',
  ],
  ['a Select of a Split', { 'Fn::Select': [6, { 'Fn::Split': [':', { Ref: 'Secret' }] }] }, 's-AbCdEf'],
  [
    'a Sub with names, attributes, its own map and a literal',
    { 'Fn::Sub': ['${Bucket} ${Bucket.Arn} ${own} ${!kept}', { own: { Ref: 'AWS::Partition' } }] },
    'shop-bucket arn:aws:s3:::shop-bucket aws ${kept}',
  ],
  ['an import', { 'Fn::ImportValue': { 'Fn::Sub': 'State:Export' } }, 'exported'],
  [
    'what has no intrinsic',
    { A: [1, true, null, 'Ref'], B: { Ref: 'Bucket', Other: 1 } },
    { A: [1, true, null, 'Ref'], B: { Ref: 'Bucket', Other: 1 } },
  ],
  ['AWS::NoValue, in objects and lists', { A: { Ref: 'AWS::NoValue' }, B: [1, { Ref: 'AWS::NoValue' }] }, { B: [1] }],
])('resolves %s', (_, template, expected) => expect(resolve(template, values)).toEqual(expected));

test.each<[unknown, RegExp]>([
  [{ Ref: 'Nobody' }, /stack Shop has no resource or parameter Nobody/],
  [{ 'Fn::GetAtt': ['Bucket', 'DomainName'] }, /attribute DomainName of Bucket in stack Shop is not known/],
  [{ 'Fn::ImportValue': 'gone' }, /imports gone, which no stack exports/],
  [{ 'Fn::If': ['C', 1, 2] }, /Fn::If in stack Shop is not resolved here; known: Ref, /],
  [{ 'Fn::Select': [3, ['a']] }, /element 3/],
])('refuses %j', (template, message) => expect(() => resolve(template, values)).toThrow(message));
