import { errorAnswer, type S3Response } from '../../../dev/sim/s3';
import { hang, World } from './world';

const state = { positions: { a: 1 } };
const dropped = () => Promise.reject(new Error('socket hang up'));

async function opened() {
  const world = new World();
  const registry = await world.open();
  world.requests.length = 0;
  world.lines.length = 0;
  const save = () => world.passing(registry.save(() => state));
  return { world, registry, save };
}

/** Another process takes the registry over. */
function takeOver(world: World) {
  const stored = world.stored();
  world.put({ ...stored, lease: { ...Object(stored['lease']), owner: 'owner-2', host: 'host-2', epoch: 2, seq: 9 } });
}

test('200 with an ETag: committed, in one request', async () => {
  const { world, save } = await opened();
  expect(await save()).toEqual({ kind: 'saved' });
  expect(world.requests).toEqual(['PUT']);
  expect(world.stored()).toMatchObject({ ...state, lease: { seq: 2, epoch: 1, owner: 'owner-1', state: 'held' } });
});

test('an error inside a 200, not written: read, then written again', async () => {
  const { world, save } = await opened();
  world.answers['PUT']?.push(() => errorAnswer(200, 'PreconditionFailed'));
  expect(await save()).toEqual({ kind: 'saved' });
  expect(world.requests).toEqual(['PUT', 'GET', 'PUT']);
  expect(world.stored()).toMatchObject(state);
});

test.each<[string, (answer: S3Response) => S3Response | Promise<S3Response>]>([
  ['an error inside a 200', () => errorAnswer(200, 'InternalError')],
  ['200 without an ETag', (answer) => ({ ...answer, headers: {} })],
  ['412 to a repeated request', () => errorAnswer(412, 'PreconditionFailed')],
  ['409', () => errorAnswer(409, 'ConditionalRequestConflict')],
  ['500', () => errorAnswer(500, 'InternalError')],
  ['a broken connection', dropped],
  ['no answer at all', () => new Promise(() => {})],
])('%s, though written: the read finds the own write, and it is not written twice', async (_name, distort) => {
  const { world, registry, save } = await opened();
  world.answers['PUT']?.push((handle) => distort(handle()));
  expect(await save()).toEqual({ kind: 'saved' });
  expect(world.requests).toEqual(['PUT', 'GET']);
  expect(world.stored()).toMatchObject({ ...state, lease: { seq: 2 } });
  expect(await save()).toEqual({ kind: 'saved' });
  expect(registry.end).toBeUndefined();
});

test.each<[string, () => S3Response | Promise<S3Response>]>([
  ['409', () => errorAnswer(409, 'ConditionalRequestConflict')],
  ['503', () => errorAnswer(503, 'SlowDown')],
  ['a broken connection', dropped],
  ['no answer at all', () => new Promise(() => {})],
])('%s, not written: a read settles it before anything else is written', async (_name, answer) => {
  const { world, save } = await opened();
  world.answers['PUT']?.push(answer);
  expect(await save()).toEqual({ kind: 'saved' });
  expect(world.requests).toEqual(['PUT', 'GET', 'PUT']);
  expect(world.stored()).toMatchObject({ ...state, lease: { seq: 3 } });
});

test('412 because another process took over: fenced, names it, and never writes again', async () => {
  const { world, registry, save } = await opened();
  takeOver(world);
  const before = world.stored();
  const end = { kind: 'fenced', by: { owner: 'owner-2', host: 'host-2', epoch: 2 } };
  expect(await save()).toEqual({ kind: 'ended', end });
  expect(await registry.ended).toEqual(end);
  expect(world.requests).toEqual(['PUT', 'GET']);
  expect(await save()).toEqual({ kind: 'ended', end });
  expect(world.requests).toEqual(['PUT', 'GET']);
  expect(world.stored()).toEqual(before);
  expect(world.lines.at(-1)).toBe('error registry.fenced a new owner has taken over: owner-2 on host-2, epoch 2');
});

test('an edit that raises the epoch fences, even when it leaves the owner as it is', async () => {
  const { world, save } = await opened();
  const stored = world.stored();
  world.put({ ...stored, lease: { ...Object(stored['lease']), epoch: 2 } });
  expect(await save()).toMatchObject({ kind: 'ended', end: { kind: 'fenced', by: { owner: 'owner-1', epoch: 2 } } });
});

test('a 409 that hides a takeover: fenced by the read', async () => {
  const { world, save } = await opened();
  takeOver(world);
  world.answers['PUT']?.push(() => errorAnswer(409, 'ConditionalRequestConflict'));
  expect(await save()).toMatchObject({ kind: 'ended', end: { kind: 'fenced' } });
});

