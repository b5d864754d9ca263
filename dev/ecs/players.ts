import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, isAbsolute } from 'node:path';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { bundleEnvironment } from '../../contract/delivery';
import { runProgram, type ContainerProcess, type ContainerRun, type Exit } from './program';

/** What stands for an image on this machine. */
export interface Player {
  /** Images that it plays. */
  readonly image: RegExp;
  play(run: ContainerRun): ContainerProcess;
}

/** The stock Node image: its command, run by this Node. */
export const nodePlayer: Player = {
  image: /(^|\/)node([:@]|$)/,
  play: (run) => {
    const [command = 'node', ...args] = run.argv;
    // As the image's entry point: options go to node. `node` itself is found by PATH.
    if (command.startsWith('-')) return runProgram(run, ['node', command, ...args]);
    return runProgram(run, [isAbsolute(command) && basename(command) === 'node' ? 'node' : command, ...args]);
  },
};

/**
 * The public AWS CLI image: copies the object that the container's bundle variables name, and checks its SHA-256.
 * Its command is not read: the variables say the same.
 */
export const awsCliPlayer: Player = {
  image: /(^|\/)aws-cli([:@]|$)/,
  play: (run) => {
    const aborted = new AbortController();
    const copied = copyBundle(run, aborted.signal).then(
      (): Exit => ({ code: 0 }),
      (error: unknown): Exit => {
        if (aborted.signal.aborted) return { code: 137 };
        run.log(error instanceof Error ? error.message : String(error), 'stderr');
        return { code: 1 };
      },
    );
    return { pid: undefined, exited: copied, kill: () => aborted.abort() };
  },
};

/** All images that can be played. */
export const players: readonly Player[] = [nodePlayer, awsCliPlayer];

async function copyBundle({ name, env, aws, log }: ContainerRun, signal: AbortSignal): Promise<void> {
  const read = (variable: string): string => {
    const value = env[variable];
    if (!value) throw new Error(`container ${name} has no ${variable}; it is played as the copy of a bundle`);
    return value;
  };
  const url = new URL(read(bundleEnvironment.url));
  const target = read(bundleEnvironment.target);
  const expected = read(bundleEnvironment.sha256).toLowerCase();
  if (url.protocol !== 's3:') throw new Error(`${bundleEnvironment.url} is ${url.href}, expected s3://bucket/key`);

  const client = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
  try {
    const request = new GetObjectCommand({ Bucket: url.host, Key: decodeURIComponent(url.pathname.slice(1)) });
    const { Body } = await client.send(request, { abortSignal: signal });
    const content = (await Body?.transformToByteArray()) ?? new Uint8Array();
    const actual = createHash('sha256').update(content).digest('hex');
    if (actual !== expected) throw new Error(`${url.href} has SHA-256 ${actual}, expected ${expected}; it is not used`);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content, { signal });
    log(`copied ${url.href} (${content.length} bytes)`, 'stdout');
  } finally {
    client.destroy();
  }
}
