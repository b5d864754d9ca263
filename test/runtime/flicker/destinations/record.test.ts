import { BatchBuilder } from '../../../../runtime/flicker/batch';
import { decode, decodeAll, withFields } from '../../../../runtime/flicker/destinations/record';

test('a record is what the source put in', () => {
  const builder = new BatchBuilder(10, 10_000);
  const fields = { level: 'info', 'nested ü': [1, { a: null }] };
  const extra = {
    time: '2026-01-02T03:04:05.123456789Z',
    attributes: { 'k8s.pod.name': 'web-1' },
    fields: JSON.stringify(fields),
  };
  builder.addText('docker://web', 'é "1"\n', 'id-1', extra);
  builder.addText('/var/log/app.log', 'two', 'id-2');
  builder.addText('/var/log/app.log', 'three', undefined, extra);
  const { records } = builder.take();
  expect(decodeAll(records)).toEqual([
    { path: 'docker://web', line: 'é "1"\n', id: 'id-1', ...extra, fields },
    { path: '/var/log/app.log', line: 'two', id: 'id-2' },
    { path: '/var/log/app.log', line: 'three' },
  ]);
  expect(decode(records.pick([1]), 0).line).toBe('two');
});

test.each([
  ['{"n":12345678901234567890,"o":{"fields":{"m":-9007199254740993}}}'],
  ['{"n":1,"n":2,"s":"a"}', '{"n":2,"s":"a"}'],
])('fields %s are written with the numbers that they have', (fields, expected = fields) => {
  const builder = new BatchBuilder(10, 10_000);
  const attributes = { fields: ',"fields":{', 'a"b': '' };
  builder.addText('p', ',"fields":{"n":1}', 'i', { attributes, fields });
  const { records } = builder.take();
  const written = withFields({ attributes }, records, 0, decode(records, 0).fields);
  expect(written).toBe(`{"attributes":${JSON.stringify(attributes)},"fields":${expected}}`);
});

test('picked records are a batch of their own', () => {
  const builder = new BatchBuilder(10, 10_000);
  for (const line of ['a', 'b', 'c']) builder.addText('p', line, line);
  const { records } = builder.take();
  const picked = records.pick([2, 0]);
  expect(JSON.parse(String(picked.body('array')))).toMatchObject([{ line: 'c' }, { line: 'a' }]);
  expect(String(picked.body('lines')).split('\n')).toHaveLength(3);
  expect(String(picked.slice(1, 2).body('array'))).toBe('[{"path":"p","line":"a","id":"a"}]');
  expect(String(records.pick([]).body('array'))).toBe('[]');
  expect(JSON.parse(String(records.body('array')))).toHaveLength(3);
});
