// Format, lint, types, and the examples of README and docs: node scripts/check.mjs
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const bin = (name, path) => join(dirname(require.resolve(`${name}/package.json`)), path);

const steps = [
  ['format', bin('prettier', 'bin/prettier.cjs'), ['--check', '--log-level', 'warn', '.']],
  ['lint', bin('eslint', 'bin/eslint.js'), ['--max-warnings', '0', '.']],
  ['types', bin('typescript', 'bin/tsc'), ['--noEmit', '-p', '.']],
  ['docs', bin('tsx', 'dist/cli.mjs'), ['scripts/docs.ts', '--check']],
];
let failed = 0;
for (const [name, script, args] of steps) {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  console.log(`${name}: ${status === 0 ? 'ok' : 'FAILED'}`);
  if (status !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);
