import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, Yaml } from 'cdk8s';
import { LogShipperChart, logShipperHelmChart } from '../lib/k8s';
import type { ManifestSettings } from './manifest-settings';

/** The files of a shipper, by path. */
export function manifestFiles(props: ManifestSettings['props']): Record<string, string> {
  const objects: { readonly kind: string }[] = new LogShipperChart(new App(), props.shipperName, props).toJson();
  const isNamespace = ({ kind }: { readonly kind: string }) => kind === 'Namespace';
  const helm = logShipperHelmChart({ ...props, version: packageVersion() });
  return {
    'namespace.yaml': Yaml.stringify(...objects.filter(isNamespace)),
    [`${props.name}.yaml`]: Yaml.stringify(...objects.filter((object) => !isNamespace(object))),
    ...Object.fromEntries(Object.entries(helm).map(([path, text]) => [`helm/${props.name}/${path}`, text])),
  };
}

/** The version of this package, from its sources and from `dist` alike. */
function packageVersion(): string {
  for (const up of ['..', '../..']) {
    try {
      const { name, version }: { name?: unknown; version?: unknown } = JSON.parse(
        readFileSync(join(__dirname, up, 'package.json'), 'utf8'),
      );
      if (name === 'holdfast' && typeof version === 'string') return version;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  throw new Error('package.json of holdfast is missing');
}
