import { S3Client } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { layoutOfKey } from '../../../contract/registry';
import { errorAnswer } from '../../../dev/sim/s3';
import { RegistryError } from '../../../runtime/registry/errors';
import { createS3Store } from '../../../runtime/registry/s3-store';
import { hang, KEY, World } from './world';

const held = {
  format: 2,
  clusterId: 'prod/okta',
  configHash: 'old',
  lease: { epoch: 4, owner: 'owner-0', host: 'host-0', seq: 70, state: 'held', ttlMs: 1, renewMs: 1 },
  sources: { okta: { cursor: 'c' } },
  writerVersion: '0.9.0',
  savedAt: '2024-01-01T00:00:00.000Z',
};
const version1 = { version: 1, files: { '/var/log/a': { position: 12 } }, api_sources: {} };

/** Opens, expects a refusal, and that nothing was written over what is there. */
async function refused(world: World, options: Parameters<World['open']>[0] = {}): Promise<RegistryError> {
  const before = world.s3.get(KEY);
  const error: unknown = await world.open(options).then(
    () => 'opened',
    (reason: unknown) => reason,
  );
  if (!(error instanceof RegistryError)) throw new Error(`expected a RegistryError, got ${String(error)}`);
  expect(world.s3.get(KEY)).toEqual(before);
  return error;
}

describe('a registry that was never there', () => {
  test('is created, with epoch 1', async () => {
    const world = new World();
    const registry = await world.open();
    expect(world.requests).toEqual(['GET', 'PUT']);
    expect(registry.loaded).toEqual({});
    expect(world.stored()).toMatchObject({
      format: 2,
      clusterId: 'prod/okta',
      configHash: 'c0ffee',
      lease: { epoch: 1, owner: 'owner-1', host: 'host-1', seq: 1, state: 'held' },
      writerVersion: '1.0.0',
    });
  });

  test('has a lease that outlasts the slowest heartbeat', async () => {
    const leaseOf = async (options: Parameters<World['open']>[0]) => {
      const world = new World();
      await world.open(options);
      return world.stored()['lease'];
    };
    expect(await leaseOf({})).toMatchObject({ renewMs: 60_000, ttlMs: 180_000 });
    expect(await leaseOf({ renewMs: 600_000 })).toMatchObject({ renewMs: 600_000, ttlMs: 1_800_000 });
    expect(await leaseOf({ renewMs: 100 })).toMatchObject({ renewMs: 100, ttlMs: 180_000 });
  });

  test('is told from a denied one by its versions, where listing objects is not allowed', async () => {
    const world = new World();
    world.s3.mayList = false;
    world.s3.put(`${KEY}.backup`, Buffer.from('a longer key'));
    expect((await world.open()).epoch).toBe(1);
  });

  test('is created once: the answer was lost', async () => {
    const world = new World();
    world.answers['PUT']?.push((handle) => (handle(), Promise.reject(new Error('socket hang up'))));
    expect((await world.open()).epoch).toBe(1);
    expect(world.requests).toEqual(['GET', 'PUT', 'GET']);
  });

  test('was created by somebody else meanwhile: taken over', async () => {
    const world = new World();
    world.answers['PUT']?.push((handle) => (world.put(held), handle()));
    const registry = await world.open();
    expect(registry.epoch).toBe(5);
    expect(registry.loaded).toEqual({ sources: held.sources });
  });
});

