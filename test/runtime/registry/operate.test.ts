import { createSimClient, type Transport } from '../../../dev/sim/client';
import { seededRandom, type Random } from '../../../dev/sim/random';
import { errorAnswer, SimS3 } from '../../../dev/sim/s3';
import { SimProcess, VirtualTime } from '../../../dev/sim/time';
import { layoutOfKey, REGISTRY_OPERATOR } from '../../../contract/registry';
import { differences, pathText } from '../../../runtime/registry/difference';
import { parseDocument, type RegistryDocument } from '../../../runtime/registry/format';
import { openRegistry } from '../../../runtime/registry/open';
import { edit, look, type Desk } from '../../../runtime/registry/operate';
import { createS3History } from '../../../runtime/registry/s3-history';
import { createS3Store } from '../../../runtime/registry/s3-store';
import { KEY, World } from './world';

const desk = (world: World): Desk => ({
  clock: world.process.clock,
  host: 'desk',
  writerVersion: '1',
  random: () => 0,
});

test('an edit fences the holder, and the next instance takes over at once with what was edited', async () => {
  const world = new World();
  const holder = await world.open();
  await world.passing(holder.save(() => ({ position: 7 })));
  const { before, after } = await world.passing(
    edit(await world.store(), desk(world), (state) => ({ ...state, position: 3 })),
  );
  expect(before?.state).toEqual({ position: 7 });
  expect(after.lease).toMatchObject({ epoch: 2, seq: 3, owner: REGISTRY_OPERATOR, host: 'desk', state: 'released' });
  const late = await world.passing(holder.save(() => ({ position: 8 })));
  expect(late).toMatchObject({ kind: 'ended', end: { kind: 'fenced', by: { owner: REGISTRY_OPERATOR, epoch: 2 } } });
  const next = await world.open({ owner: 'owner-2' });
  expect([next.loaded, next.epoch]).toEqual([{ position: 3 }, 3]);
});

test('an edit whose answer is lost is made once', async () => {
  const world = new World();
  await world.open();
  world.answers['PUT']?.push((handle) => {
    handle();
    throw new Error('connection lost');
  });
  let called = 0;
  const { conflicts } = await world.passing(
    edit(await world.store(), desk(world), (state) => ({ ...state, times: ++called })),
  );
  expect([called, conflicts, world.stored()['times']]).toEqual([1, 0, 1]);
});

test.each([
  ['nothing', () => {}, 'there is no registry'],
  ['a deleted one', (world: World) => (world.put({}), world.s3.delete(KEY)), 'was deleted'],
  ['one of format 1', (world: World) => world.put({ version: 1 }), 'start the program once to upgrade it'],
  ['something else', (world: World) => world.put('hello'), 'it is not JSON (5 bytes)'],
  ['a newer one', (world: World) => world.put({ format: 3 }), 'has format 3'],
])('an edit of %s is refused, and nothing is written', async (_name, prepare, message) => {
  const world = new World();
  prepare(world);
  await expect(world.passing(edit(await world.store(), desk(world), (state) => state))).rejects.toThrow(message);
  expect(world.requests).not.toContain('PUT');
});

test('what may not be read or written is said, without tries in vain', async () => {
  const world = new World();
  await world.open();
  world.s3.denied = (method) => method === 'PUT';
  const asked = world.requests.length;
  await expect(world.passing(edit(await world.store(), desk(world), (state) => state))).rejects.toThrow('is denied');
  world.s3.denied = () => true;
  await expect(world.passing(look(await world.store(), desk(world)))).rejects.toThrow('is denied');
  expect(world.requests.length - asked).toBeLessThanOrEqual(5);
});

