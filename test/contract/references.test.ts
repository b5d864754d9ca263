import fc from 'fast-check';
import { expandReferences, listReferences } from '../../contract';

const expand = (text: string, variables: Record<string, string> = {}) => expandReferences({ k: text }, variables);

test.each([
  ['${A}', 'a'],
  ['x${A}y${A}', 'xaya'],
  ['${B:-b}', 'b'],
  ['${A:-b}', 'a'],
  ['${EMPTY:-b}', ''],
  ['${B:-}', ''],
  ['$${A}', '${A}'],
  ['$A {A} $', '$A {A} $'],
  ['${NESTED}', '${A}'],
])('%p becomes %p', (text, expected) => {
  const { value, unset, malformed } = expand(text, { A: 'a', EMPTY: '', NESTED: '${A}' });
  expect({ value, unset, malformed }).toEqual({ value: { k: expected }, unset: [], malformed: [] });
});

test('a variable that is not set is told with its key, and its reference stays', () => {
  expect(expandReferences({ sources: [{ headers: { Authorization: 'Bearer ${T}' } }] }, {})).toEqual({
    value: { sources: [{ headers: { Authorization: 'Bearer ${T}' } }] },
    unset: [{ name: 'T', key: 'sources[0].headers.Authorization', hasDefault: false }],
    malformed: [],
  });
});

test.each(['${', '${}', '${1A}', '${A', '${A-b}', '${A:b}'])('%p is malformed', (text) => {
  expect(expand(text, { A: 'a' })).toMatchObject({ value: { k: text }, malformed: ['k'] });
});

test('keys, numbers and the like are left alone', () => {
  const value = { '${A}': [1, true, null, { b: undefined }] };
  expect(expandReferences(value, { A: 'a' }).value).toEqual(value);
});

test('references are listed with their keys; escapes and CDK tokens are none', () => {
  expect(listReferences(['${A}${B:-x}', { c: '$${D} ${Token[TOKEN.1]}' }])).toEqual([
    { name: 'A', key: '[0]', hasDefault: false },
    { name: 'B', key: '[0]', hasDefault: true },
  ]);
});

test('text without "${" never changes, and any text can be escaped', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const { value, malformed } = expand(text.replaceAll('${', () => '$${'));
      return malformed.length === 0 && JSON.stringify(value) === JSON.stringify({ k: text });
    }),
  );
});
