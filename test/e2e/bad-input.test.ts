import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { FlickerConfigInput } from '../../contract';
import { startReceiver, type Receiver, type Verdict } from '../../dev/receiver';
import { startPages } from '../../dev/vendors/pages';
import { lines, quick, quickRetry, Stage, text, until } from './support';

let stage: Stage;
let receiver: Receiver;
/** Lines that were accepted, in order. */
let accepted: string[];
let judge: () => Verdict;

beforeEach(async () => {
  stage = new Stage();
  accepted = [];
  judge = () => ({ kind: 'accept' });
  receiver = await startReceiver(
    (records, taken) => void (taken && accepted.push(...records.map(({ line }) => line))),
    () => judge(),
  );
});
afterEach(async () => {
  await stage.dispose();
  await receiver.stop();
});

const config = (endpoint: string, more: Partial<FlickerConfigInput> = {}): FlickerConfigInput => ({
  log_files: [{ name: 'app', path: stage.path('app.log'), ...quick }],
  destination: { type: 'http', endpoint },
  retry: quickRetry,
  registry: { save_interval_ms: 10 },
  ...more,
});
const track = () => ['--track', '--registry-file', stage.path('registry.json')];
const allOf = (count: number) => until(`${count} events`, () => accepted.length >= count);

describe('a config', () => {
  test('that is wrong is refused, every fault with its key, before anything is touched', async () => {
    const { code, program } = await stage.run(
      `log_files: [{ path: app.log, polling_frequency_ms: "\${TOKEN}", star_at: end }]\n` +
        `destination: { type: htp, endpoint: "${receiver.url}" }\n`,
      track(),
      { TOKEN: 'secret-token' },
    );
    expect(program.text.replaceAll(stage.folder, '')).toBe(
      [
        'flicker: the config /config-0.yaml is not valid:',
        '  - log_files[0].polling_frequency_ms: expected a number of ms or a text such as "30s" or "5m"',
        '  - log_files[0]: unknown key "star_at", did you mean "start_at"?',
        '  - destination.type: unknown destination type "htp", did you mean "http"?',
      ].join('\n'),
    );
    expect(code).toBe(2);
    expect(existsSync(stage.path('registry.json'))).toBe(false);
  });

  test('whose secret is not set is refused, and the variable is named', async () => {
    const secret = config(receiver.url, {
      destination: { type: 'http', endpoint: receiver.url, api_key: '${INGEST_KEY}' },
    });
    const { code, program } = await stage.run(secret, track());
    expect(program.text).toContain(
      'destination.api_key: the variable INGEST_KEY is not set; set it, or give a default: ${INGEST_KEY:-…}',
    );
    expect(code).toBe(2);
    expect(existsSync(stage.path('registry.json'))).toBe(false);
  });
});

