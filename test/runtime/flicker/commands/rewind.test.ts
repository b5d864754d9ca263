import { setMaxListeners } from 'node:events';
import { World, KEY } from '../../registry/world';
import { exportRegistry } from '../../../../runtime/flicker/commands/registry-file';
import { rewind } from '../../../../runtime/flicker/commands/registry-edit';
import { diff, history } from '../../../../runtime/flicker/commands/registry-history';
import type { Desktop } from '../../../../runtime/flicker/commands/registry-desk';
import { createS3History } from '../../../../runtime/registry/s3-history';
import type { Registry } from '../../../../runtime/registry/registry';

const START = Date.UTC(2024, 0, 1);
const HOUR = 3_600_000;
const at = (hours: number) => new Date(START + hours * HOUR).toISOString();

/** A registry that was saved once an hour, on an S3 that keeps the versions. */
class Past {
  readonly world = new World();
  printed = '';
  json = false;
  asked: string[] = [];
  readonly signal = new AbortController().signal;

  constructor() {
    // Every request listens to it.
    setMaxListeners(0, this.signal);
  }

  static async of(...states: object[]): Promise<Past> {
    const past = new Past();
    const { world } = past;
    world.s3.now = () => world.process.clock.now();
    let holder: Registry | undefined;
    for (const state of states) {
      holder ??= await world.open();
      await world.passing(holder.save(() => ({ ...state })));
      await world.time.run(HOUR);
    }
    return past;
  }

  async desk(): Promise<Desktop> {
    const { world } = this;
    return {
      clock: world.process.clock,
      host: 'desk',
      writerVersion: '1',
      random: () => 0,
      signal: this.signal,
      store: await world.store(),
      history: () => createS3History(world.client, 'state', KEY, world.process.clock),
      spill: {
        put: () => Promise.resolve(),
        get: () => Promise.resolve(undefined),
        remove: () => Promise.resolve(),
      },
      tryStore: undefined,
      json: this.json,
      print: (text) => void (this.printed += text),
      confirm: (question) => Promise.resolve(void this.asked.push(question)),
      explained: (work) => work(),
    };
  }

  async run(command: (desk: Desktop) => Promise<number>): Promise<string> {
    this.printed = '';
    const desk = await this.desk();
    await this.world.passing(command(desk));
    return this.printed;
  }
}

const api = (hours: number, more: object = {}) => ({
  kind: 'api',
  startedAt: at(0),
  batchNo: 1,
  position: { watermark: START + hours * HOUR, floor: START + hours * HOUR },
  ...more,
});
const files = { kind: 'files', startedAt: at(0), batchNo: 1, position: {} };
const docker = { kind: 'docker', startedAt: at(0), batchNo: 1, position: {} };
const entry = (offset: number, more: object = {}) => ({
  source: 'app',
  path: '/a.log',
  generation: 0,
  offset,
  idHash: '',
  fingerprint: { bytes: 0, hash: '' },
  seenAt: at(0),
  ...more,
});
const container = (hours: number) => ({
  source: 'web',
  name: 'web-1',
  ts: at(hours).replace('Z', '000000Z'),
  streams: {},
  seenAt: at(0),
});

const hours = (n: number) => ({
  sources: {
    okta: api(n, { batchNo: 10 + n, destinations: { siem: { ahead: 'AAAAAAAAAAA' } } }),
    app: files,
    web: docker,
  },
  files: {
    'n/1-1-0': entry(100 * n, { marker: { bytes: 1, hash: `m${n}` } }),
    ...(n > 1 && { 'n/1-2-0': entry(50) }),
    ...(n > 1 && { 'n/1-3-0': entry(70, { goneAt: at(2) }) }),
  },
  docker: { 'n/aa': container(n) },
});

test('positions go back to what they were at a time, and what may come again is told', async () => {
  const past = await Past.of(hours(1), hours(2), hours(3));
  const told = await past.run((desk) => rewind(desk, at(0.5), undefined));
  expect(past.asked).toEqual([`Write this to s3://state/${KEY}?`]);
  expect(told).toContain(`stored ${at(0)}`);
  expect(told).toContain(`okta: events of 2 h, from ${at(1)} to ${at(3)}, may be shipped again`);
  expect(told).toContain('app: 250 B (250 bytes) of 2 files may be shipped again; 1 file gone');
  expect(told).toContain('web: lines of 1 container since');
  const stored = past.world.stored();
  expect(stored['lease']).toMatchObject({ epoch: 2, owner: 'operator', state: 'released' });
  expect(stored['sources']).toMatchObject({
    okta: { batchNo: 13, position: api(1).position, destinations: { siem: {} } },
  });
  expect(stored['files']).toEqual({
    'n/1-1-0': entry(100, { marker: { bytes: 1, hash: 'm1' } }),
    'n/1-2-0': entry(0),
    'n/1-3-0': entry(70, { goneAt: at(2) }),
  });
  expect(stored['docker']).toEqual({ 'n/aa': container(1) });
});

