import { pathMapper } from '../../../dev/ecs/paths';

const mapper = pathMapper([
  { containerPath: '/state', folder: '/t/1/state' },
  { containerPath: '/state/deep/', folder: '/t/1/deep' },
  { containerPath: '/var/log/app', folder: '/t/1/logs' },
]);

test.each([
  ['/state', '/t/1/state'],
  ['/state/a.json', '/t/1/state/a.json'],
  ['/state/deep/a', '/t/1/deep/a'],
  ['/states/a', '/states/a'],
  ['/state.bak', '/state.bak'],
  ['/mnt/state', '/mnt/state'],
  ['--file=/state/a', '--file=/t/1/state/a'],
  ['file:///state/a', 'file:///t/1/state/a'],
  ['s3://bucket/state/a', 's3://bucket/state/a'],
  ['see /state', 'see /state'],
])('path %s is %s', (text, mapped) => expect(mapper.path(text)).toBe(mapped));

test.each([
  ['node /state/main.mjs health || exit 1', 'node /t/1/state/main.mjs health || exit 1'],
  [`cat '/var/log/app/a' "/state" >/state/b`, `cat '/t/1/logs/a' "/t/1/state" >/t/1/state/b`],
  ['curl http://127.0.0.1:80/state', 'curl http://127.0.0.1:80/state'],
])('script %s', (text, mapped) => expect(mapper.script(text)).toBe(mapped));

test('an environment value may be JSON whose strings are paths', () => {
  const config = { log_files: [{ path: '/var/log/app/*.log' }], note: 'not /state', n: 1 };
  expect(JSON.parse(mapper.value(JSON.stringify(config)))).toEqual({
    ...config,
    log_files: [{ path: '/t/1/logs/*.log' }],
  });
  expect(mapper.value('{ "as":  "it is" }')).toBe('{ "as":  "it is" }');
  expect(mapper.value('{not json')).toBe('{not json');
  expect(mapper.value('/state')).toBe('/t/1/state');
});
