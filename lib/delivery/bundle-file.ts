import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A program's prebuilt runtime: one file, and the SHA-256 of its content. */
export interface BundleFile {
  readonly path: string;
  readonly sha256: string;
}

const known = new Map<string, BundleFile>();

/** Finds the prebuilt bundle of a program in this package. @throws Error when it was not built */
export function bundleFile(program: string): BundleFile {
  const found = known.get(program);
  if (found) return found;
  const path = join(packageFolder(), 'dist', 'runtime', program, `${program}.mjs`);
  if (!existsSync(path)) {
    throw new Error(
      `the runtime of ${program} is missing: expected ${path}; run "npm run build" in the clone of holdfast`,
    );
  }
  const file = { path, sha256: createHash('sha256').update(readFileSync(path)).digest('hex') };
  known.set(program, file);
  return file;
}

/** The folder of this package: the nearest one above with a package.json, from the sources and from `dist` alike. */
export function packageFolder(): string {
  let folder = __dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    if (dirname(folder) === folder)
      throw new Error(`no package.json above ${__dirname}: holdfast must be installed, not bundled`);
    folder = dirname(folder);
  }
  return folder;
}
