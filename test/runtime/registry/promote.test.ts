import { createLocalStore } from '../../../runtime/registry/local-store';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../runtime/core/clock';
import { copyRegistry } from '../../../runtime/registry/copy';
import { openRegistry } from '../../../runtime/registry/open';
import type { Desk } from '../../../runtime/registry/operate';
import { promoteRegistry, type PromoteOptions } from '../../../runtime/registry/promote';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'promote-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const desk: Desk = { clock: systemClock, host: 'desk', writerVersion: '1' };
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const store = (name: string) => createLocalStore(join(folder, name), systemClock);
const stored = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as unknown;
const open = (name: string, owner: string) =>
  openRegistry({
    store: store(name),
    clock: systemClock,
    log: silent,
    configHash: '',
    owner,
    host: 'host',
    writerVersion: '1',
    clusterId: 'prod/okta',
  });
const promote = (options: Partial<PromoteOptions> = {}) =>
  promoteRegistry({ replica: store('replica.json'), to: store('home.json'), desk, ...options });

/** A copy of a registry that is still held, as replication leaves it. */
async function replica(position: number): Promise<string> {
  const held = await open('replica.json', 'lost');
  await held.save(() => ({ position }));
  return readFileSync(join(folder, 'replica.json'), 'utf8');
}

test('makes a registry of the replica that the next instance takes over at once, and leaves the replica alone', async () => {
  const copy = await replica(7);
  const { document, again } = await promote();
  expect(again).toBe(false);
  expect(document.lease).toMatchObject({ state: 'released', epoch: 2, copyOf: { epoch: 1 } });
  expect(readFileSync(join(folder, 'replica.json'), 'utf8')).toBe(copy);
  const next = await open('home.json', 'next');
  expect([next.loaded, next.epoch, next.clusterId]).toEqual([{ position: 7 }, 3, 'prod/okta']);
});

test('run again it writes nothing, whatever was saved meanwhile', async () => {
  await replica(7);
  await promote();
  const next = await open('home.json', 'next');
  await next.save(() => ({ position: 9 }));
  expect(await promote()).toMatchObject({ again: true, document: { state: { position: 9 } } });
  expect(stored('home.json')).toMatchObject({ position: 9 });
});

test('a registry of its own at the target is replaced only on demand, by a later epoch', async () => {
  await replica(7);
  for (const owner of ['a', 'b', 'c']) await open('home.json', owner);
  await expect(promote()).rejects.toThrow(/there is a registry at .*home\.json already.*--overwrite/);
  expect(stored('home.json')).toMatchObject({ lease: { owner: 'c', epoch: 3 } });
  expect((await promote({ overwrite: true })).document.lease.epoch).toBe(4);
});

test('what spilled is carried over before anybody can take the registry', async () => {
  await replica(7);
  const carry = () => Promise.reject(new Error('the bucket cannot be read'));
  await expect(promote({ carry })).rejects.toThrow('the bucket cannot be read');
  expect(() => stored('home.json')).toThrow('ENOENT');
});

test('after the way back one that was moved is replaced only on demand', async () => {
  await replica(7);
  await promote();
  await copyRegistry({ from: store('home.json'), to: store('back.json'), desk, overwrite: false });
  await expect(promote()).rejects.toThrow(/home\.json was moved to .*back\.json.*--overwrite/);
  expect((await promote({ overwrite: true })).again).toBe(false);
  expect((await open('home.json', 'next')).loaded).toEqual({ position: 7 });
});

test('the replica itself, nothing, and one that was moved are refused', async () => {
  await expect(promote()).rejects.toThrow(/there is no registry at .*replica\.json/);
  await replica(7);
  await expect(promote({ to: store('replica.json') })).rejects.toThrow('is the replica itself');
});
