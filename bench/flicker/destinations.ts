import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { FlickerConfigInput } from '../../contract';
import { writeCorpus } from './corpus';
import { LINE_MARK, startSink, type Command, type Sink, type SinkCounts } from './process';
import { flickerCommand, logFile, type Subject } from './subjects';
import { compare, compareTable } from './throughput';

type DestinationInput = NonNullable<FlickerConfigInput['destination']>;

const aws = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
  AWS_S3_FORCE_PATH_STYLE: 'true',
};

/** Every destination but `stdout` and `file`, uncompressed, at an origin and a port that takes lines. */
function remotes(origin: string, linesPort: number): Readonly<Record<string, DestinationInput>> {
  const compression = false;
  const host = '127.0.0.1';
  return {
    http: { type: 'http', endpoint: `${origin}/ingest` },
    s3: { type: 's3', bucket: 'bench' },
    'syslog, TCP': { type: 'syslog', host, port: linesPort, protocol: 'tcp', format: 'rfc5424' },
    elasticsearch: { type: 'elasticsearch', url: origin, index: 'logs', compression },
    loki: { type: 'loki', endpoint: origin, compression },
    'otlp, protobuf': { type: 'otlp', endpoint: origin, encoding: 'protobuf', compression },
    'otlp, JSON': { type: 'otlp', endpoint: origin, encoding: 'json', compression },
    cloudwatch_logs: { type: 'cloudwatch_logs', log_group: 'bench' },
    splunk_hec: { type: 'splunk_hec', endpoint: origin, token: 'bench', compression },
    datadog: { type: 'datadog', api_key: 'bench', endpoint: origin, compression },
    kinesis: { type: 'kinesis', stream: 'bench' },
    firehose: { type: 'firehose', delivery_stream: 'bench' },
    sqs: { type: 'sqs', queue_url: `${origin}/000000000000/bench` },
  };
}

/** Each destination against a double that accepts at once, beside `http`. */
export async function sending(
  _sink: Sink,
  folder: string,
  { megabytes, runs }: { readonly megabytes: number; readonly runs: number },
): Promise<void> {
  const doubles = await startSink('doubles.ts');
  try {
    const origin = `http://127.0.0.1:${doubles.port}`;
    const env = { ...aws, AWS_ENDPOINT_URL: origin };
    const subjects = Object.entries(remotes(origin, doubles.linesPort ?? 0)).map(([name, destination]): Subject => {
      return { name, command: ({ state, input }) => shipping(state, input, destination, env) };
    });
    subjects.push(toFile());
    const [http] = subjects;
    if (!http) return;
    const corpus = writeCorpus(folder, 'lines of 200 bytes', megabytes);
    const results = await compare(subjects, corpus, doubles, runs, folder);
    console.log(`\n## Destinations: ${megabytes} MB of 200-byte lines, median of ${runs} runs (min–max)\n`);
    console.log(compareTable(results, http));
    rmSync(corpus.file);
  } finally {
    doubles.stop();
  }
}

function shipping(state: string, input: string, destination: DestinationInput, env = {}): Command {
  const config = { destination, log_files: [logFile(input)] };
  return flickerCommand({ config, registryFile: join(state, 'registry.json'), env });
}

/** The destination that no double receives: what is in the file is counted, on the core of the sinks. */
function toFile(): Subject {
  const buffer = Buffer.alloc(1024 ** 2);
  let file = '';
  let [events, bytes, first, last] = [0, 0, 0, 0];
  let mark = Buffer.from(LINE_MARK);
  let cpu = process.cpuUsage();
  const read = (): SinkCounts => {
    const handle = openSync(file, 'a+');
    for (let length = 0; (length = readSync(handle, buffer, 0, buffer.length, bytes)) > 0;) {
      const piece = buffer.subarray(0, length);
      let counted = 0;
      for (let at = piece.indexOf(mark); at !== -1; at = piece.indexOf(mark, counted)) {
        events++;
        counted = at + mark.length;
      }
      if (length < mark.length) break;
      // The piece may end within a mark.
      bytes += Math.max(counted, length - mark.length + 1);
      last = performance.now();
      first ||= last;
    }
    closeSync(handle);
    const { user, system } = process.cpuUsage(cpu);
    return { events, bytes, requests: 0, seconds: (last - first) / 1000, cpu: (user + system) / 1e6 };
  };
  return {
    name: 'file',
    command: ({ state, input }) => {
      file = join(state, 'shipped.jsonl');
      return shipping(state, input, { type: 'file', path: file });
    },
    sink: {
      reset: (newMark = LINE_MARK) => {
        mark = Buffer.from(newMark);
        [events, bytes, first, last] = [0, 0, 0, 0];
        cpu = process.cpuUsage();
        return Promise.resolve();
      },
      counts: () => Promise.resolve(read()),
    },
  };
}
