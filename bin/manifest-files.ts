import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, Yaml } from 'cdk8s';
import { packageFolder } from '../lib/delivery/bundle-file';
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

/** The version of this package. */
function packageVersion(): string {
  const { version }: { readonly version: string } = JSON.parse(
    readFileSync(join(packageFolder(), 'package.json'), 'utf8'),
  );
  return version;
}
