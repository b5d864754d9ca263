import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listReferences, presets } from '../../../../contract';
import { parse } from 'yaml';
import { parseConfig } from '../../../../runtime/flicker/config';

const docs = join(__dirname, '../../../../docs');
const folder = join(docs, 'presets');
const read = (path: string) => readFileSync(path, 'utf8');
const examples = readdirSync(folder).flatMap((page) =>
  [...read(join(folder, page)).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = ''], i) => ({ page, i, text })),
);

it.each(examples)('the example $i of $page is a config', ({ page, text }) => {
  const names = listReferences(parse(text)).map(({ name }) => name);
  const { config } = parseConfig({ origin: page, text }, Object.fromEntries(names.map((name) => [name, 'x'])), false);
  expect(config.api_sources.length).toBeGreaterThan(0);
});

it('the pages show every preset', () => {
  const table = read(join(docs, 'presets.md'));
  for (const { name, experimental } of presets) {
    expect(table).toContain(`\n### ${name}\n`);
    const shown = examples.some(({ text }) => text.includes(`preset: ${name}\n`)) || name === 'cloudflare_v1';
    expect([name, shown]).toEqual([name, !experimental]);
  }
});
