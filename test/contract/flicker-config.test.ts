import {
  containerOf,
  destinationName,
  destinationsOf,
  dockerSourceName,
  flickerConfig,
  flickerProcessSchema,
  flickerStopSeconds,
  parseSettings,
  SettingsError,
  spillAfterMs,
  type FlickerConfigInput,
} from '../../contract';

const source = { name: 'audit', endpoint: 'https://api.example.com/', results_field: '', timestamp_field: 'at' };
const destination = { type: 'stdout' } as const;
const parse = (value: unknown, mode: 'final' | 'template' = 'final') =>
  parseSettings(flickerConfig(mode), value, 'config');
const problems = (value: unknown): readonly string[] => {
  try {
    parse(value);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
};

test('the least config has the documented defaults', () => {
  expect(parse({ api_sources: [source], destination })).toEqual({
    log_files: [],
    docker_containers: [],
    api_sources: [
      {
        ...source,
        timestamp_format: 'auto',
        start_from: 'now',
        headers: {},
        time_filter_format: 'rfc3339',
        max_pages: 100,
        polling_frequency_ms: 30_000,
        buffer_size: 100,
        flush_interval_ms: 30_000,
        batch_max_events: 5000,
        batch_max_bytes: 1_048_576,
        match_on: [],
        exclude_on: [],
        parse_json: false,
      },
    ],
    destination: { type: 'stdout', include_id: true, required: true },
    retry: { max_retries: 5, initial_delay_ms: 1000, max_delay_ms: 60_000, max_queue_size: 100 },
    ha: false,
    registry: { save_interval_ms: 5000, heartbeat_interval_ms: 60_000, max_unsaved_events: 100_000 },
    shutdown_timeout_ms: 10_000,
  });
});

test.each<[string, unknown, string]>([
  ['no source', { destination }, '(top level): there is no source: add log_files, docker_containers or api_sources'],
  [
    'no destination',
    { log_files: [{ path: '/a' }] },
    'log_files[0].destination: no destination: give the source one, or set the top-level destination',
  ],
  [
    'two sources of one name',
    { log_files: [{ path: 'audit' }], api_sources: [source], destination },
    'api_sources[0].name: two sources are named "audit": names must be unique',
  ],
  [
    'a Docker source that names no container',
    { docker_containers: [{ start_at: 'end' }], destination },
    'docker_containers[0].container: which containers: give container (name, id or glob) or labels',
  ],
  [
    'a Docker source with the name of another',
    { docker_containers: [{ container: 'web' }, { container: 'x', name: 'web' }], destination },
    'docker_containers[1].name: two sources are named "web": names must be unique',
  ],
  [
    'multiline without a pattern',
    { log_files: [{ path: '/a', multiline: { timeout_ms: '1s' } }], destination },
    'log_files[0].multiline: give either start_pattern or continuation_pattern',
  ],
  [
    'multiline with two patterns',
    {
      docker_containers: [{ container: 'a', multiline: { start_pattern: 'a', continuation_pattern: 'b' } }],
      destination,
    },
    'docker_containers[0].multiline: give either start_pattern or continuation_pattern',
  ],
  [
    'an event that is too large',
    { log_files: [{ path: '/a', multiline: { start_pattern: 'a', max_bytes: '2MiB' } }], destination },
    'log_files[0].multiline.max_bytes: expected a whole number of B from 1024 to 1048576, or a text such as "64KiB" or "10MiB"; got "2MiB"',
  ],
  [
    'an unknown key of parse_json',
    { log_files: [{ path: '/a', parse_json: { mesage_field: 'm' } }], destination },
    'log_files[0].parse_json: unknown key "mesage_field", did you mean "message_field"?',
  ],
  [
    'a destination without its place',
    { log_files: [{ path: '/a' }], destination: { type: 'syslog' } },
    'destination.host: Invalid input: expected string, received undefined',
  ],
  [
    'a misspelt destination',
    { log_files: [{ path: '/a' }], destination: { type: 'htp' } },
    'destination.type: unknown destination type "htp", did you mean "http"?',
  ],
  [
    'a misspelt key deep inside',
    { log_files: [{ path: '/a', masking: { enabled: true, rules: { emial: { enabled: true } } } }], destination },
    'log_files[0].masking.rules: unknown key "emial", did you mean "email"?',
  ],
  [
    'credentials that are required and absent',
    {
      log_files: [{ path: '/a' }],
      destination: { type: 'http', endpoint: 'https://a.example.com', require_auth: true },
    },
    'destination: require_auth is true but there is no api_key, basic or auth: add one',
  ],
  [
    'a bucket that cannot be',
    { log_files: [{ path: '/a' }], destination: { type: 's3', bucket: 'My_Bucket' } },
    'destination.bucket: expected a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens',
  ],
  [
    'a cursor without its parameter',
    { api_sources: [{ ...source, pagination: { pagination_type: 'cursor', cursor_param: 'c' } }], destination },
    'api_sources[0].pagination.next_cursor_field: pagination_type "cursor" needs next_cursor_field',
  ],
  [
    'a start that is no time',
    { api_sources: [{ ...source, start_from: '2026-01-01' }], destination },
    'api_sources[0].start_from: expected an RFC 3339 time with a zone',
  ],
  [
    'a name that is no key',
    { api_sources: [{ ...source, name: 'a/b' }], destination },
    'api_sources[0].name: expected letters, digits, ".", "_" and "-", 100 at most',
  ],
  [
    'a destination beside a list',
    { log_files: [{ path: '/a', destination: { type: 'stdout' }, destinations: [{ type: 'stdout' }] }] },
    'log_files[0].destinations: there is a destination too: move it into destinations',
  ],
  [
    'two destinations of one name',
    { log_files: [{ path: '/a' }], destinations: [{ type: 'stdout' }, { type: 'stdout' }] },
    'destinations: two destinations are named "stdout": give them names of their own',
  ],
  [
    'one record with and without an id',
    {
      log_files: [{ path: '/a' }],
      destinations: [
        { type: 'stdout', include_id: false },
        { type: 'syslog', host: 'h' },
      ],
    },
    'destinations: a record is the same for all destinations: include_id must be false for all of them, or for none',
  ],
  [
    'no destination in a list',
    { log_files: [{ path: '/a', destinations: [] }] },
    'log_files[0].destinations: Too small: expected array to have >=1 items',
  ],
])('%s is refused', (_, config, problem) => {
  expect(problems(config)).toContain(problem);
});

test.each([
  [{ container: 'web-*' }, 'web-*', 'web-*'],
  [{ name: 'web' }, 'web', 'web'],
  [{ name: 'front', container: 'web' }, 'front', 'web'],
  [{ name: 'front', labels: ['tier=front'] }, 'front', undefined],
  [{ labels: ['tier=front', 'app'] }, 'tier=front,app', undefined],
])('the Docker source %j has a name and containers', (told, name, container) => {
  const [source] = parse({ docker_containers: [told], destination }).docker_containers;
  if (!source) throw new Error('no source');
  expect(dockerSourceName(source)).toBe(name);
  expect(containerOf(source)).toBe(container);
});

test.each([['now'], ['beginning'], ['2026-01-01T00:00:00Z'], ['2026-01-01T00:00:00.5+02:00']])(
  'starts from %s',
  (start_from) => {
    expect(problems({ api_sources: [{ ...source, start_from }], destination })).toEqual([]);
  },
);

test('a prefix gets its slash once', () => {
  const prefixOf = (prefix: string | undefined) => {
    const { destination: to } = parse({
      api_sources: [source],
      destination: { type: 's3', bucket: 'archive', prefix },
    });
    return to?.type === 's3' ? to.prefix : undefined;
  };
  expect([undefined, '', 'a', 'a/', 'a/b'].map(prefixOf)).toEqual(['', '', 'a/', 'a/', 'a/b/']);
});

test('a template may leave values to variables and tokens, and is checked where it is known', () => {
  const config = {
    api_sources: [{ ...source, endpoint: 'https://${HOST}/', start_from: '${FROM}', polling_frequency_ms: '${EVERY}' }],
    destination: { type: 's3', bucket: '${Token[TOKEN.1]}' },
  };
  expect(() => parse(config, 'template')).not.toThrow();
  expect(problems(config)).toHaveLength(3);
  expect(() => parse({ ...config, destination: { type: 's3', bucket: 'A' } }, 'template')).toThrow(
    'destination.bucket',
  );
});

test('a problem tells no secret', () => {
  const config = { api_sources: [{ ...source, api_key: { hunter2: 1 }, headers: { a: ['hunter3'] } }], destination };
  expect(problems(config)).toHaveLength(2);
  expect(problems(config).join()).not.toMatch(/hunter/);
});

test('a platform waits for the drain and the exit', () => {
  expect(flickerStopSeconds(parse({ api_sources: [source], destination }))).toBe(15);
  expect(flickerStopSeconds({ shutdown_timeout_ms: 10_001 })).toBe(16);
});

test.each<[unknown, boolean]>([
  [true, true],
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
  [undefined, false],
])('track %p is %p', (track, expected) => {
  expect(flickerProcessSchema.parse({ track }).track).toBe(expected);
});

test.each([{ track: 'yes' }, { port: '70000' }, { port: 'http' }, { logLevel: 'loud' }, { unknown: 1 }])(
  '%p is refused',
  (settings) => {
    expect(flickerProcessSchema.safeParse(settings).success).toBe(false);
  },
);

test('an input type accepts what a person writes', () => {
  const config: FlickerConfigInput = {
    log_files: [{ path: '/a', polling_frequency_ms: '1s', batch_max_bytes: '64KiB' }],
    destination,
  };
  expect(parse(config).log_files[0]).toMatchObject({ polling_frequency_ms: 1000, batch_max_bytes: 65_536 });
});

test('a source has its own destinations, else those of the config; what is not waited for is spilled after 10 s', () => {
  const config = parseSettings(
    flickerConfig('final'),
    {
      log_files: [
        { path: '/a' },
        { path: '/b', destination: { type: 'stdout', spill_after_ms: '1m' } },
        { path: '/c', destinations: [{ type: 'stdout', name: 'x', required: false }] },
      ],
      destinations: [{ type: 'stdout' }, { type: 'file', path: '/f', name: 'copy' }],
    },
    'config',
  );
  const told = config.log_files.map((source) =>
    destinationsOf(source, config).map((to) => [destinationName(to), spillAfterMs(to)]),
  );
  expect(told).toEqual([
    [
      ['stdout', undefined],
      ['copy', undefined],
    ],
    [['stdout', 60_000]],
    [['x', 10_000]],
  ]);
});
