// Builds what the tests stand on, then runs them: node scripts/test.mjs [jest arguments]
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

for (const [script, args] of [
  [join(root, 'scripts/build.mjs'), []],
  [require.resolve('jest/bin/jest'), process.argv.slice(2)],
]) {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
