import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { version } from '../../package.json';

const root = join(__dirname, '../..');
const built = join(root, 'dist/runtime/flicker/flicker.mjs');

/** Bundles the tree `from` into `folder`, in a process of its own. @returns the files that went in */
function bundleIn(folder: string, from = folder): string[] {
  const outfile = join(folder, 'dist/runtime/flicker/flicker.mjs');
  const script = `const { bundle } = await import(${JSON.stringify(join(root, 'scripts/bundle.mjs'))});
    console.log(JSON.stringify(await bundle('flicker', ${JSON.stringify({ root: from, outfile })})));`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    encoding: 'utf8',
  });
  const inputs: string[] = JSON.parse(printed);
  return inputs;
}

function copyInputs(inputs: readonly string[], folder: string): void {
  for (const input of inputs) {
    cpSync(join(root, input), join(folder, input));
    // How a file is read depends on the package.json above it.
    for (let at = dirname(input); at !== '.'; at = dirname(at)) {
      const manifest = join(at, 'package.json');
      if (existsSync(join(root, manifest))) cpSync(join(root, manifest), join(folder, manifest));
    }
  }
  for (const file of ['package.json', 'tsconfig.json']) cpSync(join(root, file), join(folder, file));
}

test('the same sources give the same bytes in another folder', () => {
  const [first, second] = ['a', 'b-with-a-longer-name'].map((name) => mkdtempSync(join(tmpdir(), `holdfast-${name}-`)));
  const scratch = mkdtempSync(join(tmpdir(), 'holdfast-scratch-'));
  if (!first || !second) throw new Error('no folders');
  try {
    const inputs = bundleIn(scratch, root);
    for (const folder of [first, second]) {
      copyInputs(inputs, folder);
      bundleIn(folder);
    }
    for (const file of ['dist/runtime/flicker/flicker.mjs', 'dist/runtime/flicker/flicker.mjs.map']) {
      expect(readFileSync(join(first, file)).equals(readFileSync(join(second, file)))).toBe(true);
    }
    expect(readFileSync(join(first, 'dist/runtime/flicker/flicker.mjs')).equals(readFileSync(built))).toBe(true);
  } finally {
    for (const folder of [first, second, scratch]) rmSync(folder, { recursive: true, force: true });
  }
});

test('the bundle stays under 5 MB and names no folder of the machine that built it', () => {
  expect(statSync(built).size).toBeLessThan(5_000_000);
  expect(readFileSync(built, 'utf8')).not.toContain(root);
  expect(readFileSync(`${built}.map`, 'utf8')).not.toContain(root);
});

test('it runs, and tells its version and its usage', () => {
  expect(execFileSync(process.execPath, [built, '--version'], { encoding: 'utf8' }).trim()).toBe(version);
  const usage = execFileSync(process.execPath, [built, '--help'], { encoding: 'utf8' });
  for (const flag of ['--config', '--track', '--registry-file', '--validate', '--dry-run', '--once', 'health']) {
    expect(usage).toContain(flag);
  }
});
