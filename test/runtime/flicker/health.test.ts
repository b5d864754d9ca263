import { createServer, type Server } from 'node:http';
import { listen } from '../../../dev/vendors/listen';
import { run } from '../../../runtime/flicker/cli';

let status = 200;
let asked: string[];
let server: Server;
let stop: () => Promise<void>;
let port: string;
let said: string;

beforeEach(async () => {
  asked = [];
  said = '';
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(status).end('source app does not move\n');
  });
  const running = await listen(server);
  stop = running.stop;
  port = new URL(running.origin).port;
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(async () => {
  jest.restoreAllMocks();
  await stop();
});

const ask = (args: readonly string[], env: Record<string, string> = {}) =>
  run(['node', 'flicker', 'health', ...args], env);

test.each([
  ['the flag', (to: string) => ask(['--port', to])],
  ['the flag in one word', (to: string) => ask([`--port=${to}`], { FLICKER_PORT: '1' })],
  ['the variable', (to: string) => ask([], { FLICKER_PORT: to, FLICKER_HOST: '0.0.0.0' })],
])('asks whether the program is live, on the port of %s', async (_name, call) => {
  status = 200;
  expect([await call(port), asked, said]).toEqual([0, ['GET /livez'], '']);
});

test('says what it was answered', async () => {
  status = 503;
  expect([await ask(['--port', port]), said]).toEqual([1, `flicker: not live: 127.0.0.1:${port} answered 503\n`]);
});

test('says that nobody answers', async () => {
  await stop();
  expect(await ask(['--port', port])).toBe(1);
  expect(said).toBe(`flicker: not live: 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}\n`);
  const running = await listen(server);
  stop = running.stop;
});

test.each([
  [['--port', 'many'], 'expected a number from 1 to 65535'],
  [['--port', '0'], 'expected a number from 1 to 65535'],
  [['--prt', '1'], "unknown option '--prt'"],
  [['now'], 'too many arguments'],
])('%j is bad usage', async (args, message) => {
  expect(await ask(args)).toBe(2);
  expect(said).toContain(message);
  expect(asked).toEqual([]);
});