/** A network with trouble, in front of S3. */
function troubled(s3: SimS3, process: SimProcess, random: Random): Transport {
  return async (request) => {
    await process.clock.sleep(random.int(1, 40));
    const fate = random.weighted({ fine: 12, lost: 1, 'answer lost': 3, conflict: 1, 'done, 503': 2 });
    if (fate === 'lost') throw new Error('connection lost');
    if (fate === 'conflict' && request.method === 'PUT') return errorAnswer(409, 'ConditionalRequestConflict');
    const answer = s3.handle(request);
    await process.clock.sleep(random.int(1, 40));
    if (fate === 'answer lost') throw new Error('connection lost');
    return fate === 'done, 503' ? errorAnswer(503, 'SlowDown') : answer;
  };
}

const marksOf = ({ state }: RegistryDocument) => (Array.isArray(state['marks']) ? state['marks'] : []);

const clients = Array.from({ length: 2 }, () => {
  const slot: { transport: Transport } = { transport: () => Promise.resolve(errorAnswer(404, 'NoSuchKey')) };
  return { slot, client: createSimClient((request, signal) => slot.transport(request, signal)) };
});
const storeOf = (index: number, transport: Transport) => {
  const made = clients[index];
  if (!made) throw new Error('no such client');
  made.slot.transport = transport;
  return createS3Store({ client: made.client, bucket: 'state', layout: layoutOfKey(KEY) });
};
beforeAll(async () => {
  for (const index of [0, 1])
    await (
      await storeOf(index, () => Promise.resolve(errorAnswer(404, 'NoSuchKey')))
    ).read(new AbortController().signal);
});

test('an edit that races with a running holder is neither lost nor overwrites what was saved', async () => {
  const met = { edits: 0, conflicts: 0, failed: 0, fenced: 0 };
  for (let seed = 1; seed <= 24; seed++) {
    const random = seededRandom(seed);
    const time = new VirtualTime();
    const process = new SimProcess(time, 'p');
    const s3 = new SimS3();
    const versions: RegistryDocument[] = [];
    s3.onCommit = (_key, body) => {
      const parsed = parseDocument(body);
      if (parsed.kind === 'current') versions.push(parsed.document);
    };
    const { clock } = process;
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const [forHolder, forDesk] = await Promise.all([0, 1].map((one) => storeOf(one, troubled(s3, process, random))));
    if (!forHolder || !forDesk) throw new Error('no stores');
    /** Counts, and is started again whenever it was fenced. */
    const hold = async () => {
      for (let life = 0; ; life++) {
        const options = { configHash: '', host: 'h', writerVersion: '1', clock, log, random: () => random.next() };
        const held = await openRegistry({ ...options, store: forHolder, owner: `owner-${life}` });
        let count = Number(held.loaded['count'] ?? 0);
        while (!held.end) {
          await held.save(() => ({ count: ++count }));
          await clock.sleep(random.int(0, 400));
        }
        met.fenced++;
      }
    };
    const told: { readonly mark: number; readonly epoch: number }[] = [];
    let over = false;
    let broken: unknown;
    const work = async () => {
      while (versions.length === 0) await clock.sleep(50);
      const options: Desk = { clock, host: 'desk', writerVersion: '1', random: () => random.next() };
      for (let mark = 1; mark <= 3; mark++) {
        await clock.sleep(random.int(0, 500));
        try {
          const { after, conflicts } = await edit(forDesk, options, (state) => {
            const marks = Array.isArray(state['marks']) ? state['marks'] : [];
            return marks.includes(mark) ? state : { ...state, marks: [...marks, mark] };
          });
          told.push({ mark, epoch: after.lease.epoch });
          met.conflicts += conflicts;
        } catch (error) {
          if (!String(error).includes('RegistryError')) throw error;
          met.failed++;
        }
      }
      over = true;
    };
    hold().catch(() => {}); // gives up after too many failures
    work().catch((error: unknown) => {
      broken = error;
      over = true;
    });
    if (!(await time.run(600_000, () => over))) throw new Error(`seed ${seed}: the edits do not end`);
    process.kill();
    if (broken) throw new Error(`seed ${seed}`, { cause: broken });
    met.edits += told.length;
    let [epoch, owner, count, marks] = [0, '', 0, 0];
    for (const version of versions) {
      const byOperator = version.lease.owner === REGISTRY_OPERATOR;
      const now = {
        epoch: version.lease.epoch,
        count: Number(version.state['count'] ?? 0),
        marks: marksOf(version).length,
      };
      const inOrder = byOperator || version.lease.owner !== owner ? now.epoch === epoch + 1 : now.epoch === epoch;
      // An edit changes nothing but its mark, and a save nothing but the count: none was made on what was not the newest.
      const kept = byOperator ? now.count === count : now.marks === marks && now.count >= count;
      if (!inOrder || !kept)
        throw new Error(`seed ${seed}: version ${JSON.stringify(version)} after epoch ${epoch}, count ${count}`);
      [epoch, owner, count, marks] = [now.epoch, version.lease.owner, now.count, now.marks];
    }
    const last = versions.at(-1);
    for (const { mark, epoch: edited } of told) {
      const stored = versions.find(({ lease }) => lease.epoch === edited && lease.owner === REGISTRY_OPERATOR);
      if (!stored || !marksOf(stored).includes(mark))
        throw new Error(`seed ${seed}: edit ${mark} was told and not made`);
      if (!last || !marksOf(last).includes(mark)) throw new Error(`seed ${seed}: edit ${mark} was lost`);
    }
  }
  expect(met.edits).toBeGreaterThan(60);
  expect(met.conflicts).toBeGreaterThan(4);
  expect(met.fenced).toBeGreaterThan(12);
}, 60_000);

