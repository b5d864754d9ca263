import fc from 'fast-check';
import {
  flickerConfig,
  flickerProcessSchema,
  maskingRules,
  parseSettings,
  readFlickerEnvironment,
  renderFlickerSettings,
  type FlickerConfigInput,
  type FlickerSettings,
  type FlickerSettingsInput,
} from '../../contract';

/** What a program makes of its environment: the same schemas, nothing else. */
function read(environment: Readonly<Record<string, string>>): FlickerSettings {
  const { config, configFile, ...process } = readFlickerEnvironment(environment);
  expect(configFile).toBeUndefined();
  return {
    ...parseSettings(flickerProcessSchema, process, 'environment'),
    config: parseSettings(flickerConfig('final'), JSON.parse(config ?? ''), 'config'),
  };
}

const parsed = ({ config, ...process }: FlickerSettingsInput): FlickerSettings => ({
  ...parseSettings(flickerProcessSchema, process, 'settings'),
  config: parseSettings(flickerConfig('final'), config, 'config'),
});

const text = fc.string({ minLength: 1, maxLength: 12 });
const wait = (least: number) =>
  fc.oneof(
    fc.integer({ min: least, max: 100_000 }),
    fc.integer({ min: 1, max: 500 }).map((n) => `${n + least}s`),
  );
const option = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const record = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(shape);
const url = fc.webUrl();

const destination = fc.oneof(
  record({ type: fc.constant('stdout' as const), include_id: option(fc.boolean()) }),
  record({ type: fc.constant('file' as const), path: text }),
  record({
    type: fc.constant('s3' as const),
    bucket: fc.stringMatching(/^[a-z][a-z0-9-]{2,20}[a-z]$/),
    prefix: option(fc.string({ maxLength: 8 })),
    compression: option(fc.boolean()),
  }),
  record({
    type: fc.constant('http' as const),
    endpoint: url,
    api_key: option(text),
    basic: option(record({ username: text, password: text })),
    headers: option(fc.dictionary(fc.stringMatching(/^[a-z][a-z-]{0,8}$/), text)),
    timeout_ms: option(wait(1)),
  }),
);

const masking = record({
  enabled: fc.boolean(),
  rules: fc.constantFrom(...maskingRules).map((rule) => ({ [rule]: { enabled: true, action: 'partial' as const } })),
});

const source = {
  polling_frequency_ms: option(wait(10)),
  destination: option(destination),
  buffer_size: option(fc.integer({ min: 1, max: 1000 })),
  batch_max_bytes: option(fc.constantFrom<number | string>(1024, '64KiB', '1MB', '1.5MiB')),
  match_on: option(fc.array(text, { maxLength: 2 })),
  parse_json: option(fc.oneof(fc.boolean(), record({ message_field: option(text), timestamp_field: option(text) }))),
  masking: option(masking),
};

const multiline = fc.oneof(
  record({ start_pattern: text, max_lines: option(fc.integer({ min: 1, max: 99 })) }),
  record({ continuation_pattern: text, timeout_ms: option(wait(10)), max_bytes: option(fc.constant('64KiB')) }),
);

const config: fc.Arbitrary<FlickerConfigInput> = record({
  destination,
  log_files: fc.uniqueArray(
    record({
      path: text.map((name) => `/${name}`),
      start_at: option(fc.constantFrom('end' as const, 'beginning' as const)),
      format: option(fc.constantFrom('plain' as const, 'cri' as const)),
      multiline: option(multiline),
      ...source,
    }),
    { selector: ({ path }) => path, maxLength: 3 },
  ),
  docker_containers: fc.uniqueArray(
    record({
      container: text.map((name) => `@${name}`),
      labels: option(fc.array(text, { maxLength: 2 })),
      socket_path: option(text),
      multiline: option(multiline),
      ...source,
    }),
    { selector: ({ container }) => container, maxLength: 2 },
  ),
  api_sources: fc.uniqueArray(
    record({
      name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,9}$/),
      endpoint: url,
      results_field: fc.constantFrom('', 'items', 'data.events'),
      timestamp_field: text,
      id_field: option(text),
      start_from: option(fc.constantFrom('now', 'beginning', '2026-01-01T00:00:00Z')),
      pagination: option(
        fc.oneof(
          fc.constant({ pagination_type: 'link' as const }),
          record({
            pagination_type: fc.constant('offset' as const),
            offset_param: text,
            page_size: fc.integer({ min: 1, max: 99 }),
          }),
        ),
      ),
      ...source,
    }),
    { selector: ({ name }) => name, minLength: 1, maxLength: 3 },
  ),
  dead_letter: option(fc.oneof(record({ path: text }), record({ bucket: text, prefix: option(text) }))),
  shutdown_timeout_ms: option(fc.constantFrom<number | string>(3000, '10s', 115_000)),
});

const settings: fc.Arbitrary<FlickerSettingsInput> = record({
  config,
  track: option(fc.boolean()),
  registryFile: option(text),
  clusterId: option(text),
  nodeId: option(text),
  port: option(fc.integer({ min: 0, max: 65_535 })),
  host: option(text),
  logLevel: option(fc.constantFrom('debug' as const, 'info' as const, 'warn' as const, 'error' as const)),
  logFormat: option(fc.constantFrom('auto' as const, 'json' as const, 'text' as const)),
});

test('what is rendered is read back as it was', () => {
  fc.assert(
    fc.property(settings, (input) => {
      expect(read(renderFlickerSettings(input))).toEqual(parsed(input));
    }),
    { numRuns: 60 },
  );
});

test('a parsed config is a config, and parses to itself', () => {
  fc.assert(
    fc.property(config, (input) => {
      const once = parseSettings(flickerConfig('final'), input, 'config');
      expect(parseSettings(flickerConfig('final'), once, 'config')).toEqual(once);
      expect(parseSettings(flickerConfig('template'), input, 'config')).toEqual(once);
    }),
    { numRuns: 60 },
  );
});

test('an empty variable is an unset one', () => {
  expect(readFlickerEnvironment({ FLICKER_PORT: '', FLICKER_HOST: 'a', OTHER: 'b' })).toEqual({ host: 'a' });
});
