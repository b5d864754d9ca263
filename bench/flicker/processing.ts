import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { writeCorpus } from './corpus';
import type { Sink } from './process';
import { flickerCommand, logFile, type Subject } from './subjects';
import { compare, compareTable } from './throughput';

/** Services write JSON, or text with a stack trace now and then; each event begins with a brace or a date. */
const multiline = { start_pattern: '^(\\{|\\d{4}-\\d\\d-\\d\\d)' };
const json = { parse_json: { timestamp_field: 'time' } };
const on = { enabled: true };
const masking = {
  enabled: true,
  rules: { email: on, credit_card: on, ssn: on, phone: on, ip_address: on, api_key: on },
};

function reading(name: string, keys: object, joins = false): Subject {
  return {
    name,
    joins,
    marksRecords: true,
    command: ({ state, input, url }) =>
      flickerCommand({
        config: { destination: { type: 'http', endpoint: url }, log_files: [{ ...logFile(input), ...keys }] },
        registryFile: join(state, 'registry.json'),
      }),
  };
}

const plain = reading('plain', {});
const subjects = [
  plain,
  reading('multiline', { multiline }, true),
  reading('JSON parsed', json),
  reading('masked, all six rules', { masking }),
  reading('all three', { multiline, ...json, masking }, true),
];

/** What is done to events on their way, each beside the plain path. */
export async function processing(
  sink: Sink,
  folder: string,
  { megabytes, runs }: { readonly megabytes: number; readonly runs: number },
): Promise<void> {
  const corpus = writeCorpus(folder, 'logs of services', megabytes);
  const results = await compare(subjects, corpus, sink, runs, folder);
  const what = `${megabytes} MB, ${corpus.lines} lines, ${corpus.events} events`;
  console.log(`\n## Multiline, JSON, masking: ${what}, median of ${runs} runs (min–max)\n`);
  console.log(compareTable(results, plain));
  rmSync(corpus.file);
}
