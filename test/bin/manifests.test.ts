import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { manifestFiles } from '../../bin/manifest-files';
import { readManifestSettings } from '../../bin/manifest-settings';
import { plainConfig } from '../lib/support/app';
import { asManifests, manifestProblems } from '../lib/support/manifests';

let folder: string;
let config: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-manifests-'));
  config = join(folder, 'flicker.json');
  writeFileSync(config, JSON.stringify(plainConfig()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const needed = () => [
  `--config=${config}`,
  '--registry-bucket=company-state',
  '--region=eu-central-1',
  '--image=flicker:0.1.0',
];

test('writes the namespace apart, the manifests, and a Helm chart', () => {
  const { out, props } = readManifestSettings([
    ...needed(),
    ...['--name=audit', '--namespace=logs', '--secret=TOKEN=okta/token', '--env=COMPANY=a=b', '--monitoring'],
  ]);
  const files = manifestFiles(props);
  expect(out).toBe('manifests');
  expect(Object.keys(files).filter((path) => !path.startsWith('helm/audit/'))).toEqual([
    'namespace.yaml',
    'audit.yaml',
  ]);
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining(['helm/audit/Chart.yaml', 'helm/audit/values.schema.json']),
  );
  const read = (path: string) =>
    asManifests(parseAllDocuments(files[path] ?? '').map((document): unknown => document.toJS()));
  expect(read('namespace.yaml').map(({ kind }) => kind)).toEqual(['Namespace']);
  const manifests = read('audit.yaml');
  expect(manifests.flatMap(manifestProblems)).toEqual([]);
  expect(JSON.stringify(manifests)).toContain('s3://company-state/flicker/prod/audit-registry.json');
  expect(props).toMatchObject({ secrets: { TOKEN: { name: 'okta', key: 'token' } }, environment: { COMPANY: 'a=b' } });
});

test.each<[string, (args: string[]) => string[], string]>([
  ['no config', (args) => args.slice(1), '--config is needed'],
  ['no image', (args) => args.slice(0, -1), 'one of --image and --bundle is needed'],
  [
    'a config that is not there',
    (args) => ['--config=/nowhere.yaml', ...args.slice(1)],
    '--config: there is no /nowhere.yaml',
  ],
  ['a secret without key', (args) => [...args, '--secret=A=b'], '--secret: expected NAME=SECRET/KEY, got "A=b"'],
  ['a variable without value', (args) => [...args, '--env=A'], '--env: expected NAME=VALUE, got "A"'],
  [
    'two identities',
    (args) => [...args, '--role-arn=a', '--credentials=b'],
    '--role-arn and --credentials exclude each other',
  ],
  ['an unknown option', (args) => [...args, '--nmae=x'], "Unknown option '--nmae'"],
])('%s is told', (_, change, message) => {
  expect(() => readManifestSettings(change(needed()))).toThrow(message);
});
