import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FEATURES, featureProblems, linkProblems } from '../../scripts/features';

const root = join(__dirname, '../..');
const read = (page: string) => readFileSync(join(root, page), 'utf8');
const features = read(FEATURES);
const pages = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'bench/README.md'],
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

test('every promise and every fault has its page, its construct or command, and its test', () => {
  expect(featureProblems(features, root)).toEqual([]);
});

test.each([
  ['a row', /^\| F-7 .*\n/m, '', 'F-7: is missing'],
  ['a page', '(migration.md)', '(moving.md)', 'docs/features.md: there is no moving.md'],
  ['a heading', '#scaling-out', '#scaling', 'docs/features.md: registry.md#scaling: there is no such heading'],
  ['a command', '`flicker registry copy`', '`flicker registry move`', 'F-2: there is no `flicker registry move`'],
  ['an option', '`flicker --dry-run`', '`flicker --dry`', 'W-30: there is no `flicker --dry`'],
  ['a key', '`retry.max_retries`', '`retry.retries`', 'W-8: there is no `retry.retries`'],
  ['a script', '`npm run bench`', '`npm run race`', 'F-28: there is no `npm run race`'],
  ['a test file', '`e2e/fencing`', '`e2e/fence`', 'F-34: there is no test/e2e/fence.test.ts'],
  [
    'a test',
    '“readTime”',
    '“readTimes”',
    'W-10: test/runtime/flicker/sources/api/units.test.ts has no test “readTimes”',
  ],
])('%s that is not there is found', (_, from, to, problem) => {
  expect(featureProblems(features.replace(from, to), root)).toEqual([problem]);
});

test('links of the docs lead somewhere', () => {
  expect(pages.flatMap((page) => linkProblems(page, read(page), root))).toEqual([]);
});

test('a command for a cluster names its namespace, or what it is given does', () => {
  const commands = pages.flatMap((page) => read(page).match(/kubectl [^`\n]*/g) ?? []);
  expect(commands.filter((command) => !/ (-n|--namespace|-f) /.test(command))).toEqual([]);
});
