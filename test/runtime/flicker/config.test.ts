import { SettingsError } from '../../../contract';
import { parseConfig, readConfigFile } from '../../../runtime/flicker/config';

const parse = (text: string, env: Record<string, string> = {}, allowUnset = false) =>
  parseConfig({ origin: 'flicker.yaml', text }, env, allowUnset);
const refusal = (...args: Parameters<typeof parse>): string => {
  try {
    parse(...args);
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  throw new Error('accepted');
};

const source = (more: string) => `log_files: [{ path: a, destination: { type: stdout }, ${more} }]\n`;

test.each([
  ['a text that is not closed', 'a: 1\nb: "SECRET\n', 'line 3: Missing closing "quote'],
  ['text after a text', 'a: "x" SECRET', 'line 1: Unexpected scalar at node end'],
  ['text after a block', 'a: |SECRET', 'line 1: Block scalar header includes extra characters'],
  ['two keys in a line', 'a: b: SECRET', 'line 1: Nested mappings are not allowed in compact mappings'],
  ['a key among entries', '- a\nSECRET: SECRET', 'line 2: Unexpected scalar at node end'],
  [
    'an anchor that is none',
    'a: *SECRET',
    'Unresolved alias (the anchor must be set before the alias); a text that begins with *',
  ],
  ['a text with @', 'k: @SECRET', 'line 1: Plain value cannot start with reserved character @'],
  ['a key twice', 'a: 1\na: SECRET', 'line 2: Map keys must be unique'],
])('%s is no YAML, and is not quoted: it may be a secret', (_name, text, message) => {
  const said = refusal(text);
  expect(said).toContain('the config flicker.yaml is not YAML:');
  expect(said).toContain(message);
  expect(said).not.toContain('SECRET');
});

test('aliases of aliases of aliases are refused before they fill the memory', () => {
  const names = 'abcdefghij';
  const bomb = [...names].map((name, i) => {
    const inner = i === 0 ? 'x' : `*${names[i - 1]}`;
    return `${name}: &${name} [${Array(9).fill(inner).join(',')}]`;
  });
  expect(refusal(bomb.join('\n'))).toContain('Excessive alias count');
});

test('what a variable holds is never quoted, wherever it is put', () => {
  const env = { TOKEN: 'SECRET' };
  const places = [
    'polling_frequency_ms',
    'buffer_size',
    'flush_interval_ms',
    'batch_max_bytes',
    'start_at',
    'match_on',
    'masking',
  ];
  for (const place of places) {
    const said = refusal(source(`${place}: "\${TOKEN}"`), env);
    expect(said).toContain(`log_files[0].${place}`);
    expect(said).not.toContain('SECRET');
  }
  const endpoint = refusal('log_files: [{ path: a, destination: { type: http, endpoint: "${TOKEN}" } }]', env);
  expect(endpoint).toContain('log_files[0].destination.endpoint: expected an absolute URL');
  expect(endpoint).not.toContain('SECRET');
});

test.each([
  ['', 'there is no source'],
  ['text', '(top level): Invalid input: expected object, received string'],
  ['- a', '(top level): Invalid input: expected object, received array'],
  ['--- {}\n--- {}', 'Source contains multiple documents'],
  [source('name: "${UNCLOSED"'), 'log_files[0].name: "${" begins a variable and must be ${NAME} or ${NAME:-default}'],
])('%j is refused: %s', (text, message) => expect(refusal(text)).toContain(message));

test('the hash is that of what is written, whatever the variables hold', () => {
  const text = source('name: "${NAME}"');
  const [a, b] = [parse(text, { NAME: 'a' }), parse(text, { NAME: 'b' })];
  expect([a.config.log_files[0]?.name, b.config.log_files[0]?.name]).toEqual(['a', 'b']);
  expect(a.hash).toBe(b.hash);
  expect(parse(source('name: a')).hash).not.toBe(a.hash);
});

test('variables that are not set are listed once where that is allowed', () => {
  expect(parse(source('name: "${A}", exclude_on: ["${A}", "${B:-x}"]'), {}, true).unset).toEqual(['A']);
});

test('a file that cannot be read is named with the reason', async () => {
  await expect(readConfigFile('/nonexistent.yaml')).rejects.toThrow(
    '/nonexistent.yaml:\n  - there is no such file; name it with --config',
  );
  await expect(readConfigFile('/')).rejects.toThrow('EISDIR');
});
