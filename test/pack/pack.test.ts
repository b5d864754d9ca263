import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { cutLock } from './lock';

const root = join(__dirname, '../..');
const packed = z.object({
  filename: z.string(),
  integrity: z.string(),
  files: z.array(z.object({ path: z.string() })),
});
const packageJson = z.looseObject({
  version: z.string(),
  dependencies: z.record(z.string(), z.string()),
  peerDependencies: z.record(z.string(), z.string()),
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean() })),
  devDependencies: z.record(z.string(), z.string()),
});

let app: string;
let tarball: z.output<typeof packed>;

function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    cwd,
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stdout}${stderr}`);
  return stdout;
}

const inApp = (script: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): string =>
  run(process.execPath, [join(app, script), ...args], app, env);

/** The first TypeScript example of the README, as it is written there. */
function readmeExample(): string {
  const [, example] = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  if (example === undefined) throw new Error('README.md has no TypeScript example');
  return example;
}

/** An empty CDK app that has installed the package, without the network and without cdk8s. */
beforeAll(() => {
  if (!existsSync(join(root, 'dist/lib/index.js'))) throw new Error('dist is missing: run "npm run build" once');
  app = mkdtempSync(join(tmpdir(), 'holdfast-pack-'));
  const list = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', app], root);
  const [first] = z.array(packed).parse(JSON.parse(list));
  if (!first) throw new Error('npm pack made nothing');
  tarball = first;

  const { version, dependencies, peerDependencies, peerDependenciesMeta, devDependencies } = packageJson.parse(
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')),
  );
  const wanted: Record<string, string> = { holdfast: `file:${tarball.filename}` };
  for (const name of ['aws-cdk-lib', 'constructs', 'typescript', '@types/node'])
    wanted[name] = devDependencies[name] ?? '';
  const entry = { version, integrity: tarball.integrity, dependencies, peerDependencies, peerDependenciesMeta };
  const lock = cutLock(root, { dependencies: wanted, packed: entry, file: tarball.filename });
  writeFileSync(
    join(app, 'package.json'),
    JSON.stringify({ name: 'empty-app', version: '1.0.0', dependencies: wanted }),
  );
  writeFileSync(join(app, 'package-lock.json'), JSON.stringify(lock));
  run('npm', ['ci', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'], app);

  writeFileSync(join(app, 'esm.mts'), readmeExample());
  writeFileSync(join(app, 'commonjs.cts'), readmeExample());
  writeFileSync(
    join(app, 'entries.mts'),
    `import { registryLayout, type FlickerConfigInput } from 'holdfast/contract';
import { normalizedTemplate } from 'holdfast/testing';
import { App } from 'cdk8s';
import { AwsIdentity, ContainerCode, LogShipperChart } from 'holdfast/k8s';
import { createRequire } from 'node:module';
const config: FlickerConfigInput = { log_files: [{ path: '/var/log/*.log' }], destination: { type: 'stdout' } };
const schema: unknown = createRequire(import.meta.url)('holdfast/schema/flicker.json');
const charts = new LogShipperChart(new App(), 'audit', {
  config: { api_sources: [{ name: 'a', endpoint: 'https://a.example.com', results_field: '', timestamp_field: 'at' }], destination: { type: 'stdout' } },
  code: ContainerCode.image('flicker:0.1.0'),
  identity: AwsIdentity.podIdentity(),
  registryBucket: 'company-state',
  region: 'eu-central-1',
  monitoring: {},
});
console.log(JSON.stringify([registryLayout('flicker', 'prod', 'a').key, typeof normalizedTemplate, charts.toJson().length, typeof schema, config]));
`,
  );
  const compilerOptions = {
    target: 'es2023',
    module: 'node16',
    moduleResolution: 'node16',
    strict: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    types: ['node'],
  };
  writeFileSync(
    join(app, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['esm.mts', 'commonjs.cts', 'entries.mts'] }),
  );
}, 120_000);

afterAll(() => {
  if (app) rmSync(app, { recursive: true, force: true });
});

test('the tarball holds the library, the runtime, and no tests', () => {
  const paths = tarball.files.map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining([
      'LICENSE',
      'README.md',
      'package.json',
      'dist/lib/index.js',
      'dist/lib/index.d.ts',
      'dist/runtime/flicker/flicker.mjs',
      'dist/runtime/Dockerfile',
      'dist/schema/flicker.json',
    ]),
  );
  expect(paths.filter((path) => /(^|\/)(test|dev|bench)\/|\.test\.|\.snap$|(?<!\.d)\.ts$/.test(path))).toEqual([]);
});

test('only what is declared is installed, and nothing of cdk8s', () => {
  const scoped = (name: string) =>
    name.startsWith('@') ? readdirSync(join(app, 'node_modules', name)).map((inner) => `${name}/${inner}`) : [name];
  const installed = readdirSync(join(app, 'node_modules'))
    .filter((name) => !name.startsWith('.'))
    .flatMap(scoped);
  expect(installed).toEqual(expect.arrayContaining(['aws-cdk-lib', 'constructs', 'holdfast', 'zod']));
  expect(installed.filter((name) => /cdk8s|aws-sdk|esbuild|pino/.test(name))).toEqual([]);
  // Who wants charts is told what is missing.
  expect(() => inApp('node_modules/holdfast/dist/lib/k8s/index.js')).toThrow("Cannot find module 'cdk8s'");
});

test('type-checks strictly, its declarations included, and synthesizes the same from ESM and CommonJS', () => {
  // The two optional peers, with what they bundle.
  for (const name of ['cdk8s', 'cdk8s-plus-28'])
    cpSync(join(root, 'node_modules', name), join(app, 'node_modules', name), { recursive: true });
  inApp('node_modules/typescript/bin/tsc', ['-p', '.']);
  const [fromEsm, fromCommonJs] = ['esm.mjs', 'commonjs.cjs'].map((file) => {
    const output = join(app, `out-${file}`);
    inApp(file, [], { CDK_OUTDIR: output, CDK_VALIDATION: 'false' });
    return { output, template: readFileSync(join(output, 'AuditLogs.template.json'), 'utf8') };
  });
  expect(fromCommonJs?.template).toBe(fromEsm?.template);

  const runtime = readFileSync(join(app, 'node_modules/holdfast/dist/runtime/flicker/flicker.mjs'));
  const output = fromEsm?.output ?? '';
  const assets = readdirSync(output).filter((name) => /^asset\..*\.mjs$/.test(name));
  expect(assets).toHaveLength(1);
  expect(readFileSync(join(output, assets[0] ?? '')).equals(runtime)).toBe(true);
  expect(fromEsm?.template).toContain(createHash('sha256').update(runtime).digest('hex'));

  expect(JSON.parse(inApp('entries.mjs'))).toEqual([
    'flicker/prod/a-registry.json',
    'function',
    9,
    'object',
    { log_files: [{ path: '/var/log/*.log' }], destination: { type: 'stdout' } },
  ]);
}, 120_000);

test('the program runs from the package', () => {
  const { version } = packageJson.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  expect(inApp('node_modules/holdfast/dist/runtime/flicker/flicker.mjs', ['--version'])).toContain(version);
});