describe('a registry that is there', () => {
  test('is taken over at once, with its state and the next epoch', async () => {
    const world = new World();
    world.put(held);
    const registry = await world.open();
    expect(world.requests).toEqual(['GET', 'PUT']);
    expect(world.stored()).toMatchObject({ sources: held.sources, lease: { epoch: 5, seq: 71, owner: 'owner-1' } });
    expect(world.lines.at(-1)).toBe(
      'info registry.taken_over took the registry over from owner-0 on host-0, which had not released it',
    );
    expect(registry.epoch).toBe(5);
  });

  test('was saved by its holder meanwhile: taken over with the newer state', async () => {
    const world = new World();
    world.put(held);
    world.answers['PUT']?.push((handle) => {
      world.put({ ...held, sources: { okta: { cursor: 'd' } }, lease: { ...held.lease, seq: 71 } });
      return handle();
    });
    expect((await world.open()).loaded).toEqual({ sources: { okta: { cursor: 'd' } } });
    expect(world.stored()).toMatchObject({ lease: { epoch: 5, seq: 72 } });
  });

  test('of another cluster is refused; without an id the stored one is adopted', async () => {
    const world = new World();
    world.put({ ...held, clusterId: 'prod/github' });
    const error = await refused(world);
    expect(error.kind).toBe('other-cluster');
    expect(error.message).toBe(
      'the registry s3://state/flicker/prod/okta-registry.json belongs to "prod/github", not to "prod/okta". It was left as it is; use a key of its own, or the cluster id "prod/github".',
    );
    expect((await world.open({ clusterId: undefined })).clusterId).toBe('prod/github');
    expect(world.stored()).toMatchObject({ clusterId: 'prod/github' });
  });

  test('that was created without an id takes the first one that is given', async () => {
    const world = new World();
    await world.open({ clusterId: undefined });
    expect((await world.open({ owner: 'owner-2' })).clusterId).toBe('prod/okta');
    expect((await refused(world, { clusterId: 'prod/other' })).kind).toBe('other-cluster');
  });

  test('of a newer format is refused', async () => {
    const world = new World();
    world.put({ format: 3, whatever: true });
    expect((await refused(world, { allowReset: true })).message).toBe(
      'the registry s3://state/flicker/prod/okta-registry.json has format 3; this version knows up to 2. It was left as it is; start the newer version again.',
    );
  });

  test.each([
    ['', 'it is empty'],
    ['{"format":2,"lea', 'it is not JSON (16 bytes)'],
    ['[1]', 'it is not an object with a format number'],
    ['{}', 'format: '],
    [JSON.stringify({ ...held, lease: { ...held.lease, epoch: 'x' } }), 'lease.epoch: '],
    ['\x1f\x8bnot gzip', 'it is not JSON'],
  ])('cannot be parsed (%j): refused, even with a reset allowed', async (text, reason) => {
    const world = new World();
    world.s3.put(KEY, Buffer.from(text, 'latin1'));
    const error = await refused(world, { allowReset: true });
    expect(error.kind).toBe('unparsable');
    expect(error.message).toContain(`okta-registry.json cannot be used: ${reason}`);
    expect(error.message).toContain('restore an earlier version of it, or move it away');
  });
});

test('a takeover whose answer was lost is found by reading, and not made twice', async () => {
  const world = new World();
  world.put(held);
  world.answers['PUT']?.push((handle) => (handle(), Promise.reject(new Error('socket hang up'))));
  const registry = await world.open();
  expect(world.requests).toEqual(['GET', 'PUT', 'GET']);
  expect(registry.epoch).toBe(5);
  expect(await world.passing(registry.save(() => ({ a: 1 })))).toEqual({ kind: 'saved' });
});

describe('a deleted registry', () => {
  test.each([true, false])(
    'is refused, whether or not S3 says so at once (%s), until a reset is allowed',
    async (mayList) => {
      const world = new World();
      world.s3.mayList = mayList;
      world.put(held);
      world.s3.delete(KEY);
      expect((await refused(world)).message).toBe(
        'the registry s3://state/flicker/prod/okta-registry.json was deleted. Restore an earlier version of it, or start with --allow-reset to begin without its positions.',
      );
      expect((await world.open({ allowReset: true })).epoch).toBe(1);
    },
  );

  test.each(['delete', 'purge'] as const)(
    'is refused when it vanishes between reading and writing (%s)',
    async (how) => {
      const world = new World();
      world.put(held);
      world.answers['PUT']?.push((handle) => (world.s3[how](KEY), handle()));
      expect(await world.open().catch((error: RegistryError) => error.message)).toContain('was deleted');
    },
  );
});

describe('a registry that cannot be reached', () => {
  test('denied: says what is needed', async () => {
    const world = new World();
    world.put(held);
    world.s3.denied = () => true;
    expect((await refused(world)).message).toBe(
      'access to the registry s3://state/flicker/prod/okta-registry.json is denied: S3 answered 403 AccessDenied. It needs s3:GetObject and s3:PutObject on the key, s3:ListBucket and s3:ListBucketVersions with the key as prefix (a local path: read and write on the folder).',
    );
    world.s3.delete(KEY);
    world.put(held); // deleted once, and there again
    expect((await refused(world)).kind).toBe('denied');
    world.s3.mayListVersions = false;
    expect((await refused(world)).kind).toBe('denied');
  });

  test('denied for writing only: nothing is taken over', async () => {
    const world = new World();
    world.put(held);
    world.s3.denied = (method) => method === 'PUT';
    expect((await refused(world)).kind).toBe('denied');
  });

  test('no bucket', async () => {
    const world = new World();
    world.answers['GET']?.push(...Array.from({ length: 8 }, () => () => errorAnswer(404, 'NoSuchBucket')));
    expect((await refused(world)).message).toContain(
      'cannot reach the registry s3://state/flicker/prod/okta-registry.json: S3 answered 404 NoSuchBucket',
    );
  });

  test.each([
    ['no answer', hang, 'no answer within 4000 ms'],
    ['no connection', () => Promise.reject(new Error('connect ECONNREFUSED')), 'connect ECONNREFUSED'],
    ['an error inside a 200', () => errorAnswer(200, 'InternalError'), '200 with an error as its body'],
  ] as const)('%s: tried again, then given up', async (_name, answer, reason) => {
    const world = new World();
    world.answers['GET']?.push(...Array.from({ length: 8 }, () => answer));
    const error = await refused(world);
    expect(error.kind).toBe('unreachable');
    expect(error.message).toContain(reason);
    expect(world.requests).toHaveLength(8);
  });

  test('a passing trouble is waited for', async () => {
    const world = new World();
    world.put(held);
    world.answers['GET']?.push(() => errorAnswer(503, 'SlowDown'), hang);
    expect((await world.open()).epoch).toBe(5);
  });
});

