import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { nodeCommand, renderFlickerSettings, type FlickerConfigInput } from '../../contract';
import { flickerBundle } from '../../dev/flicker-process';
import type { Command, Sink } from './process';

/** What a subject is told: a folder of its own, the file that will appear, and where to send. */
export interface Place {
  readonly state: string;
  readonly input: string;
  readonly url: string;
}

/** A program that ships a file. */
export interface Subject {
  readonly name: string;
  /** It joins the lines of an event to one. */
  readonly joins?: boolean;
  /** What it sends may hold the mark of a line more than once: its records are counted. */
  readonly marksRecords?: boolean;
  /** What counts its events, when they do not come to the sink of the bench. */
  readonly sink?: Pick<Sink, 'reset' | 'counts'>;
  command(place: Place): Command;
}

const copyLimitScript = join(__dirname, '../copy-limit.ts');
const peersFolder = join(__dirname, '../peers');

/** Plain Node that reads, splits and POSTs the raw bytes. */
export const copyLimit: Subject = {
  name: 'copy limit',
  command: ({ input, url }) => ({ argv: [process.execPath, ...process.execArgv, copyLimitScript, input, url] }),
};

export interface FlickerRun {
  readonly config: FlickerConfigInput;
  readonly registryFile: string;
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
}

/** flicker as its container runs it: the bundle, told by environment variables, with `--track`. */
export function flickerCommand({ config, registryFile, port = 0, env, nodeArgs = [] }: FlickerRun): Command {
  const settings = { config, track: true, registryFile, port, host: '127.0.0.1', nodeId: 'bench' };
  return {
    argv: [process.execPath, ...nodeCommand.slice(1), ...nodeArgs, flickerBundle],
    env: { ...env, ...renderFlickerSettings(settings) },
  };
}

/** A source that reads a file with the defaults, but does not keep its last few events waiting for more. */
export const logFile = (path: string) =>
  ({ name: 'app', path, start_at: 'beginning', flush_interval_ms: 100 }) as const;

/** flicker with its defaults. `registry`: an S3 location and how to reach it; a local file by default. */
export function flicker(
  name: string,
  registry?: { readonly location: string; readonly env: Readonly<Record<string, string>> },
  nodeArgs: readonly string[] = [],
): Subject {
  return {
    name,
    command: ({ state, input, url }) =>
      flickerCommand({
        config: {
          destination: { type: 'http', endpoint: url },
          log_files: [logFile(input)],
        },
        registryFile: registry ? `${registry.location}/${Date.now()}-registry.json` : join(state, 'registry.json'),
        ...(registry && { env: registry.env }),
        nodeArgs,
      }),
  };
}

const peerSchema = z.strictObject({
  title: z.string(),
  /** Found in PATH, or where the variable says. */
  binary: z.string(),
  binaryVariable: z.string(),
  version: z.array(z.string()),
  /** Template of the config file. `@INPUT@`, `@URL@`, `@ORIGIN@`, `@STATE@` and `@CONFIG@` stand for what they say. */
  config: z.string(),
  command: z.array(z.string()),
});

export interface Peers {
  readonly found: readonly Subject[];
  readonly missing: readonly string[];
}

/** Every folder of `bench/peers` whose program is installed. */
export function findPeers(): Peers {
  const found: Subject[] = [];
  const missing: string[] = [];
  for (const folder of readdirSync(peersFolder)) {
    const peer = peerSchema.parse(JSON.parse(readFileSync(join(peersFolder, folder, 'peer.json'), 'utf8')));
    const binary = process.env[peer.binaryVariable] ?? peer.binary;
    const asked = spawnSync(binary, peer.version, { encoding: 'utf8' });
    if (asked.status !== 0) {
      missing.push(`${peer.title} (no ${peer.binary} in PATH, and ${peer.binaryVariable} does not name one that runs)`);
      continue;
    }
    const version = /\d+\.\d+(\.\d+)?/.exec(asked.stdout)?.[0] ?? '';
    found.push(
      peerSubject(`${peer.title} ${version}`, join(peersFolder, folder, peer.config), [binary, ...peer.command]),
    );
  }
  return { found, missing };
}

function peerSubject(name: string, template: string, argv: readonly string[]): Subject {
  return {
    name,
    command: ({ state, input, url }) => {
      const config = join(state, 'peer.conf');
      const values: Record<string, string> = {
        INPUT: input,
        URL: url,
        ORIGIN: new URL(url).origin,
        STATE: state,
        CONFIG: config,
      };
      const filled = (text: string) => text.replace(/@([A-Z]+)@/g, (all, key: string) => values[key] ?? all);
      writeFileSync(config, filled(readFileSync(template, 'utf8')));
      return { argv: argv.map(filled) };
    },
  };
}
