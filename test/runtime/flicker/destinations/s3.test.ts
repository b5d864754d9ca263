import { gunzipSync } from 'node:zlib';
import { S3Client } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import type { Destination } from '../../../../runtime/flicker/destination';
import { createDestination } from '../../../../runtime/flicker/destinations';
import { objectKey } from '../../../../runtime/flicker/destinations/s3-object';
import { safeName } from '../../../../runtime/flicker/destinations/safe-name';
import type { StateChange } from '../../../../runtime/flicker/state';
import { fakeS3, type FakeS3, type Fault } from './fake-s3';
import { context, destinationConfig, never, position, records, shipment } from './support';

let s3: FakeS3;
beforeAll(async () => {
  s3 = await fakeS3();
});
afterAll(() => s3.close());
beforeEach(() => {
  s3.objects.clear();
  s3.requests.length = 0;
  s3.faults.length = 0;
  s3.tellsMissing = true;
});

const make = (settings: object = {}, clusterId: string | undefined = 'prod/okta'): Promise<Destination> =>
  createDestination(destinationConfig({ type: 's3', bucket: 'archive', prefix: 'logs', ...settings }), {
    ...context,
    clusterId,
    s3: () => Promise.resolve(s3.client),
  });

const first = 'archive/logs/app/000000000001.jsonl';
/** A change that does not fit into the metadata. */
const long = position('ä'.repeat(3000));

test('writes one numbered object that is never replaced, with the state after it', async () => {
  const to = await make();
  expect(await to.send(shipment(['one', 'two'], { number: 42 }), never)).toEqual({ kind: 'accepted' });
  const stored = s3.objects.get('archive/logs/app/000000000042.jsonl');
  expect(String(stored?.body)).toBe(String(records(['one', 'two']).body('lines')));
  expect(stored?.headers).toMatchObject({
    'content-type': 'application/jsonlines',
    'x-amz-meta-holdfast-cluster': 'prod%2Fokta',
  });
  const after = stored?.headers['x-amz-meta-holdfast-after'] ?? '';
  expect(JSON.parse(String(Buffer.from(after, 'base64url')))).toEqual(position(1));
  expect(to).toMatchObject({ label: 's3://archive/logs/', layout: 'lines' });
});

test('compresses on request, a long change as well', async () => {
  const to = await make({ compression: true });
  await to.send(shipment(['one', 'two'], { after: long }), never);
  const stored = s3.objects.get(`${first}.gz`);
  expect(stored?.headers['content-encoding']).toBe('gzip');
  const lines = String(gunzipSync(stored?.body ?? '')).split('\n');
  expect(lines).toHaveLength(4);
  expect(JSON.parse(lines[2] ?? '')).toEqual({ holdfast: { after: long } });
  expect(await to.recover?.('app', 1, never)).toEqual([long]);
});

test('refuses a client that retries by itself', async () => {
  const client = new S3Client({ region: 'eu-central-1' });
  const made = createDestination(destinationConfig({ type: 's3', bucket: 'archive' }), {
    ...context,
    s3: () => Promise.resolve(client),
  });
  await expect(made).rejects.toThrow('maxAttempts 1, got 3');
});

