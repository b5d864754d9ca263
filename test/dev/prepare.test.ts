import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const script = join(__dirname, '../../scripts/prepare.mjs');

/** Plays Python: makes an empty environment, and notes what overlaps in `$JOURNAL`. */
const fakePython = `#!/bin/sh
case "$1 $2" in
  "-c "*) echo "\${FAKE_VERSION:-3.12.1}" ;;
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "version = 3.12.1" > "$3/pyvenv.cfg" && echo venv >> "$JOURNAL" ;;
  "-m pip") echo "pip starts" >> "$JOURNAL"; sleep 0.3; echo "pip ends" >> "$JOURNAL"; [ -z "$PIP_SAYS" ] || { echo "$PIP_SAYS" >&2; exit 1; } ;;
esac
`;
/** Plays npm: copies the lock file to where npm keeps its own. */
const fakeNpm = `#!/bin/sh
echo "npm $*" >> "$JOURNAL"; mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json
`;

let clone: string;
const journal = () =>
  existsSync(join(clone, 'journal')) ? readFileSync(join(clone, 'journal'), 'utf8').trim().split('\n') : [];

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'holdfast-prepare-'));
  for (const folder of ['scripts', 'dev/aws', 'bin']) mkdirSync(join(clone, folder), { recursive: true });
  copyFileSync(script, join(clone, 'scripts/prepare.mjs'));
  writeFileSync(join(clone, 'dev/aws/requirements.txt'), 'ministack==1\n');
  lockFile({ 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0', optional: true } });
  executable('python3', fakePython);
  executable('npm', fakeNpm);
});
afterEach(() => rmSync(clone, { recursive: true, force: true }));

function executable(name: string, text: string) {
  writeFileSync(join(clone, 'bin', name), text);
  chmodSync(join(clone, 'bin', name), 0o755);
}

function lockFile(packages: Record<string, object>) {
  writeFileSync(join(clone, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...packages } }));
}

function prepare(args: string[] = [], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(clone, 'scripts/prepare.mjs'), ...args], {
    env: { PATH: `${join(clone, 'bin')}:/usr/bin:/bin`, JOURNAL: join(clone, 'journal'), ...env },
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise<{ code: number | null; stderr: string }>((resolve, reject) =>
    child.on('error', reject).on('close', (code) => resolve({ code, stderr })),
  );
}

test('installs once, and then has nothing to do', async () => {
  expect((await prepare()).code).toBe(0);
  expect(journal()).toEqual([expect.stringMatching(/^npm ci --ignore-scripts/), 'venv', 'pip starts', 'pip ends']);
  expect(await prepare()).toEqual({ code: 0, stderr: '' });
  expect(journal()).toHaveLength(4);
});

test('two runs at once do the work once, one after the other, and leave no lock behind', async () => {
  const runs = await Promise.all([prepare(), prepare(), prepare()]);
  expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(journal()).toHaveLength(4);
  expect(readdirSync(join(clone, '.cache'))).toEqual(['aws']);
});

test('takes over the lock of a run that died', async () => {
  const dead = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => dead.on('close', resolve));
  mkdirSync(join(clone, '.cache'));
  writeFileSync(join(clone, '.cache/prepare.lock'), String(dead.pid));
  expect((await prepare()).code).toBe(0);
  expect(readdirSync(join(clone, '.cache'))).toEqual(['aws']);
});

test('installs what changed: the lock file the packages, the requirements the embedded AWS', async () => {
  await prepare();
  lockFile({ 'node_modules/a': { version: '1.0.1' } });
  await prepare();
  expect(journal().slice(4)).toEqual([expect.stringMatching(/^npm ci/)]);
  writeFileSync(join(clone, 'dev/aws/requirements.txt'), 'ministack==2\n');
  await prepare(['--no-emulator']);
  expect(journal()).toHaveLength(5);
  await prepare();
  expect(journal().slice(5)).toEqual(['venv', 'pip starts', 'pip ends']);
});

test('npm installs everything, whatever the npm around it was told', async () => {
  executable(
    'npm',
    `#!/bin/sh\nenv | grep -c '^npm_config_omit\\|^npm_config_dry_run' >> "$JOURNAL"\n${fakeNpm.slice(10)}`,
  );
  await prepare(['--no-emulator'], { npm_config_omit: 'dev', npm_config_dry_run: 'true' });
  expect(journal()).toEqual(['0', expect.stringContaining('--include=dev')]);
});

test.each([
  ['an old Python', { FAKE_VERSION: '3.10.2' }, /^prepare: Python 3\.11 or newer with its venv module is needed/],
  [
    'no network',
    { PIP_SAYS: 'NewConnectionError: nope' },
    /^prepare: embedded AWS: the package registry cannot be reached/,
  ],
])('%s is said in one line', async (_, env, message) => {
  lockFile({});
  mkdirSync(join(clone, 'node_modules'));
  writeFileSync(join(clone, 'node_modules/.package-lock.json'), '{"packages":{}}');
  for (const name of ['python3.13', 'python3.12', 'python3.11', 'python']) executable(name, '#!/bin/sh\nexit 127\n');
  const { code, stderr } = await prepare([], env);
  expect(code).toBe(1);
  const lines = stderr
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('prepare: installing'));
  expect(lines).toEqual([expect.stringMatching(message)]);
});