test('one source alone; never forward; and a running instance goes on from there', async () => {
  const past = await Past.of(hours(1), hours(3), { ...hours(2), sources: { ...hours(2).sources, new: api(2) } });
  await past.run((desk) => rewind(desk, at(0.5), 'app'));
  expect(past.world.stored()).toMatchObject({ sources: { okta: { position: api(2).position } } });
  expect(past.world.stored()['files']).toMatchObject({ 'n/1-1-0': { offset: 100 } });
  const told = await past.run((desk) => rewind(desk, at(1.5), undefined));
  expect(told).toContain(`okta: is at an earlier position already (${at(2)})`);
  expect(told).toContain('new: it was not there yet');
  expect(told).toContain('nothing to change');
  await expect(past.run((desk) => rewind(desk, at(0.5), 'none'))).rejects.toThrow('there is no source "none"');
  await expect(past.run((desk) => rewind(desk, at(-1), undefined))).rejects.toThrow(
    `the oldest version that is kept is of ${at(0)}`,
  );
});

test('what an instance saves while the question is open is not lost: the edit is made on it', async () => {
  const past = await Past.of(hours(1));
  const holder = await past.world.open({ owner: 'second' });
  await past.world.passing(holder.save(() => hours(2)));
  past.json = true;
  const desk = await past.desk();
  const late = { ...hours(3), sources: { ...hours(3).sources, late: api(3) } };
  const confirm = async () => {
    await holder.save(() => late);
  };
  await past.world.passing(rewind({ ...desk, confirm }, at(0.5), 'okta'));
  expect(past.world.stored()).toMatchObject({
    sources: { ...late.sources, okta: { ...late.sources.okta, position: api(1).position, destinations: { siem: {} } } },
    files: late.files,
  });
  expect(JSON.parse(past.printed)).toMatchObject({ notes: [expect.stringContaining('okta: events of 2 h')] });
});

test('history and diff', async () => {
  const past = await Past.of(hours(1), hours(2));
  past.world.s3.delete(KEY);
  past.world.put('garbage');
  const listed = await past.run((desk) => history(desk, '10'));
  const lines = listed.trim().split('\n');
  expect(lines.map((line) => /deleted|not a registry|seq|SEQ|1 +[123] +owner-1/i.exec(line)?.[0])).toEqual([
    'SEQ',
    'not a registry',
    'deleted',
    expect.stringMatching(/1 +3/),
    expect.stringMatching(/1 +2/),
    expect.stringMatching(/1 +1/),
  ]);
  expect((await past.run((desk) => history(desk, '2'))).trim().split('\n')).toHaveLength(3);
  await expect(past.run((desk) => history(desk, 'all'))).rejects.toThrow('expected a whole number');
  await expect(past.run((desk) => diff(desk, undefined, undefined))).rejects.toThrow('is not a registry');
  const told = await past.run((desk) => diff(desk, 'v1', 'v2'));
  expect(told).toMatch(
    /^sources.okta.position.watermark\s+\d+ \(2024-01-01T01:00:00.000Z\)\s+\d+ \(2024-01-01T02:00:00.000Z\)/m,
  );
  expect(told).toMatch(/lease.seq\s+2\s+3/);
  const earlier: unknown = JSON.parse(await past.run((desk) => exportRegistry(desk, undefined, 'v1')));
  expect(earlier).toMatchObject({ lease: { seq: 2 }, sources: { okta: { position: api(1).position } } });
  await expect(past.run((desk) => diff(desk, 'v1', 'v99'))).rejects.toThrow('has no version v99');
});

test('a long history is read a few versions at a time', async () => {
  const past = await Past.of(...Array.from({ length: 25 }, (_, i) => hours(i + 1)));
  let [under, most] = [0, 0];
  past.world.answers['GET'] = Array.from({ length: 30 }, () => async (handle) => {
    most = Math.max(most, ++under);
    await past.world.process.clock.sleep(10);
    under--;
    return handle();
  });
  past.json = true;
  const listed = JSON.parse(await past.run((desk) => history(desk, '24'))) as { lease?: { seq: number } }[];
  expect(listed.map(({ lease }) => lease?.seq)).toEqual(Array.from({ length: 24 }, (_, i) => 26 - i));
  expect(most).toBe(10);
});
