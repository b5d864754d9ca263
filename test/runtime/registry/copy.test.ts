import { configurationRead, createSimClient } from '../../../dev/sim/client';
import { SimS3 } from '../../../dev/sim/s3';
import { SimProcess, VirtualTime } from '../../../dev/sim/time';
import { layoutOfKey } from '../../../contract/registry';
import { copyRegistry, type CopyOptions } from '../../../runtime/registry/copy';
import { parseDocument, type RegistryDocument } from '../../../runtime/registry/format';
import { openRegistry } from '../../../runtime/registry/open';
import { createS3Store } from '../../../runtime/registry/s3-store';
import type { Registry } from '../../../runtime/registry/registry';

const [OLD, NEW] = ['old/app-registry.json', 'new/app-registry.json'];
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Two places on one S3, an instance on the old one, and an operator whose requests can be cut off. */
class Move {
  readonly time = new VirtualTime();
  readonly process = new SimProcess(this.time, 'test');
  readonly s3 = new SimS3();
  /** Requests of the operator, and after how many the operator is gone. */
  asked = 0;
  /** `before`: the last one is not even done. */
  cut: { readonly at: number; readonly before: boolean } | undefined;
  onRequest: () => Promise<void> | undefined = () => undefined;
  readonly client = createSimClient((request) => Promise.resolve(this.s3.handle(request)));
  readonly operator = createSimClient(async (request) => {
    this.asked++;
    await this.onRequest();
    if (this.cut && (this.asked > this.cut.at || (this.asked === this.cut.at && this.cut.before))) {
      return new Promise(() => {});
    }
    const answer = this.s3.handle(request);
    return this.cut?.at === this.asked ? new Promise(() => {}) : answer;
  });

  document(key: string): RegistryDocument {
    const parsed = parseDocument(this.s3.get(key) ?? new Uint8Array());
    if (parsed.kind !== 'current') throw new Error(`no registry at ${key}`);
    return parsed.document;
  }

  async open(key: string, owner: string): Promise<Registry> {
    const store = await createS3Store({ client: this.client, bucket: 'b', layout: layoutOfKey(key) });
    const { clock } = this.process;
    return this.passing(openRegistry({ store, clock, log, owner, configHash: '', host: 'h', writerVersion: '1' }));
  }

  async copy(options: Partial<CopyOptions> = {}, steps: string[] = []): Promise<RegistryDocument> {
    const at = (key: string) => createS3Store({ client: this.operator, bucket: 'b', layout: layoutOfKey(key) });
    const [from, to] = [await at(OLD), await at(NEW)];
    const desk = {
      clock: this.process.clock,
      host: 'desk',
      writerVersion: '1',
      random: () => 0,
      timing: { attempts: 3 },
    };
    return this.passing(copyRegistry({ from, to, desk, onStep: (step) => steps.push(step), ...options }));
  }

  async passing<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => (settled = true);
    promise.then(done, done);
    if (!(await this.time.run(3_600_000, () => settled))) throw new Error('nothing settled it within an hour');
    return promise;
  }
}

beforeAll(configurationRead);

async function moveWithHolder(): Promise<{ move: Move; holder: Registry }> {
  const move = new Move();
  const holder = await move.open(OLD, 'holder');
  await move.passing(holder.save(() => ({ position: 7 })));
  return { move, holder };
}

test('the holder is fenced, and an instance goes on at the new place with what it saved', async () => {
  const { move, holder } = await moveWithHolder();
  const steps: string[] = [];
  const copied = await move.copy({ clusterId: 'prod/new' }, steps);
  expect(steps).toEqual(['fenced', 'copied', 'verified', 'handed-over']);
  expect(copied).toMatchObject({ clusterId: 'prod/new', state: { position: 7 }, lease: { state: 'released' } });
  expect(await move.passing(holder.save(() => ({ position: 8 })))).toMatchObject({ kind: 'ended' });
  await expect(move.open(OLD, 'restarted')).rejects.toThrow(`was moved to s3://b/${NEW}`);
  const next = await move.open(NEW, 'next');
  expect(next.loaded).toEqual({ position: 7 });
  expect(next.epoch).toBeGreaterThan(move.document(OLD).lease.epoch);
});

