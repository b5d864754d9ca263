import { createSimClient } from '../../../dev/sim/client';
import { loggerTo } from '../../../dev/sim/sabotage';
import { SimS3, type S3Request } from '../../../dev/sim/s3';
import { systemClock } from '../../../runtime/core/clock';
import { haPlace, registryStore } from '../../../runtime/flicker/stores';
import { openRegistry } from '../../../runtime/registry/open';

const location = 's3://state/flicker/prod/app-registry.json';
const key = 'flicker/prod/app-registry.json';

/** A store as Google's: it refuses a write that has a condition of S3. */
function google() {
  const s3 = new SimS3();
  const requests: S3Request[] = [];
  const lines: string[] = [];
  const client = createSimClient((request) => {
    requests.push(request);
    return Promise.resolve(s3.handle(request));
  });
  const open = async (owner: string, endpoint = 'https://storage.googleapis.com') =>
    openRegistry({
      store: await registryStore(
        location,
        systemClock,
        () => Promise.resolve(client),
        endpoint,
        loggerTo((line) => lines.push(line)),
      ),
      clock: systemClock,
      log: loggerTo(() => {}),
      configHash: '',
      owner,
      host: 'here',
      writerVersion: '',
    });
  const conditions = () =>
    requests.filter(({ method, headers }) => method === 'PUT' && (headers['if-match'] ?? headers['if-none-match']));
  return { s3, open, lines, conditions };
}

test('on Google Cloud Storage a single instance compares by reading, writes without a condition, and says what that means', async () => {
  const { s3, open, lines, conditions } = google();
  const registry = await open('first');
  expect(await registry.save(() => ({ n: 1 }))).toEqual({ kind: 'saved' });
  expect(conditions()).toEqual([]);
  expect(Buffer.from(s3.get(key) ?? '').toString()).toContain('"n":1');
  expect(lines).toEqual([
    'Google Cloud Storage takes no conditional writes from S3 clients: nothing fences a second instance on this registry; run one only',
  ]);

  // A second one is found out all the same, unless it writes in the very moment between.
  const second = await open('second');
  expect(await registry.save(() => ({ n: 2 }))).toMatchObject({
    kind: 'ended',
    end: { kind: 'fenced', by: { owner: 'second' } },
  });
  s3.delete(key);
  expect(await second.save(() => ({ n: 3 }))).toMatchObject({ kind: 'ended', end: { kind: 'lost' } });
});

test.each(['https://s3.eu-central-1.amazonaws.com', 'https://notstorage.googleapis.com.example'])(
  'on %s writes have their conditions',
  async (endpoint) => {
    const { open, lines, conditions } = google();
    await (await open('first', endpoint)).save(() => ({}));
    expect(conditions()).toHaveLength(2);
    expect(lines).toEqual([]);
  },
);

describe('the place of a registry that several instances share', () => {
  test('is in S3', () => expect(haPlace(location, 'http://127.0.0.1:9000')).toEqual({ bucket: 'state', key }));

  test.each<[string, string | undefined, string | undefined, string]>([
    ['nowhere', undefined, undefined, 'ha needs a registry: add --track [FLICKER_TRACK], or leave ha out'],
    ['in a file', './a.json', undefined, 'ha needs a registry in S3, expected s3://bucket/key, got ./a.json'],
    [
      'on Google Cloud Storage',
      location,
      'https://storage.googleapis.com',
      'its preconditions (x-goog-if-generation-match) cannot be mixed with the headers of S3',
    ],
  ])('is not %s', (_name, registry, endpoint, message) => {
    expect(() => haPlace(registry, endpoint)).toThrow(message);
  });
});
