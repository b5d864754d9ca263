import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../runtime/flicker/cli';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function flicker(args: readonly string[], env: Record<string, string> = {}) {
  let out = '';
  let err = '';
  const take =
    (keep: (text: string) => void) =>
    (text: string | Uint8Array, ...rest: unknown[]) => {
      keep(typeof text === 'string' ? text : Buffer.from(text).toString());
      const written = rest.at(-1);
      if (typeof written === 'function') written();
      return true;
    };
  const stdout = jest.spyOn(process.stdout, 'write').mockImplementation(take((text) => (out += text)));
  const stderr = jest.spyOn(process.stderr, 'write').mockImplementation(take((text) => (err += text)));
  try {
    const code = await run(['node', 'flicker', ...args], env);
    return { code, out, err };
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
}

function config(text: string): string {
  const path = join(folder, 'config.yaml');
  writeFileSync(path, text);
  return path;
}

const logToFile = () => `
log_files:
  - path: ${join(folder, 'app.log')}
    start_at: beginning
    destination: { type: file, path: ${join(folder, 'out.jsonl')} }
`;

test.each([
  ['an unknown key', 'log_fils: []\n', 'unknown key "log_fils", did you mean "log_files"?'],
  [
    'an unknown destination',
    'log_files: [{ path: a, destination: { type: sislog, host: b } }]\n',
    'log_files[0].destination.type: unknown destination type "sislog", did you mean "syslog"?',
  ],
  ['no source', '{}\n', 'there is no source: add log_files, docker_containers or api_sources'],
  ['no destination', 'log_files: [{ path: a }]\n', 'log_files[0].destination: no destination'],
  ['no YAML', 'log_files: [\n', 'line 2:'],
  [
    'a pattern that the engine does not have',
    'log_files: [{ path: a, match_on: ["(?=x)"], destination: { type: stdout } }]\n',
    'match_on',
  ],
])('--validate refuses %s with exit code 2', async (_, text, message) => {
  const { code, err } = await flicker(['-c', config(text), '--validate']);
  expect(err).toContain(message);
  expect(code).toBe(2);
});

test('--validate names a variable that is not set and the key that needs it; --allow-unset accepts it', async () => {
  const file = config(`
api_sources:
  - name: okta
    endpoint: https://example.com/logs
    results_field: ''
    timestamp_field: published
    headers: { Authorization: 'SSWS \${OKTA_API_TOKEN}', Accept: '\${ACCEPT:-application/json}' }
    destination: { type: stdout }
`);
  const refused = await flicker(['-c', file, '--validate']);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain('api_sources[0].headers.Authorization: the variable OKTA_API_TOKEN is not set');
  expect(refused.err).not.toContain('ACCEPT');
  const allowed = await flicker(['-c', file, '--validate', '--allow-unset']);
  expect(allowed).toMatchObject({ code: 0, out: expect.stringContaining('not set here: OKTA_API_TOKEN') });
  const set = await flicker(['-c', file, '--validate'], { OKTA_API_TOKEN: 'secret-token' });
  expect(set).toMatchObject({ code: 0, out: 'config is valid: 0 log file sources, 1 API source\n' });
  expect(set.out + set.err).not.toContain('secret-token');
});

test('--validate warns of a preset that nobody has run against the vendor', async () => {
  const file = config(`
api_sources:
  - { name: tines, preset: tines, domain: company.tines.com, token: t, destination: { type: stdout } }
  - { name: slack, preset: slack, token: t, destination: { type: stdout } }
`);
  const { code, out } = await flicker(['-c', file, '--validate']);
  expect(code).toBe(0);
  expect(out.match(/^warning: .*$/gm)).toEqual([
    expect.stringContaining('the preset "tines" of tines is experimental'),
  ]);
});

test.each([
  ['a flag that is none', ['--trak'], "unknown option '--trak'"],
  ['a config that is not there', ['-c', '/nonexistent/flicker.yaml'], 'there is no such file'],
  ['a port that is none', ['-c', 'x', '--port', 'many'], '--port <number> [FLICKER_PORT]: Invalid input'],
  [
    'a registry that is no place',
    ['--track', '--registry-file', 's3://bucket'],
    '[FLICKER_REGISTRY_FILE]: expected s3://',
  ],
  ['a command that is none', ['helth', 'now'], "there is no command 'helth', did you mean 'health'?"],
  ['--allow-unset without --validate', ['--allow-unset'], '--allow-unset only goes with --validate'],
])('%s is bad usage', async (_, args, message) => {
  const { code, err } = await flicker(args);
  expect(err).toContain(message);
  expect(code).toBe(2);
});

test('--once ships what is there, saves, and does not ship it again', async () => {
  writeFileSync(join(folder, 'app.log'), 'one\ntwo\nhalf');
  const args = ['-c', config(logToFile()), '--once', '--track', '--registry-file', join(folder, 'registry.json')];
  expect(await flicker(args)).toMatchObject({ code: 0 });
  const lines = () =>
    readFileSync(join(folder, 'out.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
  expect(lines()).toMatchObject([{ line: 'one' }, { line: 'two' }]);
  writeFileSync(join(folder, 'app.log'), ' line\n', { flag: 'a' });
  expect(await flicker(args)).toMatchObject({ code: 0 });
  expect(lines()).toMatchObject([{ line: 'one' }, { line: 'two' }, { line: 'half line' }]);
});

test('--once fails with 1 where something could not be delivered, and the next run delivers it', async () => {
  writeFileSync(join(folder, 'app.log'), 'one\n');
  const registry = ['--track', '--registry-file', join(folder, 'registry.json'), '--once'];
  const down = config(
    logToFile().replace(/\{ type: file.*\}/, '{ type: http, endpoint: "http://127.0.0.1:9/" }') +
      'retry: { max_retries: 1, initial_delay_ms: 1, max_delay_ms: 2 }\n',
  );
  expect(await flicker(['-c', down, ...registry])).toMatchObject({ code: 1 });
  expect(await flicker(['-c', config(logToFile()), ...registry])).toMatchObject({ code: 0 });
  expect(readFileSync(join(folder, 'out.jsonl'), 'utf8')).toContain('"line":"one"');
});

test('--dry-run prints events and neither sends nor saves', async () => {
  writeFileSync(join(folder, 'app.log'), 'one\n');
  const registry = join(folder, 'registry.json');
  const args = ['-c', config(logToFile()), '--dry-run', '--once', '--track', '--registry-file', registry];
  const { code, out } = await flicker(args);
  expect(code).toBe(0);
  expect(out).toContain('"line":"one"');
  expect(() => readFileSync(registry)).toThrow('ENOENT');
  expect(() => readFileSync(join(folder, 'out.jsonl'))).toThrow('ENOENT');
});

test('a config in the environment is used when no file is named', async () => {
  const { code, out } = await flicker(['--validate'], {
    FLICKER_CONFIG: JSON.stringify({ log_files: [{ path: '/a', destination: { type: 'stdout' } }] }),
  });
  expect({ code, out }).toEqual({ code: 0, out: 'config is valid: 1 log file source, 0 API sources\n' });
});