describe('a destination', () => {
  test('that is down holds the source back, and gets everything when it is up', async () => {
    const { port } = new URL(receiver.url);
    await receiver.stop();
    stage.write('app.log', text(1, 250));
    const program = stage.start(config(receiver.url), track());
    expect((await program.event('source.paused')).message).toMatch(
      /^app is paused, nothing is lost: .*ECONNREFUSED 127\.0\.0\.1/,
    );
    expect([await program.probe('/livez'), await program.probe('/readyz')]).toEqual(['200 live', '200 ready']);
    receiver = await startReceiver(
      (records) => void accepted.push(...records.map(({ line }) => line)),
      undefined,
      Number(port),
    );
    await allOf(250);
    expect((await program.event('source.resumed')).message).toBe('app resumed');
    expect(await program.stop()).toBe(0);
    expect(accepted).toEqual(lines(1, 250));
  });

  test('that answers 401 pauses the source until the credentials are right', async () => {
    judge = () => ({ kind: 'answer', status: 401 });
    stage.write('app.log', text(1, 3));
    const program = stage.start(config(receiver.url), track());
    expect((await program.event('source.paused')).message).toBe(
      'app is paused, nothing is lost: the receiver answered 401 Unauthorized; check the credentials of the destination',
    );
    judge = () => ({ kind: 'accept' });
    await allOf(3);
    await program.event('source.resumed');
    expect(await program.stop()).toBe(0);
    expect(accepted).toEqual(lines(1, 3));
  });

  test('that answers 400 makes dead letters beside the registry, and what follows arrives', async () => {
    judge = () => ({ kind: 'answer', status: 400 });
    stage.write('app.log', text(1, 3));
    const program = stage.start(config(receiver.url), track());
    expect(await program.event('dead_letter.written')).toMatchObject({
      message: '3 events of app were refused and are kept',
      reason: 'the receiver answered 400 Bad Request',
    });
    judge = () => ({ kind: 'accept' });
    stage.append('app.log', text(4, 5));
    await allOf(2);
    expect(await program.stop()).toBe(0);
    expect(accepted).toEqual(lines(4, 5));
    const folder = stage.path('registry/dlq/app');
    const letters = readdirSync(folder).flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'));
    const letter = z.looseObject({ event: z.looseObject({ line: z.string() }), error: z.string() });
    expect(letters.map((line) => letter.parse(JSON.parse(line)).event.line)).toEqual(lines(1, 3));
    expect(program.text).not.toContain('line 1');
  });

  test('that answers 400, with no place for dead letters, stops the source: not ready, and nothing is passed over', async () => {
    judge = () => ({ kind: 'answer', status: 400 });
    stage.write('app.log', text(1, 3));
    stage.write('other.log', text(4, 5));
    const other = { name: 'other', path: stage.path('other.log'), ...quick };
    const two = config(receiver.url, {
      log_files: [
        { name: 'app', path: stage.path('app.log'), ...quick },
        { ...other, destination: { type: 'file', path: stage.path('out.jsonl') } },
      ],
    });
    const program = stage.start(two);
    const told =
      `3 events of app were refused by http ${new URL(receiver.url).origin} (the receiver answered 400 Bad Request), and ` +
      'there is no place for them: set dead_letter to a path or a bucket, or run with --track';
    expect((await program.event('source.failed')).message).toBe(`source stopped: ${told}`);
    expect(await program.probe('/readyz')).toBe(`503 source app stopped: ${told}`);
    expect(await program.probe('/livez')).toBe('200 live');
    stage.append('other.log', text(6, 6));
    await until('the other source goes on', () => stage.read('out.jsonl').includes('line 6'));
    expect(await program.stop()).toBe(0);
    judge = () => ({ kind: 'accept' });
    expect(await stage.run(config(receiver.url), ['--once'])).toMatchObject({ code: 0 });
    expect(accepted).toEqual(lines(1, 3));
  });

  test('that answers 200 with garbage has accepted', async () => {
    let requests = 0;
    const origin = await stage.serve((request, response) => {
      request.resume().on('end', () => {
        requests++;
        response.end(Buffer.from('\x00\xff<html>} not JSON', 'latin1'));
      });
    });
    stage.write('app.log', text(1, 3));
    for (let run = 0; run < 2; run++) {
      const { code, program } = await stage.run(config(`${origin}/ingest`), [...track(), '--once']);
      expect([code, program.events().filter(({ event }) => event === 'source.paused')]).toEqual([0, []]);
    }
    expect(requests).toBe(1);
  });

  test('that hangs does not hold up a stop, and the position stays before what it has', async () => {
    let asked = () => {};
    const hung = new Promise<void>((resolve) => (asked = resolve));
    const origin = await stage.serve((request) => void request.resume().on('end', asked));
    stage.write('app.log', text(1, 3));
    const program = stage.start(config(`${origin}/ingest`, { shutdown_timeout_ms: 3000 }), track());
    await hung;
    const began = performance.now();
    expect(await program.stop()).toBe(0);
    expect(performance.now() - began).toBeLessThan(3000);
    const events = program.events().map(({ event }) => event);
    expect(events).toContain('registry.released');
    expect(events).not.toContain('program.failed');
    expect(await stage.run(config(receiver.url), [...track(), '--once'])).toMatchObject({ code: 0 });
    expect(accepted).toEqual(lines(1, 3));
  });

  test('that hangs: a second SIGTERM ends the process at once', async () => {
    let asked = () => {};
    const hung = new Promise<void>((resolve) => (asked = resolve));
    const origin = await stage.serve((request) => void request.resume().on('end', asked));
    stage.write('app.log', text(1, 3));
    const program = stage.start(config(`${origin}/ingest`, { shutdown_timeout_ms: '60s' }), track());
    await hung;
    program.process.child.kill('SIGTERM');
    await program.event('program.draining');
    expect(await program.stop()).toBe(143);
    expect(await stage.run(config(receiver.url), [...track(), '--once'])).toMatchObject({ code: 0 });
    expect(accepted).toEqual(lines(1, 3));
  });
});

