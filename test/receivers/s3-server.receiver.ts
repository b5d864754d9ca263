import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { layoutOfKey } from '../../contract';
import { systemClock } from '../../runtime/core/clock';
import { openRegistry } from '../../runtime/registry/open';
import { createS3Store } from '../../runtime/registry/s3-store';
import { testStore } from '../../runtime/registry/self-test';

const BUCKET = 'state';
const secret = { accessKeyId: 'test', secretAccessKey: 'secret-for-tests' };
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** S3 servers that honour conditional writes, each by a variable or its name on the PATH. */
const servers = {
  versitygw: {
    command: process.env['VERSITYGW'] ?? 'versitygw',
    how: 'install it with "go install github.com/versity/versitygw/cmd/versitygw@v1.8.0", or set VERSITYGW',
    args: (port: number, folder: string) => [
      ...['--access', secret.accessKeyId, '--secret', secret.secretAccessKey],
      ...['--port', `127.0.0.1:${port}`, '--quiet', 'posix', folder],
    ],
  },
  minio: {
    command: process.env['MINIO'] ?? 'minio',
    how: 'install it with "go install github.com/minio/minio@latest", or set MINIO',
    args: (port: number, folder: string) => ['server', '--quiet', '--address', `127.0.0.1:${port}`, folder],
  },
} as const;

const found = (command: string) => spawnSync(command, ['--version']).error === undefined;
const there = Object.values(servers).filter(({ command }) => found(command));

test('there is an S3 server to try', () => {
  if (there.length === 0)
    throw new Error(
      `there is none: ${Object.values(servers)
        .map(({ how }) => how)
        .join('; or ')}`,
    );
});

// Not describe.each, which refuses an empty list before the test above says how to get a server.
for (const { command, args } of there)
  describe(command, () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-s3-'));
    let server: ChildProcess;
    let client: S3Client;

    beforeAll(async () => {
      const probe = createServer().listen(0, '127.0.0.1');
      await once(probe, 'listening');
      const { port } = probe.address() as AddressInfo;
      probe.close();
      mkdirSync(join(folder, 'data'));
      server = spawn(command, args(port, join(folder, 'data')), {
        stdio: 'ignore',
        cwd: folder,
        env: { ...process.env, MINIO_ROOT_USER: secret.accessKeyId, MINIO_ROOT_PASSWORD: secret.secretAccessKey },
      });
      const endpoint = `http://127.0.0.1:${port}`;
      client = new S3Client({
        region: 'us-east-1',
        endpoint,
        forcePathStyle: true,
        credentials: secret,
        maxAttempts: 1,
      });
      for (const end = performance.now() + 30_000; ;) {
        try {
          await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
          return;
        } catch (error) {
          if (performance.now() > end || server.exitCode !== null) throw error;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    }, 60_000);

    afterAll(async () => {
      client.destroy();
      const ended = once(server, 'exit');
      server.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    });

    const store = (key: string) => createS3Store({ client, bucket: BUCKET, layout: layoutOfKey(key) });

    test('passes the self-test that ha asks for', async () => {
      expect(await testStore(await store('probe.json'), systemClock)).toEqual({ kind: 'honoured' });
      expect(await testStore(await store('probe.json'), systemClock)).toEqual({ kind: 'honoured' });
    });

    test('lets one owner of many win each epoch, and none that was fenced save', async () => {
      const open = async (owner: string) =>
        openRegistry({
          store: await store('flicker/prod/a-registry.json'),
          clock: systemClock,
          log: silent,
          configHash: '',
          owner,
          host: owner,
          writerVersion: '1',
        });
      const owners = await Promise.all(Array.from({ length: 5 }, (_, i) => open(`owner-${i}`)));
      expect(new Set(owners.map(({ epoch }) => epoch)).size).toBe(5);
      const saves = await Promise.all(owners.map((owner) => owner.save(() => ({ by: owner.epoch }))));
      expect(saves.map(({ kind }) => kind).sort()).toEqual(['ended', 'ended', 'ended', 'ended', 'saved']);
      const last = await open('last');
      expect(last.loaded).toEqual({ by: Math.max(...owners.map(({ epoch }) => epoch)) });
    });
  });