test('the history lists what S3 keeps, newest first, over pages, deletions too, and of this key only', async () => {
  const world = new World();
  world.s3.now = () => world.process.clock.now();
  world.s3.pageSize = 2;
  for (const n of [1, 2, 3]) {
    world.put({ n });
    await world.time.run(60_000);
  }
  world.s3.delete(KEY);
  world.put({ n: 4 });
  world.s3.put(`${KEY}.bak`, Buffer.from('{}'));
  world.s3.put(`${KEY}.bak`, Buffer.from('[]'));
  const history = await createS3History(world.client, 'state', KEY, world.process.clock);
  const { signal } = new AbortController();
  const seen: string[] = [];
  for await (const version of history.versions(signal)) {
    const minutes = (version.storedAt - Date.UTC(2024, 0, 1)) / 60_000;
    const text = version.deleted ? 'deleted' : Buffer.from(await history.read(version, signal)).toString();
    seen.push(`${minutes}: ${text}`);
  }
  expect(seen).toEqual(['3: {"n":4}', '3: deleted', '2: {"n":3}', '1: {"n":2}', '0: {"n":1}']);
  world.s3.mayListVersions = false;
  await expect(history.versions(signal).next()).rejects.toThrow(/AccessDenied; it needs s3:ListBucketVersions/);
});

test('a request for the history that is not answered ends, and says so', async () => {
  const world = new World();
  const silent = createSimClient(
    (_, signal) =>
      new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted')))),
  );
  const history = await createS3History(silent, 'state', KEY, world.process.clock);
  const asked = history.versions(new AbortController().signal).next();
  const told = expect(asked).rejects.toThrow('cannot read the history of s3://state/');
  await world.time.run(61_000);
  await told;
  await expect(asked).rejects.toThrow('no answer within 60000 ms');
});

test('differences name the smallest values that differ', () => {
  const before = { a: { 'x/y': 1, z: [1, 2] }, gone: {} };
  const after = { a: { 'x/y': 2, z: [1, 2] }, come: null };
  expect(differences(before, after).map(({ path, ...values }) => [pathText(path), values])).toEqual([
    ['a["x/y"]', { before: 1, after: 2 }],
    ['gone', { before: {}, after: undefined }],
    ['come', { before: undefined, after: null }],
  ]);
});
