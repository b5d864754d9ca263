import { errorAnswer, SimS3, type S3Request } from '../../../dev/sim/s3';
import { SimProcess, VirtualTime } from '../../../dev/sim/time';
import { quickStore } from '../../../dev/sim/quick-store';
import { testStore, type SelfTest } from '../../../runtime/registry/self-test';

const KEY = 'flicker/prod/app/nodes/probe.json';

/** A store whose requests are changed on their way, as one that does not know a header would. */
function setUp(change: (request: S3Request) => S3Request = (request) => request, s3 = new SimS3()) {
  const time = new VirtualTime();
  const { clock } = new SimProcess(time, 'test');
  const requests: string[] = [];
  const store = quickStore('state', KEY, (request) => {
    requests.push(request.method);
    return Promise.resolve(s3.handle(change(request)));
  });
  const run = async (): Promise<SelfTest> => {
    let result: SelfTest | undefined;
    const running = testStore(store, clock).then((found) => (result = found));
    await time.run(60_000, () => result !== undefined);
    return await running;
  };
  return { run, s3, requests };
}

const without = (name: string, method?: string) => (request: S3Request) => {
  const headers = { ...request.headers };
  if (method === undefined || request.method === method) delete headers[name];
  return { ...request, headers };
};

test('a store that honours the headers passes, at the first start and at every later one', async () => {
  const { run, requests, s3 } = setUp();
  expect(await run()).toEqual({ kind: 'honoured' });
  expect(requests).toEqual(['GET', 'PUT', 'PUT', 'PUT', 'GET', 'PUT', 'GET']);
  requests.length = 0;
  expect(await run()).toEqual({ kind: 'honoured' });
  expect(requests).toEqual(['GET', 'PUT', 'PUT', 'GET', 'PUT', 'GET']);
  expect(s3.keys()).toEqual([KEY]);
});

test.each<[string, (request: S3Request) => S3Request, string]>([
  ['If-None-Match on PUT', without('if-none-match', 'PUT'), 'PUT with If-None-Match: * over an object'],
  ['If-Match', without('if-match'), 'PUT with the If-Match of another version'],
])('a store that ignores %s is found out', async (_name, change, call) => {
  const { run } = setUp(change);
  expect(await run()).toEqual({ kind: 'ignored', call, expected: '412', got: '200' });
});

test('a store that never tells an object unchanged is found out', async () => {
  const { run } = setUp(without('if-none-match', 'GET'));
  const call = 'GET with If-None-Match of the version that is there';
  expect(await run()).toEqual({ kind: 'ignored', call, expected: '304', got: '200' });
});

test('a store that ignores a condition now and then is found out: a later refusal proves nothing', async () => {
  let ignored = 0;
  const { run } = setUp((request) => {
    const once = request.method === 'PUT' && 'if-match' in request.headers && ignored++ === 0;
    return once ? without('if-match')(request) : request;
  });
  expect(await run()).toMatchObject({ kind: 'ignored', call: 'PUT with the If-Match of another version', got: '200' });
});

test('another instance that tests the same object at the same moment does not make a store fail', async () => {
  const s3 = new SimS3();
  let disturb = 2;
  const { run } = setUp((request) => {
    // The other one writes between this one's read and its write.
    if (request.method === 'PUT' && s3.keys().length > 0 && disturb > 0 && request.headers['if-match']?.length === 34) {
      if (!request.headers['if-match'].startsWith('"0000')) {
        disturb--;
        s3.put(KEY, Buffer.from(`other ${disturb}`));
      }
    }
    return request;
  }, s3);
  expect(await run()).toEqual({ kind: 'honoured' });
  expect(disturb).toBe(0);
});

test('many instances that start at the same moment all pass', async () => {
  const [s3, time] = [new SimS3(), new VirtualTime()];
  const results = Array.from({ length: 40 }, (_, i) => {
    const { clock } = new SimProcess(time, `node-${i}`);
    const store = quickStore('state', KEY, async (request, signal) => {
      await clock.sleep(20 + (i % 7) * 10, signal);
      const answer = s3.handle(request);
      await clock.sleep(20, signal);
      return answer;
    });
    return testStore(store, clock);
  });
  let done = false;
  const all = Promise.all(results).finally(() => (done = true));
  await time.run(60_000, () => done);
  expect(new Set((await all).map(({ kind }) => kind))).toEqual(new Set(['honoured']));
});

test('a store that fails for a while is waited for', async () => {
  const { run, s3 } = setUp();
  let failures = 7;
  const { handle } = s3;
  s3.handle = (request) =>
    request.method === 'PUT' && failures-- > 0 ? errorAnswer(503, 'SlowDown') : handle.call(s3, request);
  expect(await run()).toEqual({ kind: 'honoured' });
});

test('a store that refuses cannot be told', async () => {
  const { run, s3 } = setUp();
  s3.denied = () => true;
  expect(await run()).toEqual({ kind: 'untested', reason: 'GET: answered 403' });
});
