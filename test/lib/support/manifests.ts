import { Ajv2020 } from 'ajv/dist/2020';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const folder = join(__dirname, '../../fixtures/kubernetes');
const schemaFile = z.object({
  kinds: z.record(z.string(), z.string()),
  $defs: z.record(z.string(), z.unknown()),
});
const manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
export type Manifest = z.output<typeof manifest>;

/** Any manifests as objects whose place is known. */
export function asManifests(objects: readonly unknown[]): Manifest[] {
  return z.array(manifest).parse(objects);
}

/** The custom resource definitions of the kinds that charts make. */
export function definitions(): Manifest[] {
  return asManifests(z.array(z.unknown()).parse(JSON.parse(readFileSync(join(folder, 'definitions.json'), 'utf8'))));
}

const { kinds, $defs } = schemaFile.parse(JSON.parse(readFileSync(join(folder, 'schemas.json'), 'utf8')));
const ajv = new Ajv2020({ allErrors: true, strict: false, schemas: [{ $id: 'kubernetes', $defs }] });

/** What a real API server would say of unknown, missing and mistyped fields, one line for each. */
export function manifestProblems({ apiVersion, kind, ...rest }: Manifest): string[] {
  const id = `${apiVersion}/${kind}`;
  const name = kinds[id];
  const validate = name === undefined ? undefined : ajv.getSchema(`kubernetes#/$defs/${name}`);
  if (!validate) return [`${id}: there is no schema: add it to scripts/kubernetes-schemas.ts`];
  if (validate({ apiVersion, kind, ...rest })) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${kind}/${rest.metadata.name}${instancePath}: ${message} ${JSON.stringify(params)}`,
  );
}
