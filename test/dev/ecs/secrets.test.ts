import { secretSource } from '../../../dev/ecs/secrets';

const secret = 'arn:aws:secretsmanager:us-east-1:1:secret:flicker/token-AbCdEf';

test.each([
  [secret, { type: 'secrets-manager', id: secret }],
  [`${secret}:token::`, { type: 'secrets-manager', id: secret, field: 'token' }],
  [`${secret}::AWSPREVIOUS:`, { type: 'secrets-manager', id: secret, stage: 'AWSPREVIOUS' }],
  [`${secret}:token::v1`, { type: 'secrets-manager', id: secret, field: 'token', version: 'v1' }],
  ['arn:aws:ssm:us-east-1:1:parameter/flicker/level', { type: 'parameter', name: '/flicker/level' }],
  ['arn:aws:ssm:us-east-1:1:parameter/level', { type: 'parameter', name: 'level' }],
  ['level', { type: 'parameter', name: 'level' }],
])('%s', (valueFrom, source) => expect(secretSource(valueFrom)).toEqual(source));

test('another ARN is refused', () => expect(() => secretSource('arn:aws:s3:::bucket')).toThrow(/neither a secret/));
