import { flickerConfig, parseSettings } from '../../../contract';
import { checkHeaders } from '../../../runtime/flicker/headers';
import { createFlickerMetrics } from '../../../runtime/flicker/metrics';
import { createApiSource } from '../../../runtime/flicker/sources/api';
import { surroundings } from './delivery/support';

test.each([
  [
    'authorization',
    'Bearer SECRET\n',
    'header "authorization" of X holds characters that a header cannot carry (a token that ends in a line break?)',
  ],
  ['x-key', 'SECRET\0', 'header "x-key" of X holds characters that a header cannot carry'],
  ['x key', 'SECRET', 'header "x key" of X holds characters that a header cannot carry'],
])('%s cannot carry %j, and the value is not quoted', (name, value, message) => {
  expect(() => checkHeaders({ accept: '*/*', [name]: value }, 'X')).toThrow(new Error(message));
});

test('what headers can carry is left alone', () => {
  expect(() => checkHeaders({ authorization: 'SSWS a=b;c', 'x-empty': '', 'x-latin': 'p\u00e4' }, 'X')).not.toThrow();
});

/** An API source, as it is made before anything runs. */
function api(more: object) {
  const source = { name: 'okta', endpoint: 'https://example.com', results_field: '', timestamp_field: 't', ...more };
  const config = parseSettings(
    flickerConfig('final'),
    { api_sources: [source], destination: { type: 'stdout' } },
    'config',
  );
  const { clock, log } = surroundings().context;
  const [first] = config.api_sources;
  if (!first) throw new Error('no source');
  return createApiSource(first, { clock, log, metrics: createFlickerMetrics().metrics, nodeId: 'n', includeId: true });
}

test.each([
  [{ api_key: 'SECRET\n' }, 'header "authorization" of the API source okta holds characters'],
  [{ headers: { 'X-Token': 'SECRET\r\n' } }, 'header "x-token" of the API source okta holds characters'],
  [
    { endpoint: 'https://user:SECRET@example.com/a' },
    'the endpoint of the API source okta (example.com) holds credentials: move them to basic',
  ],
])('an API source with %j is refused before anything runs', (more, message) => {
  expect(() => api(more)).toThrow(message);
  expect(() => api(more)).not.toThrow('SECRET');
});
