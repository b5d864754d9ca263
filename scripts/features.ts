import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Command } from 'commander';
import ts from 'typescript';
import { createProgram } from '../runtime/flicker/cli';

/** The page whose table leads from each promise and fault to what shows it. */
export const FEATURES = 'docs/features.md';
/** Where a construct may be exported. */
const entries = ['lib/index.ts', 'lib/k8s/index.ts', 'contract/index.ts'];

const numbered = (letter: string, last: number) => Array.from({ length: last }, (_, i) => `${letter}-${i + 1}`);
const rowIds = [...numbered('F', 41), ...numbered('W', 30), 'W-29a'];

interface Row {
  readonly id: string;
  readonly page: string;
  /** Constructs, commands and keys. */
  readonly by: readonly string[];
  readonly tests: string;
}

function rowsOf(text: string): Row[] {
  return [...text.matchAll(/^\| ([FW]-\w+) \| .* \|$/gm)].map(([line, id = '']) => {
    const [page = '', by = '', tests = ''] = line.slice(2, -2).split(' | ').slice(3);
    return { id, page, by: [...by.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name), tests };
  });
}

/** What the table names and the project does not have, constructs apart. */
export function featureProblems(text: string, root: string): string[] {
  const rows = rowsOf(text);
  const ids = rows.map(({ id }) => id);
  const keys = readFileSync(join(root, 'docs/flicker-config.md'), 'utf8');
  const packageFile = readFileSync(join(root, 'package.json'), 'utf8');
  const { scripts, bin }: Record<'scripts' | 'bin', Record<string, string>> = JSON.parse(packageFile);
  const isKnown = (name: string) => {
    const [first = '', ...rest] = name.split(' ');
    if (name.startsWith('npm run ')) return (rest[1] ?? '') in scripts;
    if (first === 'flicker' && rest.length > 0) return hasCommand(rest);
    return name in bin || keys.includes(`\n| \`${name}\` |`);
  };
  return [
    ...rowIds.filter((id) => !ids.includes(id)).map((id) => `${id}: is missing`),
    ...ids.filter((id, i) => !rowIds.includes(id) || ids.indexOf(id) !== i).map((id) => `${id}: is not expected here`),
    ...rows.flatMap(({ id, page, by, tests }) =>
      [
        ...(page.includes('](') ? [] : ['names no page']),
        ...by.filter((name) => !isConstruct(name) && !isKnown(name)).map((name) => `there is no \`${name}\``),
        ...(by.length > 0 ? [] : ['names no construct, command or key']),
        ...testProblems(tests, root),
      ].map((problem) => `${id}: ${problem}`),
    ),
    ...linkProblems(FEATURES, text, root),
  ];
}

function testProblems(cell: string, root: string): string[] {
  const named = [...cell.matchAll(/`([^`]+)`(?: “([^”]+)”)?/g)];
  if (named.length === 0) return ['names no test'];
  return named.flatMap(([, name = '', title]) => {
    const path = join(root, 'test', name.endsWith('.ts') ? name : `${name}.test.ts`);
    if (!existsSync(path)) return [`there is no ${relative(root, path)}`];
    const known = title === undefined || readFileSync(path, 'utf8').replaceAll("\\'", "'").includes(title);
    return known ? [] : [`${relative(root, path)} has no test “${title}”`];
  });
}

/** Links of a page to files and headings that are not there. */
export function linkProblems(page: string, text: string, root: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [file = '', anchor] = target.split('#');
    const path = file === '' ? join(root, page) : join(root, dirname(page), file);
    if (!existsSync(path)) return [`${page}: there is no ${target}`];
    if (anchor === undefined || headings(readFileSync(path, 'utf8')).includes(anchor)) return [];
    return [`${page}: ${target}: there is no such heading`];
  });
}

function headings(text: string): string[] {
  return [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function hasCommand(words: readonly string[]): boolean {
  let command: Command | undefined = createProgram({ env: {}, debug: false, end: () => {} });
  for (const word of words) {
    if (word.startsWith('--')) return command?.options.some(({ long }) => long === word) ?? false;
    command = command?.commands.find((one) => one.name() === word);
  }
  return command !== undefined;
}

function isConstruct(name: string): boolean {
  return /^([A-Z]|[a-z]+[A-Z])\w*(\.\w+)?$/.test(name);
}

/** Constructs, and members of them, that the table names and the package does not export. */
export function constructProblems(text: string, program: ts.Program, root: string): string[] {
  const checker = program.getTypeChecker();
  const exported = new Map<string, ts.Symbol>();
  for (const entry of entries) {
    const file = program.getSourceFile(join(root, entry));
    const module = file && checker.getSymbolAtLocation(file);
    if (!module) return [`${FEATURES}: no example imports ${entry}`];
    for (const symbol of checker.getExportsOfModule(module)) exported.set(symbol.name, symbol);
  }
  const isExported = (name: string) => {
    const [first = '', member] = name.split('.');
    const alias = exported.get(first);
    if (!alias || member === undefined) return alias !== undefined;
    const symbol = alias.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(alias) : alias;
    return [checker.getDeclaredTypeOfSymbol(symbol), checker.getTypeOfSymbol(symbol)].some((type) =>
      type.getProperty(member),
    );
  };
  return rowsOf(text).flatMap(({ id, by }) =>
    by
      .filter((name) => isConstruct(name) && !isExported(name))
      .map((name) => `${id}: there is no ${name} in the package`),
  );
}
