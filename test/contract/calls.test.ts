import {
  clusterId,
  deadLetterLocation,
  flickerCalls,
  flickerConfig,
  kmsActionsOf,
  layoutOfKey,
  parseS3Location,
  parseSettings,
  registryCalls,
  registryLayout,
  registryOperatorCalls,
  REGISTRY_WRITE_ACTION,
  s3Destinations,
  spillLocation,
  type AwsResource,
  type FlickerConfigInput,
} from '../../contract';

const parse = (config: FlickerConfigInput) => parseSettings(flickerConfig('final'), config, 'config');
const file = (path: string, prefix?: string): NonNullable<FlickerConfigInput['log_files']>[number] => ({
  path,
  ...(prefix === undefined ? {} : { destination: { type: 's3', bucket: 'archive', prefix } }),
});

describe('the layout of a registry', () => {
  test('is a key and the prefix beside it', () => {
    expect(registryLayout('flicker', 'prod', 'okta')).toEqual({
      key: 'flicker/prod/okta-registry.json',
      prefix: 'flicker/prod/okta/',
    });
    expect(clusterId('prod', 'okta')).toBe('prod/okta');
  });

  test.each([
    ['a/b-registry.json', 'a/b/'],
    ['a/b.json', 'a/b/'],
    ['a/b', 'a/b/'],
    ['registry.json', 'registry/'],
  ])('of %s has the prefix %s', (key, prefix) => expect(layoutOfKey(key)).toEqual({ key, prefix }));
});

describe('a registry location', () => {
  test('is S3 or a local path', () => {
    expect(parseS3Location('s3://bucket/a/b.json')).toEqual({ bucket: 'bucket', key: 'a/b.json' });
    expect(parseS3Location('./a.json')).toBeUndefined();
  });

  test.each(['s3://', 's3://bucket', 's3://bucket/', 's3:///key'])('%s is incomplete', (location) => {
    expect(() => parseS3Location(location)).toThrow(`"${location}" is no registry location: expected s3://bucket/key`);
  });
});

test.each([
  [undefined, undefined],
  ['s3://bucket/flicker/prod/a-registry.json', { bucket: 'bucket', prefix: 'flicker/prod/a/spill/' }],
  ['/var/lib/flicker.json', { path: '/var/lib/flicker/spill' }],
])('spilled batches of the registry %p lie at %p', (registry, place) => {
  expect(spillLocation(registry)).toEqual(place);
});

describe('dead letters', () => {
  test.each<[FlickerConfigInput['dead_letter'], string | undefined, unknown]>([
    [undefined, undefined, undefined],
    [undefined, 's3://bucket/flicker/prod/a-registry.json', { bucket: 'bucket', prefix: 'flicker/prod/a/dlq/' }],
    [undefined, '/var/lib/flicker.json', { path: '/var/lib/flicker/dlq' }],
    [{ path: '/dead' }, 's3://bucket/key', { path: '/dead' }],
    [{ bucket: 'refused' }, undefined, { bucket: 'refused', prefix: '' }],
    [{ bucket: 'refused', prefix: 'a' }, undefined, { bucket: 'refused', prefix: 'a/' }],
  ])('told %p with the registry %p lie at %p', (dead_letter, registry, expected) => {
    const config = parse({ log_files: [{ path: '/a' }], destination: { type: 'stdout' }, dead_letter });
    expect(deadLetterLocation(config, registry)).toEqual(expected);
  });
});

test('S3 destinations are those that a source uses, each once', () => {
  const destination = { type: 's3', bucket: 'archive', prefix: 'all' } as const;
  expect(s3Destinations(parse({ log_files: [file('/a', 'x'), file('/b', 'x/'), file('/c')], destination }))).toEqual([
    { bucket: 'archive', prefix: 'x/' },
    { bucket: 'archive', prefix: 'all/' },
  ]);
  expect(s3Destinations(parse({ log_files: [file('/a', 'x')], destination }))).toHaveLength(1);
});

function placeOf(resource: AwsResource): string {
  if (resource.type === 's3-object') return `${resource.bucket} ${resource.key}`;
  return resource.type === 's3-list' ? `${resource.bucket} ?prefix=${resource.prefix}` : JSON.stringify(resource);
}