test('412 because an own, earlier write landed late: written again over that one', async () => {
  const { world, registry } = await opened();
  let late: (() => S3Response) | undefined;
  world.answers['PUT']?.push(
    (handle) => {
      late = handle;
      return errorAnswer(503, 'SlowDown');
    },
    (handle) => {
      late?.();
      return handle();
    },
  );
  let calls = 0;
  expect(await world.passing(registry.save(() => ({ calls: ++calls })))).toEqual({ kind: 'saved' });
  expect(world.requests).toEqual(['PUT', 'GET', 'PUT', 'GET', 'PUT']);
  expect(world.stored()).toMatchObject({ calls: 3, lease: { seq: 4 } });
});

test('404 on If-Match: lost, and not made anew', async () => {
  const { world, registry, save } = await opened();
  world.s3.delete(world.s3.keys()[0] ?? '');
  expect(await save()).toMatchObject({ kind: 'ended', end: { kind: 'lost' } });
  expect(() => world.stored()).toThrow('nothing is stored');
  expect(registry.end).toMatchObject({ reason: 's3://state/flicker/prod/okta-registry.json was deleted' });
});

test('something else in its place: lost, and not overwritten', async () => {
  const { world, save } = await opened();
  world.put('hello');
  expect(await save()).toMatchObject({ kind: 'ended', end: { kind: 'lost' } });
  expect(Buffer.from(world.s3.get(world.s3.keys()[0] ?? '') ?? '').toString()).toBe('hello');
});

test('403: tried again within bounds, then reported; the next save works once the right is back', async () => {
  const { world, save } = await opened();
  world.s3.denied = (method) => method === 'PUT';
  expect(await save()).toEqual({ kind: 'failed', reason: 'S3 answered 403 AccessDenied' });
  expect(world.requests).toEqual(Array.from({ length: 8 }, () => 'PUT'));
  expect(world.lines.at(-1)).toContain('cannot save to s3://state/flicker/prod/okta-registry.json: S3 answered 403');
  world.s3.denied = () => false;
  expect(await save()).toEqual({ kind: 'saved' });
});

test('a save that was given up unsettled is settled by the next one', async () => {
  const { world, registry, save } = await opened();
  const giveUp = new AbortController();
  world.answers['PUT']?.push((handle) => (handle(), new Promise(() => {})));
  const first = registry.save(() => ({ positions: { a: 0 } }), giveUp.signal);
  await world.time.run(100);
  giveUp.abort(new Error('no time left'));
  expect(await world.passing(first)).toEqual({ kind: 'failed', reason: 'no time left' });
  expect(await save()).toEqual({ kind: 'saved' });
  expect(world.requests).toEqual(['PUT', 'GET', 'PUT']);
  expect(world.stored()).toMatchObject({ ...state, lease: { seq: 3 } });
});

test('one request is in flight, however many ask', async () => {
  const { world, registry } = await opened();
  let writing = 0;
  let most = 0;
  for (let index = 0; index < 4; index++) {
    world.answers['PUT']?.push(async (handle) => {
      most = Math.max(most, ++writing);
      await world.process.clock.sleep(50);
      writing--;
      return handle();
    });
  }
  await world.passing(Promise.all([1, 2, 3, 4].map((n) => registry.save(() => ({ n })))));
  expect(most).toBe(1);
  expect(world.stored()).toMatchObject({ n: 4 });
});

test('release: saves a last time and says so; a hanging store costs only the time it is given', async () => {
  const { world, registry } = await opened();
  world.answers['PUT']?.push(hang);
  const deadline = new AbortController();
  void world.process.clock.sleep(2_000).then(() => deadline.abort(new Error('no time left')));
  expect(await world.passing(registry.release(() => state, deadline.signal))).toEqual({ kind: 'saved' });
  expect(world.stored()).toMatchObject({ ...state, lease: { state: 'released' } });
  expect(world.lines.at(-1)).toContain('registry.released');
  await expect(registry.save(() => state)).rejects.toThrow('the registry was released');

  const other = await opened();
  const end = new AbortController();
  other.world.answers['PUT']?.push(hang, hang, hang);
  other.world.answers['GET']?.push(hang, hang, hang);
  void other.world.process.clock.sleep(2_000).then(() => end.abort(new Error('no time left')));
  const before = other.world.time.now;
  expect(await other.world.passing(other.registry.release(() => state, end.signal))).toMatchObject({ kind: 'failed' });
  expect(other.world.time.now - before).toBeLessThanOrEqual(2_000);
});
