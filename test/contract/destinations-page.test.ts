import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { flickerConfig } from '../../contract/flicker';

const page = readFileSync(join(__dirname, '../../docs/destinations.md'), 'utf8');
const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = '']): unknown => parse(text));

test('the page of destinations has a valid config for each that it explains', () => {
  const types = examples.map((example) => flickerConfig('final').parse(example).destination?.type);
  expect(types).toEqual(['elasticsearch', 'loki', 'otlp', 'splunk_hec', 'datadog', 'syslog']);
});