describe('a file of version 1', () => {
  const upgrade = (json: Readonly<Record<string, unknown>>) => ({ sources: {}, files: json['files'] });

  test('is upgraded, and its bytes are kept beside before anything is written over it', async () => {
    const world = new World();
    const original = JSON.stringify(version1, null, 2);
    world.put(original);
    const registry = await world.open({ upgrade });
    expect(registry.loaded).toEqual({ sources: {}, files: version1.files });
    expect(world.stored()).toMatchObject({ format: 2, files: version1.files, lease: { epoch: 1 } });
    expect(Buffer.from(world.s3.get('flicker/prod/okta/registry.v1.json') ?? '').toString()).toBe(original);
    expect(world.lines.at(-1)).toContain('registry.upgraded');
  });

  test('a second, different original is kept too', async () => {
    const world = new World();
    world.s3.put('flicker/prod/okta/registry.v1.json', Buffer.from('an earlier one'));
    world.put(version1);
    await world.open({ upgrade });
    const names = world.s3.keys().filter((key) => key.startsWith('flicker/prod/okta/registry.v1'));
    expect(names).toHaveLength(2);
    expect(Buffer.from(world.s3.get(names[0] ?? '') ?? '').toString()).toBe('an earlier one');
  });

  test('that cannot be kept is not overwritten', async () => {
    const world = new World();
    world.put(version1);
    world.s3.denied = (method, key) => method === 'PUT' && key !== KEY;
    const error = await refused(world, { upgrade });
    expect(error.message).toContain('could not be upgraded: its original cannot be kept: S3 answered 403');
  });

  test('that the program cannot read is refused', async () => {
    const world = new World();
    world.put(version1);
    expect((await refused(world)).message).toContain('this program knows no such file');
    const failing = () => {
      throw new Error('files./var/log/a.position: expected a number');
    };
    expect((await refused(world, { upgrade: failing })).message).toContain('files./var/log/a.position');
  });
});

test('fields that nobody here knows survive takeover and saves, at the top and in the lease', async () => {
  const own = ['format', 'clusterId', 'configHash', 'lease', 'writerVersion', 'savedAt', 'sources', '__proto__'];
  const extras = fc.dictionary(
    fc.string({ minLength: 1 }).filter((name) => !own.includes(name)),
    fc.jsonValue().filter((value) => JSON.stringify(value) === JSON.stringify(JSON.parse(JSON.stringify(value)))),
    { maxKeys: 4, noNullPrototype: true },
  );
  await fc.assert(
    fc.asyncProperty(extras, async (unknown) => {
      const kept = JSON.parse(JSON.stringify(unknown)) as Record<string, unknown>;
      const world = new World();
      world.put({ ...kept, ...held, lease: { 'x-standby': kept, ...held.lease } });
      const registry = await world.open();
      await world.passing(registry.save(() => ({ sources: { okta: { cursor: 'e' } } })));
      expect(world.stored()).toMatchObject({
        ...kept,
        sources: { okta: { cursor: 'e' } },
        lease: { 'x-standby': kept },
      });
    }),
    { numRuns: 40 },
  );
});

test('a large state is stored compressed and read back', async () => {
  const world = new World();
  const files = Object.fromEntries(
    Array.from({ length: 2_000 }, (_, n) => [`node/2049-${n}-0`, { path: `/var/log/${n}.log`, offset: n }]),
  );
  const registry = await world.open();
  await world.passing(registry.save(() => ({ files })));
  expect(world.s3.get(KEY)?.subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
  expect((await world.open({ owner: 'owner-2' })).loaded).toEqual({ files });
});

test('a client that retries by itself is refused', async () => {
  const client = new S3Client({ region: 'us-east-1', maxAttempts: 3 });
  await expect(createS3Store({ client, bucket: 'state', layout: layoutOfKey(KEY) })).rejects.toThrow(
    "the registry's S3 client must have maxAttempts 1, got 3",
  );
});

test('a state may not use a field of the registry', async () => {
  const world = new World();
  const registry = await world.open();
  await expect(registry.save(() => ({ lease: {} }))).rejects.toThrow('the state may not have a field "lease"');
});