describe('an object that is there already', () => {
  test.each([false, true])('is its own when the answer was lost (compressed: %s)', async (compression) => {
    const to = await make({ compression });
    s3.faults.push('drop-after');
    expect(await to.send(shipment(['one']), never)).toMatchObject({ kind: 'retry', uncertain: true });
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'accepted' });
    expect(s3.objects.size).toBe(1);
  });

  test.each<[string, StateChange]>([
    ['in the metadata', position('theirs')],
    ['in the trailer', long],
  ])("is another writer's: superseded by the change %s", async (_, after) => {
    await (await make()).send(shipment(['theirs'], { after }), never);
    expect(await (await make()).send(shipment(['mine']), never)).toEqual({ kind: 'superseded', after });
  });

  test('of the same records is still another when the state after it differs', async () => {
    const to = await make();
    await to.send(shipment(['one'], { after: position('theirs') }), never);
    expect(await to.send(shipment(['one']), never)).toEqual({ kind: 'superseded', after: position('theirs') });
  });

  test.each([
    ['another cluster', 'prod/other', /belongs to cluster "prod\/other", not to "prod\/okta"/],
    ['a shipper without registry', undefined, /belongs to a shipper without --track/],
  ])('of %s blocks', async (_, cluster, message) => {
    await (
      await createDestination(destinationConfig({ type: 's3', bucket: 'archive', prefix: 'logs' }), {
        ...context,
        clusterId: cluster,
        s3: () => Promise.resolve(s3.client),
      })
    ).send(shipment(['one']), never);
    const to = await make();
    expect(await to.send(shipment(['one']), never)).toEqual({
      kind: 'blocked',
      reason: expect.stringMatching(message),
    });
    await expect(to.recover?.('app', 1, never)).rejects.toMatchObject({
      blocked: true,
      message: expect.stringMatching(message),
    });
  });

  test("of somebody else's making blocks", async () => {
    s3.objects.set(first, { body: Buffer.from('x'), headers: {} });
    expect(await (await make()).send(shipment(['one']), never)).toEqual({
      kind: 'blocked',
      reason: expect.stringContaining('was not written by a log shipper: give this source another prefix or name'),
    });
  });

  test('with unreadable state blocks', async () => {
    await (await make()).send(shipment(['theirs']), never);
    const stored = s3.objects.get(first);
    if (!stored) throw new Error('nothing stored');
    s3.objects.set(first, { ...stored, headers: { ...stored.headers, 'x-amz-meta-holdfast-after': 'AAAA' } });
    const to = await make();
    expect(await to.send(shipment(['mine']), never)).toMatchObject({
      kind: 'blocked',
      reason: expect.stringContaining(first),
    });
    await expect(to.recover?.('app', 1, never)).rejects.toMatchObject({ name: 'RecoverError', blocked: true });
  });

  test('and gone when it is looked at: tried again', async () => {
    s3.faults.push({ status: 412, code: 'PreconditionFailed' });
    expect(await (await make()).send(shipment(['one']), never)).toMatchObject({ kind: 'retry', uncertain: false });
  });

  test('and cannot be looked at: tried again', async () => {
    await (await make()).send(shipment(['theirs']), never);
    s3.faults.push(undefined, { status: 503, code: '' });
    expect(await (await make()).send(shipment(['mine']), never)).toMatchObject({ kind: 'retry' });
  });
});

test.each<[Fault, object]>([
  ['drop-before', { kind: 'retry', uncertain: true }],
  [
    { status: 409, code: 'ConditionalRequestConflict' },
    { kind: 'retry', uncertain: false },
  ],
  [
    { status: 500, code: 'InternalError' },
    { kind: 'retry', uncertain: true },
  ],
  [
    { status: 503, code: 'SlowDown' },
    { kind: 'retry', uncertain: true },
  ],
  [{ status: 400, code: 'RequestTimeout' }, { kind: 'retry' }],
  [{ status: 400, code: 'InvalidRequest' }, { kind: 'blocked' }],
  [
    { status: 403, code: 'AccessDenied' },
    { kind: 'blocked', reason: expect.stringContaining('may put, get and list') },
  ],
  [
    { status: 404, code: 'NoSuchBucket' },
    { kind: 'blocked', reason: expect.stringContaining('name and the region') },
  ],
  [{ status: 301, code: 'PermanentRedirect' }, { kind: 'blocked' }],
  [{ status: 501, code: 'NotImplemented' }, { kind: 'retry' }],
])('a PUT answered %j', async (fault, expected) => {
  s3.faults.push(fault);
  expect(await (await make()).send(shipment(['one']), never)).toMatchObject(expected);
  expect(s3.objects.size).toBe(0);
  expect(s3.requests).toEqual([`PUT ${first}`]);
});

test('an abort rejects with its reason', async () => {
  const stop = new AbortController();
  const sending = (await make()).send(shipment(['one']), stop.signal);
  stop.abort(new Error('stopped'));
  await expect(sending).rejects.toThrow('stopped');
  await expect((await make()).recover?.('app', 1, stop.signal)).rejects.toThrow('stopped');
});