test('an API that answers HTML, or redirects in a circle, is reported, and its entries arrive later', async () => {
  const pages = await startPages();
  pages.add({ time: 1, body: { id: 'a', time: 1 } });
  const api: FlickerConfigInput = {
    api_sources: [
      {
        name: 'audit',
        endpoint: `${pages.url('offset')}?key=secret-key`,
        api_key: 'secret-token',
        results_field: 'items',
        timestamp_field: 'time',
        message_field: 'id',
        start_from: 'beginning',
        destination: { type: 'http', endpoint: receiver.url },
      },
    ],
  };
  const said: string[] = [];
  for (const fault of [{ kind: 'html' }, { kind: 'redirect-loop' }] as const) {
    pages.fail(fault);
    const { code, program } = await stage.run(api, [...track(), '--once']);
    expect([code, accepted]).toEqual([1, []]);
    expect(program.text).not.toContain('secret');
    said.push(...program.events().flatMap(({ event, message }) => (event === 'source.failed' ? [message] : [])));
  }
  expect(said).toEqual([
    expect.stringMatching(/^http\S+ answered 200 with HTML .*: check `endpoint`/),
    expect.stringMatching(/^http\S+ redirects more than 5 times; set `endpoint`/),
  ]);
  expect(await stage.run(api, [...track(), '--once'])).toMatchObject({ code: 0 });
  expect(accepted).toEqual(['a']);
  await pages.stop();
});

test('a file that vanishes is reported with the bytes that nobody could read, and the others go on', async () => {
  stage.write('app.log', text(1, 4));
  const small = { name: 'app', path: stage.path('*.log'), ...quick, batch_max_events: 2 };
  const all = config(receiver.url, { log_files: [small] });
  judge = () => (accepted.length < 2 ? { kind: 'accept' } : { kind: 'answer', status: 503 });
  expect(await stage.run(all, [...track(), '--once'])).toMatchObject({ code: 1 });
  rmSync(stage.path('app.log'));
  stage.write('other.log', text(5, 6));
  judge = () => ({ kind: 'accept' });
  const { code, program } = await stage.run(all, [...track(), '--once']);
  expect(program.events().filter(({ event }) => event === 'source.bytes_missed')).toMatchObject([
    {
      level: 'warn',
      message: 'bytes were cut or deleted before they could be read',
      source: 'app',
      file: stage.path('app.log'),
      from: text(1, 2).length,
      to: text(1, 4).length,
    },
  ]);
  expect([code, accepted]).toEqual([0, [...lines(1, 2), ...lines(5, 6)]]);
});

test('a log that nobody reads any more ends the program in words, and loses nothing', async () => {
  stage.write('app.log', text(1, 3));
  const program = stage.start(config(receiver.url), track());
  await allOf(3);
  program.process.child.stdout?.destroy();
  program.process.child.kill('SIGTERM'); // it has something to say now
  expect(await program.process.ended).toBe(1);
  expect(program.process.lines.at(-1)).toBe('flicker: standard output cannot be written: write EPIPE');
  stage.append('app.log', text(4, 4));
  expect(await stage.run(config(receiver.url), [...track(), '--once'])).toMatchObject({ code: 0 });
  expect([...new Set(accepted)]).toEqual(lines(1, 4));
});

test('a port that is in use is named, and the registry is not touched', async () => {
  const { port } = new URL(receiver.url);
  const { code, program } = await stage.run(config(receiver.url), [...track(), '--port', port]);
  expect(program.text).toBe(
    `flicker: cannot listen on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
  );
  expect(code).toBe(1);
  expect(existsSync(stage.path('registry.json'))).toBe(false);
});