describe('the calls of flicker', () => {
  const lines = (config: FlickerConfigInput, registry?: string) =>
    flickerCalls(parse(config), registry).map(
      ({ operation, action, resource }) => `${operation} ${action} ${placeOf(resource)}`,
    );

  test('without S3 are none', () => {
    expect(lines({ log_files: [file('/a')], destination: { type: 'stdout' } }, './registry.json')).toEqual([]);
  });

  test('follow from the registry, the destinations and the dead letters', () => {
    expect(
      lines(
        { log_files: [file('/a', 'x')], dead_letter: { bucket: 'refused', prefix: 'd' } },
        's3://state/a-registry.json',
      ),
    ).toEqual([
      'GetObject s3:GetObject state a-registry.json',
      'PutObject s3:PutObject state a-registry.json',
      'ListObjectsV2 s3:ListBucket state ?prefix=a-registry.json',
      'ListObjectVersions s3:ListBucketVersions state ?prefix=a-registry.json',
      'PutObject s3:PutObject state a/*',
      'PutObject s3:PutObject refused d/*',
      'PutObject s3:PutObject archive x/*',
      'HeadObject s3:GetObject archive x/*',
      'GetObject s3:GetObject archive x/*',
      'ListObjectsV2 s3:ListBucket archive ?prefix=x/*',
    ]);
  });

  test('follow from the places of AWS that events go to, each once', () => {
    const to = (destination: FlickerConfigInput['destination'], path: string) => ({ path, destination });
    const url = 'https://sqs.eu-west-1.amazonaws.com/111122223333/events';
    expect(
      lines({
        log_files: [
          to({ type: 'cloudwatch_logs', log_group: '/app', region: 'eu-west-1' }, '/a'),
          to({ type: 'cloudwatch_logs', log_group: '/app', region: 'eu-west-1', include_id: false }, '/b'),
          to({ type: 'kinesis', stream: 'events' }, '/c'),
          to({ type: 'firehose', delivery_stream: 'events' }, '/d'),
          to({ type: 'sqs', queue_url: url }, '/e'),
        ],
      }),
    ).toEqual([
      'PutLogEvents logs:PutLogEvents {"type":"log-group","name":"/app","region":"eu-west-1"}',
      'CreateLogStream logs:CreateLogStream {"type":"log-group","name":"/app","region":"eu-west-1"}',
      'PutRecords kinesis:PutRecords {"type":"kinesis-stream","stream":"events"}',
      'PutRecordBatch firehose:PutRecordBatch {"type":"firehose-stream","name":"events"}',
      `SendMessageBatch sqs:SendMessage {"type":"sqs-queue","url":"${url}"}`,
    ]);
  });

  test('follow from what is spilled, where there is a registry in S3 and a destination that is not waited for', () => {
    const archive = { type: 's3', bucket: 'archive', required: false } as const;
    const all = [{ type: 'stdout' as const }, archive];
    const log_files = [{ path: '/a', destinations: all }];
    const spilled = lines({ log_files }, 's3://state/a-registry.json').filter((line) => line.includes('a/spill/'));
    expect(spilled).toEqual([
      'GetObject s3:GetObject state a/spill/*',
      'DeleteObject s3:DeleteObject state a/spill/*',
      'ListObjectsV2 s3:ListBucket state ?prefix=a/spill/*',
    ]);
    expect(lines({ log_files }, './registry.json').join()).not.toContain('spill');
    const waiting = { ...archive, required: true };
    expect(lines({ log_files: [{ path: '/a', destination: waiting }] }, 's3://state/a.json').join()).not.toContain(
      'spill',
    );
  });

  test('each say why, in other words', () => {
    const calls = flickerCalls(parse({ log_files: [file('/a', 'x')] }), 's3://state/a-registry.json');
    expect(new Set(calls.map(({ why }) => why)).size).toBe(calls.length);
  });
});

test('an operator makes the calls of the protocol, reads versions, and works on what is kept beside', () => {
  const layout = registryLayout('flicker', 'prod', 'okta');
  const beside = { type: 's3-object', bucket: 'state', key: 'flicker/prod/okta/*' };
  const more = registryOperatorCalls('state', layout).filter(
    (call) => !registryCalls('state', layout).some(({ why }) => why === call.why),
  );
  expect(more.map(({ action, resource }) => [action, resource])).toEqual([
    ['s3:GetObjectVersion', { type: 's3-object', bucket: 'state', key: layout.key }],
    ['s3:GetObject', beside],
    ['s3:ListBucket', { type: 's3-list', bucket: 'state', prefix: 'flicker/prod/okta/*' }],
    ['s3:PutObject', beside],
    ['s3:DeleteObject', beside],
  ]);
});

test('every action on objects tells what it asks of a KMS key', () => {
  const destinations = [{ type: 's3' as const, bucket: 'archive', required: false }];
  const config = parse({ log_files: [{ path: '/a', destinations }], dead_letter: { bucket: 'refused' } });
  const calls = [
    ...flickerCalls(config, 's3://state/a.json'),
    ...registryOperatorCalls('state', layoutOfKey('a.json')),
  ];
  for (const { action, resource } of calls) {
    expect([action, action in kmsActionsOf]).toEqual([action, resource.type === 's3-object']);
  }
  expect(REGISTRY_WRITE_ACTION in kmsActionsOf).toBe(true);
});
