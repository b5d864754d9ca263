import { build } from 'esbuild';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** The programs of the runtime, each with its entry. */
export const programs = { flicker: 'runtime/flicker/main.ts' };

/**
 * Bundles a program of the tree `root` into one ESM file with an external source map. Nothing of the machine goes in:
 * the same sources give the same bytes everywhere.
 * @returns the files that went in, relative to the tree
 */
export async function bundle(
  program,
  { root = ROOT, outfile = join(root, `dist/runtime/${program}/${program}.mjs`) } = {},
) {
  const { metafile } = await build({
    metafile: true,
    absWorkingDir: root,
    entryPoints: [programs[program]],
    outfile,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // CommonJS entries are wrapped and so evaluated only when they are first imported: a program pays for what it uses.
    mainFields: ['main'],
    sourcemap: 'external',
    sourcesContent: false,
    legalComments: 'none',
    charset: 'utf8',
    logLevel: 'warning',
    banner: {
      js: [
        '#!/usr/bin/env node',
        "import { createRequire as __createRequire } from 'node:module';",
        'const require = __createRequire(import.meta.url);',
      ].join('\n'),
    },
  });
  return Object.keys(metafile.inputs);
}
