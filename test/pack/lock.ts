import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const names = z.record(z.string(), z.string()).optional();
const lockedPackage = z.looseObject({
  version: z.string().optional(),
  dependencies: names,
  peerDependencies: names,
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().optional() })).optional(),
});
const lockFile = z.object({ lockfileVersion: z.number(), packages: z.record(z.string(), lockedPackage) });
export type LockedPackage = z.output<typeof lockedPackage>;

/**
 * A lock for a project of its own: these packages of the project's lock with what they depend on, and no more. A name
 * that an installed package needs and the lock does not hold is an error, so nothing undeclared slips in.
 */
export function cutLock(
  root: string,
  project: { readonly dependencies: Record<string, string>; readonly packed: LockedPackage; readonly file: string },
) {
  const { lockfileVersion, packages } = lockFile.parse(
    JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')),
  );
  const kept = new Map<string, LockedPackage>();
  const keep = (name: string, from: string): void => {
    const place = placesFrom(from, name).find((path) => path in packages);
    const found = place === undefined ? undefined : packages[place];
    if (place === undefined || !found)
      throw new Error(`${from || 'the project'} needs ${name}, which package-lock.json does not hold`);
    if (kept.has(place)) return;
    kept.set(place, found);
    for (const next of needs(found)) keep(next, place);
  };
  const { packed, file, dependencies } = project;
  for (const name of new Set([...Object.keys(dependencies).filter((name) => name !== 'holdfast'), ...needs(packed)]))
    keep(name, '');
  return {
    name: 'empty-app',
    version: '1.0.0',
    lockfileVersion,
    requires: true,
    packages: {
      '': { name: 'empty-app', version: '1.0.0', dependencies },
      ...Object.fromEntries([...kept].map(([place, entry]) => [place, { ...entry, ...noLongerOptional }])),
      'node_modules/holdfast': { ...packed, resolved: `file:${file}` },
    },
  };
}

/** Marks of the project's own lock that say who needs a package there. */
const noLongerOptional = { dev: undefined, peer: undefined, optional: undefined, devOptional: undefined };

/** What must be there for a package to work: its dependencies, and peers that are not optional. */
function needs({ dependencies, peerDependencies, peerDependenciesMeta }: LockedPackage): string[] {
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => peerDependenciesMeta?.[name]?.optional !== true);
  return [...Object.keys(dependencies ?? {}), ...peers];
}

/** Where Node looks for a package, nearest first. */
function placesFrom(from: string, name: string): string[] {
  const folders =
    from === '' ? [] : from.split('/node_modules/').map((_, i, all) => all.slice(0, i + 1).join('/node_modules/'));
  return [...folders.reverse().map((folder) => `${folder}/node_modules/${name}`), `node_modules/${name}`];
}
