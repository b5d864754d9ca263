import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { flickerConfig, usedDestinations } from '../../contract/flicker';

const page = readFileSync(join(__dirname, '../../docs/destinations.md'), 'utf8');
const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text = '']): unknown => parse(text));

test('the page of destinations has a valid config for each that it explains', () => {
  const types = examples.map((example) =>
    usedDestinations(flickerConfig('final').parse(example))
      .map(({ type }) => type)
      .join(),
  );
  expect(types).toEqual([
    'elasticsearch',
    'loki',
    'otlp',
    'splunk_hec',
    'datadog',
    'cloudwatch_logs',
    'kinesis',
    'firehose',
    'sqs',
    'syslog',
    's3,splunk_hec,loki',
  ]);
});