test('interrupted at any request, done or not, it goes on when it is run again; what the holder saved last is there', async () => {
  const whole = await moveWithHolder();
  await whole.move.copy();
  const requests = whole.move.asked;
  expect(requests).toBeGreaterThan(6);
  const refused = { old: 0, copy: 0 };
  for (let at = 1; at <= requests; at++) {
    for (const before of [true, false]) {
      const { move, holder } = await moveWithHolder();
      let position = 7;
      move.cut = { at, before };
      void move.copy().catch(() => {});
      await move.time.run(60_000);
      // Whatever was interrupted, at most one of the two can be taken.
      const { lease } = move.document(OLD);
      const there = move.s3.get(NEW) && move.document(NEW).lease;
      if (there && there.state !== 'closed') expect(lease.state).toBe('closed');
      if (there?.state === 'closed') {
        refused.copy++;
        await expect(move.open(NEW, 'too early')).rejects.toThrow(
          'a copy of s3://b/old/app-registry.json that is not complete',
        );
      }
      if ((await move.passing(holder.save(() => ({ position: 8 })))).kind === 'saved') position = 8;
      else refused.old++;
      move.cut = undefined;
      await move.copy();
      expect(move.document(NEW)).toMatchObject({ state: { position }, lease: { state: 'released' } });
      // A third run finds nothing to do, also when an instance has saved there since.
      const next = await move.open(NEW, 'next');
      await move.passing(next.save(() => ({ position: 99 })));
      await move.copy();
      expect(move.document(NEW)).toMatchObject({ state: { position: 99 }, lease: { owner: 'next' } });
    }
  }
  expect(Math.min(refused.old, refused.copy)).toBeGreaterThan(3);
});

test('an instance that takes the copy while a second run is under way keeps it', async () => {
  for (let at = 1; at <= 7; at++) {
    const { move } = await moveWithHolder();
    move.onRequest = () => {
      if (move.asked !== at) return;
      move.onRequest = () => undefined;
      // The whole first run, and an instance that saves, between two requests of this one.
      return move
        .copy()
        .then(() => move.open(NEW, 'next'))
        .then((next) => move.passing(next.save(() => ({ position: 99 }))))
        .then(() => {});
    };
    await move.copy().catch((error: Error) => expect(error.message).toMatch(/another run|meanwhile|a registry at/));
    expect(move.document(NEW)).toMatchObject({ state: { position: 99 }, lease: { owner: 'next' } });
  }
});

test('a registry at the target is left alone, and so is the original; --overwrite replaces it', async () => {
  const { move, holder } = await moveWithHolder();
  for (const owner of ['a', 'b', 'c', 'd', 'e']) await move.open(NEW, owner);
  const other = await move.open(NEW, 'other');
  await expect(move.copy()).rejects.toThrow('there is a registry at s3://b/new/app-registry.json already');
  expect(await move.passing(holder.save(() => ({ position: 8 })))).toEqual({ kind: 'saved' });
  await move.copy({ overwrite: true });
  expect(move.document(NEW).state).toEqual({ position: 8 });
  // An epoch is never given twice.
  expect(move.document(NEW).lease.epoch).toBeGreaterThan(other.epoch);
  expect(await move.passing(other.save(() => ({})))).toMatchObject({ kind: 'ended' });
});

test('back again: what was moved is refused until it is copied back', async () => {
  const { move } = await moveWithHolder();
  await move.copy();
  const at = (key: string) => createS3Store({ client: move.client, bucket: 'b', layout: layoutOfKey(key) });
  await move.copy({ from: await at(NEW), to: await at(OLD), overwrite: true });
  expect(move.document(OLD).lease).toMatchObject({ state: 'released' });
  expect(move.document(OLD).lease).not.toHaveProperty('movedTo');
  await expect(move.open(NEW, 'next')).rejects.toThrow('was moved to s3://b/old/app-registry.json');
  expect((await move.open(OLD, 'next')).loaded).toEqual({ position: 7 });
  // What is a copy and was moved on is not written over by the copy that made it.
  await expect(move.copy()).rejects.toThrow('say --overwrite');
});

test('a copy that was moved on is not written again', async () => {
  const { move } = await moveWithHolder();
  await move.copy();
  const at = (key: string) => createS3Store({ client: move.client, bucket: 'b', layout: layoutOfKey(key) });
  await move.copy({ from: await at(NEW), to: await at('third/app-registry.json') });
  const before = move.document(NEW);
  await move.copy();
  expect(move.document(NEW)).toEqual(before);
});

test.each([
  ['nothing', () => {}, 'there is no registry at s3://b/old'],
  ['format 1', (move: Move) => void move.s3.put(OLD, Buffer.from('{"version":1}')), 'start the program once'],
])('%s cannot be copied', async (_name, prepare, message) => {
  const move = new Move();
  prepare(move);
  await expect(move.copy()).rejects.toThrow(message);
  expect(move.s3.get(NEW)).toBeUndefined();
});
