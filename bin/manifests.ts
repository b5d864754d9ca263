#!/usr/bin/env node
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { manifestFiles } from './manifest-files';
import { readManifestSettings, usage } from './manifest-settings';

/**
 * The reference app for Kubernetes: `namespace.yaml` and `<name>.yaml`, and a Helm chart in `helm/<name>` that makes the same
 * as the latter. `--help` lists the options.
 */
function main(argv: readonly string[]): number {
  if (argv.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  try {
    const { out, props } = readManifestSettings(argv);
    const files = manifestFiles(props);
    // What an earlier chart had and this one has not.
    rmSync(join(out, 'helm', props.name), { recursive: true, force: true });
    for (const [path, text] of Object.entries(files)) {
      const file = join(out, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    process.stdout.write(`${Object.keys(files).length} files in ${out}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`holdfast-manifests: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
