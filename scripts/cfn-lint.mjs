// Lints the templates of the reference app with cfn-lint: node scripts/cfn-lint.mjs
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const tsx = join(dirname(require.resolve('tsx/package.json')), 'dist/cli.mjs');

const shapes = { default: {}, public: { nat: 'false', monitor: 'true' } };
const folder = mkdtempSync(join(tmpdir(), 'holdfast-lint-'));
let failed = false;
try {
  for (const [name, context] of Object.entries(shapes)) {
    const output = join(folder, name);
    const env = {
      ...process.env,
      CDK_OUTDIR: output,
      CDK_VALIDATION: 'false',
      CDK_CONTEXT_JSON: JSON.stringify(context),
    };
    const synth = spawnSync(process.execPath, [tsx, join(root, 'bin/holdfast.ts')], {
      cwd: root,
      env,
      stdio: 'inherit',
    });
    if (synth.status !== 0) throw new Error(`the reference app cannot be synthesized (${name})`);
    const templates = readdirSync(output).filter((file) => file.endsWith('.template.json'));
    const lint = spawnSync(
      'cfn-lint',
      templates.map((file) => join(output, file)),
      { stdio: 'inherit' },
    );
    if (lint.error) {
      console.error('cfn-lint is not installed: pip install cfn-lint');
      failed = true;
      break;
    }
    console.log(`${name}: ${templates.length} templates: ${lint.status === 0 ? 'ok' : 'FAILED'}`);
    failed ||= lint.status !== 0;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
