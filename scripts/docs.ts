// Writes what the docs take from the contract, and compiles every TypeScript example of README and docs.
//   tsx scripts/docs.ts           writes docs/commands.md, docs/flicker-config.md and docs/presets.md
//   tsx scripts/docs.ts --check   fails where a file has drifted, an example does not compile, or a feature is not there
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { commandsReference } from './commands-reference';
import { configReference } from './config-reference';
import { constructProblems, FEATURES } from './features';
import { presetsReference } from './presets-reference';

const root = join(__dirname, '..');
const generated: Readonly<Record<string, () => string>> = {
  'docs/commands.md': commandsReference,
  'docs/flicker-config.md': configReference,
  'docs/presets.md': presetsReference,
};
const check = process.argv.includes('--check');
let problems = 0;

for (const [file, make] of Object.entries(generated)) {
  const path = join(root, file);
  if (!check) writeFileSync(path, make());
  else if (readFileSync(path, 'utf8') !== make()) complain(`${file} has drifted from the contract: run npm run docs`);
}
if (check) compileExamples();
process.exitCode = problems === 0 ? 0 : 1;

/** Every ```ts block is a file of its own and imports what it uses. */
function compileExamples(): void {
  const folder = join(root, '.cache/examples');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  const pages = ['README.md', ...docs.map((name) => `docs/${name}`)];
  const origins = new Map<string, string>();
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    const text = readFileSync(join(root, page), 'utf8');
    for (const match of text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
      const line = text.slice(0, match.index).split('\n').length;
      const file = join(folder, `${page.replaceAll(/[/.]/g, '-')}-${line}.ts`);
      writeFileSync(file, `${match[1] ?? ''}\nexport {};\n`);
      origins.set(file, `${page}:${line}`);
    }
  }
  const program = ts.createProgram([...origins.keys()], {
    strict: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    types: ['node', 'jest'],
    resolveJsonModule: true,
    paths: {
      holdfast: [join(root, 'lib/index.ts')],
      'holdfast/contract': [join(root, 'contract/index.ts')],
      'holdfast/testing': [join(root, 'lib/testing/index.ts')],
      'holdfast/k8s': [join(root, 'lib/k8s/index.ts')],
    },
  });
  for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
    const origin = origins.get(diagnostic.file?.fileName ?? '') ?? diagnostic.file?.fileName ?? '';
    complain(`${origin}: example does not compile: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')}`);
  }
  const features = readFileSync(join(root, FEATURES), 'utf8');
  for (const problem of constructProblems(features, program, root)) complain(problem);
  if (origins.size === 0) complain('no example was found in README.md and docs/');
}

function complain(what: string): void {
  problems++;
  console.error(what);
}
