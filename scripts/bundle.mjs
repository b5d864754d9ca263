import { build } from 'esbuild';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** The programs of the runtime, each with its entry. */
export const programs = { flicker: 'runtime/flicker/main.ts' };

/** Messages in 50 languages would be a tenth of the bundle; zod takes English unless it is told otherwise. */
const englishOnly = {
  name: 'english-only',
  setup: ({ onLoad }) =>
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
    })),
};

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
    // One byte a character: half the memory of a source that holds others.
    charset: 'ascii',
    plugins: [englishOnly],
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