describe('recover', () => {
  async function write(from: number, to: number, settings: object = {}) {
    const destination = await make(settings);
    for (let number = from; number <= to; number++) {
      await destination.send(shipment([`line ${number}`], { number, after: position(number) }), never);
    }
  }
  const changes = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => position(from + i));

  test('finds nothing with one look', async () => {
    expect(await (await make()).recover?.('app', 7, never)).toEqual([]);
    expect(s3.requests).toEqual([
      'HEAD archive/logs/app/000000000007.jsonl',
      'HEAD archive/logs/app/000000000007.jsonl.gz',
    ]);
  });

  test('looks into the list where S3 answers 403 for what is not there', async () => {
    s3.tellsMissing = false;
    await write(5, 6);
    s3.objects.set('archive/logs/app/000000000007.jsonl.gz2', { body: Buffer.alloc(0), headers: {} });
    const to = await make();
    expect(await to.recover?.('app', 5, never)).toEqual(changes(5, 6));
    expect(await to.read?.('app', 7, never)).toBeUndefined();
    expect(s3.requests).toContain('LIST archive/logs/app/000000000007.jsonl.gz');
  });

  test.each([1, 2, 3, 40])('adopts %i objects in order', async (count) => {
    await write(5, 4 + count);
    expect(await (await make()).recover?.('app', 5, never)).toEqual(changes(5, 4 + count));
  });

  test('ends at the first number that is missing', async () => {
    await write(1, 3);
    await write(5, 6);
    expect(await (await make()).recover?.('app', 1, never)).toEqual(changes(1, 3));
  });

  test('finds objects written before compression was switched', async () => {
    await write(1, 2);
    await write(3, 4, { compression: true });
    expect(await (await make({ compression: true })).recover?.('app', 1, never)).toEqual(changes(1, 4));
  });

  test.each<[Fault, object]>([
    [
      { status: 403, code: '' },
      { blocked: true, message: expect.stringContaining('may put, get and list') },
    ],
    [{ status: 503, code: '' }, { blocked: false }],
    ['drop-before', { blocked: false }],
  ])('answered %j fails, and never takes an object for missing', async (fault, expected) => {
    await write(1, 1);
    s3.faults.push(fault);
    await expect((await make()).recover?.('app', 1, never)).rejects.toMatchObject({
      name: 'RecoverError',
      ...expected,
    });
  });

  test('a store that knows no ranges sends the whole object', async () => {
    await (await make()).send(shipment(['one'], { after: long }), never);
    const send = s3.client.send.bind(s3.client) as (...args: unknown[]) => Promise<object>;
    const spy = jest.spyOn(s3.client, 'send').mockImplementation(async (...args: unknown[]) => {
      const [command] = args as [{ input: { Range?: string } }];
      const ranged = command.input.Range !== undefined;
      delete command.input.Range;
      return { ...(await send(...args)), ...(ranged && { ContentRange: undefined }) };
    });
    expect(await (await make()).recover?.('app', 1, never)).toEqual([long]);
    spy.mockRestore();
  });
});

test('one writer wins each number, however answers get lost, and the objects hold every event once', async () => {
  const faults = fc.constantFrom<(Fault | undefined)[]>(undefined, undefined, 'drop-after', 'drop-before', {
    status: 409,
    code: 'ConditionalRequestConflict',
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(faults, { maxLength: 30 }),
      fc.array(fc.nat(1), { maxLength: 12 }),
      async (plan, turns) => {
        s3.objects.clear();
        s3.faults.splice(0, s3.faults.length, ...plan);
        // Two shippers of one cluster, neither of which knows of the other, read the same list of events.
        const writers = [
          { to: await make(), number: 1, next: 0, name: 'a' },
          { to: await make(), number: 1, next: 0, name: 'b' },
        ];
        for (const turn of turns) {
          const writer = writers[turn];
          if (!writer) continue;
          for (let settled = false; !settled;) {
            // Each cuts its batches in its own way.
            const until = writer.next + (writer.name === 'a' ? 1 : 2);
            const lines = Array.from({ length: until - writer.next }, (_, i) => `event ${writer.next + i}`);
            const part = shipment(lines, { number: writer.number, after: position(until) });
            const answer = await writer.to.send(part, never);
            if (answer.kind === 'retry') continue;
            settled = true;
            if (answer.kind === 'accepted') writer.next = until;
            else if (answer.kind === 'superseded') writer.next = Number(answer.after.position?.['cursor']);
            else throw new Error(answer.kind);
            writer.number++;
          }
        }
        const stored = [...s3.objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => String(object.body));
        const seen = stored.flatMap((body) =>
          body
            .trimEnd()
            .split('\n')
            .map((one) => (JSON.parse(one) as { line: string }).line),
        );
        expect(seen).toEqual(seen.map((_, i) => `event ${i}`));
      },
    ),
    { numRuns: 25 },
  );
});

describe('keys', () => {
  test.each([
    ['okta-audit.logs_1', 'okta-audit.logs_1'],
    ['/var/log/*.log', '!2Fvar!2Flog!2F!2A.log'],
    ['é!', '!C3!A9!21'],
    ['..', '!2E!2E'],
    ['', '!'],
  ])('%s becomes %s', (name, expected) => {
    expect(objectKey('p/', name, 7, true)).toBe(`p/${expected}/000000000007.jsonl.gz`);
  });

  test('two names never share a key, and a key is one safe segment', () => {
    const name = fc.array(fc.constantFrom(...'ab!2F/.é😀\0 '), { maxLength: 90 }).map((letters) => letters.join(''));
    fc.assert(
      fc.property(name, name, (a, b) => {
        const [one, other] = [safeName(a), safeName(b)];
        if (!/^[A-Za-z0-9._!-]{1,200}$/.test(one) || /^\.+$/.test(one)) throw new Error(`${one} is no safe segment`);
        if ((one === other) !== (a === b)) throw new Error(`${a} and ${b} share ${one}`);
      }),
    );
  });
});
