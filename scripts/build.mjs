// Builds dist/: the runtime bundles, and the library with its types, schema and reference app.
//   node scripts/build.mjs            everything
//   node scripts/build.mjs --runtime  only the bundles
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle, programs } from './bundle.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const runtimeOnly = process.argv.includes('--runtime');

if (!runtimeOnly) rmSync(join(root, 'dist'), { recursive: true, force: true });
for (const program of Object.keys(programs)) {
  const file = join(root, `dist/runtime/${program}/${program}.mjs`);
  await bundle(program, { outfile: file });
  chmodSync(file, 0o755);
  console.log(`${program}: ${(statSync(file).size / 1e6).toFixed(2)} MB`);
}
if (!runtimeOnly) {
  execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')], {
    stdio: 'inherit',
  });
  copyFileSync(join(root, 'runtime/Dockerfile'), join(root, 'dist/runtime/Dockerfile'));
  const { flickerConfigJsonSchema } = require('../dist/contract');
  mkdirSync(join(root, 'dist/schema'), { recursive: true });
  writeFileSync(join(root, 'dist/schema/flicker.json'), `${JSON.stringify(flickerConfigJsonSchema(), null, 2)}\n`);
}
