import { flickerProcessSchema, flickerSettings } from '../../../contract/flicker/settings';
import { parseSettings, strictObject } from '../../../contract/settings';
import { Option, type Command } from 'commander';
import type { AddCommand, Call } from './command';
import type { Desktop } from './registry-desk';

/** Options that every registry command has. */
interface Common {
  readonly registryFile?: string;
  readonly json?: boolean;
  readonly yes?: boolean;
}

const TIME = 'A time such as 2026-01-31T12:00:00Z, or how long ago it was, such as 90m, 12h or 2d.';

/** `flicker registry`: looks into positions, and moves them, beside running instances. */
export const addRegistry: AddCommand = (program, call) => {
  const registry = program
    .command('registry')
    .description('Look at saved positions, go back in their history, edit and move them.');
  const at = (command: Command) =>
    command
      .option(
        '--registry-file <location>',
        `${flickerSettings.registryFile.describe} [${flickerSettings.registryFile.env}]`,
      )
      .option('--json', 'Print JSON.');
  const writing = (command: Command) => at(command).option('--yes', 'Do not ask before it is written.');

  at(registry.command('show'))
    .description('Show who holds the registry, and how far each source was delivered.')
    .option('--source <name>', 'Only this source, with all its files.')
    .action(async (options: Common & { source?: string }) => {
      const { show } = await import('./registry-show');
      call.end(await withDesk(call, options, (desk) => show(desk, options.source)));
    });
  at(registry.command('verify'))
    .description(
      'Check that the registry can be read and written, that the store honours conditions, and when it was saved.',
    )
    .action(async (options: Common) => {
      const { verify } = await import('./registry-verify');
      call.end(await withDesk(call, options, verify));
    });
  at(registry.command('history'))
    .description('List the versions that the bucket keeps, newest first.')
    .option('--limit <number>', 'Most versions to list.', '20')
    .action(async (options: Common & { limit: string }) => {
      const { history } = await import('./registry-history');
      call.end(await withDesk(call, options, (desk) => history(desk, options.limit)));
    });
  at(registry.command('diff [older] [newer]'))
    .description('Show what changed between two versions, by the ids that `history` lists; by default the last two.')
    .action(async (older: string | undefined, newer: string | undefined, options: Common) => {
      const { diff } = await import('./registry-history');
      call.end(await withDesk(call, options, (desk) => diff(desk, older, newer)));
    });
  writing(registry.command('rewind'))
    .description('Set positions back to what they were at a time; what was shipped since is shipped again.')
    .requiredOption('--to <time>', TIME)
    .option('--source <name>', 'Only this source.')
    .action(async (options: Common & { to: string; source?: string }) => {
      const { rewind } = await import('./registry-edit');
      call.end(await withDesk(call, options, (desk) => rewind(desk, options.to, options.source)));
    });
  writing(registry.command('set <source> <values...>'))
    .description(
      'Set values of a source, each as key=value: `watermark=TIME` starts an API source again there, `offset=BYTES` with --file moves in a file, any other key is one of its position.',
    )
    .option('--file <path>', 'The file of the source whose values are set.')
    .action(async (source: string, values: string[], options: Common & { file?: string }) => {
      const { set } = await import('./registry-edit');
      call.end(await withDesk(call, options, (desk) => set(desk, source, values, options.file)));
    });
  at(registry.command('export [file]'))
    .description('Write the whole registry as JSON to a file, or to standard output.')
    .option('--version-id <id>', 'An earlier version, as `history` lists it.')
    .action(async (file: string | undefined, options: Common & { versionId?: string }) => {
      const { exportRegistry } = await import('./registry-file');
      call.end(await withDesk(call, options, (desk) => exportRegistry(desk, file, options.versionId)));
    });
  writing(registry.command('import <file>'))
    .description(
      'Replace the positions by those of an exported file, or restore a deleted registry; `-` is standard input.',
    )
    .option('--overwrite', 'Also when the registry was saved since the export, was moved away, or is damaged.')
    .action(async (file: string, options: Common & { overwrite?: boolean }) => {
      const { importRegistry } = await import('./registry-file');
      call.end(await withDesk(call, options, (desk) => importRegistry(desk, file, options.overwrite ?? false)));
    });
  registry
    .command('copy <from> <to>')
    .description(
      'Move the registry to another place: closes the old one, copies, verifies, opens the new one. Goes on when it was interrupted.',
    )
    .option('--cluster-id <id>', 'Whose registry the copy is; by default whose the original is.')
    .option('--from-region <region>', 'Region of the old bucket.')
    .option('--to-region <region>', 'Region of the new bucket.')
    .option('--overwrite', 'Replace a registry that is at the new place.')
    .option('--yes', 'Do not ask before it is written.')
    .option('--json', 'Print JSON.')
    .action(async (from: string, to: string, options: Common & CopyFlags) => {
      const { copy } = await import('./registry-copy');
      const [fromDesk, toDesk] = await Promise.all([
        desktop(call, { ...options, registryFile: from }, options.fromRegion),
        desktop(call, { ...options, registryFile: to }, options.toRegion),
      ]);
      call.end(await copy(fromDesk, toDesk, options));
    });
  writing(registry.command('promote <replica>'))
    .description(
      'Make the registry of a replica, after the loss of the region of the original. The replica is read and never written.',
    )
    .option('--from-region <region>', 'Region of the replica.')
    .option('--overwrite', 'Replace a registry that is there.')
    .action(async (replica: string, options: Common & CopyFlags) => {
      const { promote } = await import('./registry-promote');
      const [from, to] = await Promise.all([
        desktop(call, { ...options, registryFile: replica }, options.fromRegion),
        desktop(call, options),
      ]);
      call.end(await promote(from, to, options.overwrite ?? false));
    });
  writing(registry.command('fsck'))
    .description('Check the structure: entries without a source, files of vanished nodes, what cannot be read.')
    .addOption(new Option('--fix', 'Remove what is safe to remove.'))
    .action(async (options: Common & { fix?: boolean }) => {
      const { fsck } = await import('./registry-fsck');
      call.end(await withDesk(call, options, (desk) => fsck(desk, options.fix ?? false)));
    });
};

interface CopyFlags {
  readonly clusterId?: string;
  readonly fromRegion?: string;
  readonly toRegion?: string;
  readonly overwrite?: boolean;
}

const location = strictObject({ registryFile: flickerProcessSchema.shape.registryFile });

async function desktop(call: Call, options: Common, region?: string): Promise<Desktop> {
  const { openDesktop } = await import('./registry-desk');
  const told = options.registryFile ?? (call.env[flickerSettings.registryFile.env] || undefined);
  const { registryFile } = parseSettings(location, { registryFile: told }, 'bad usage');
  return openDesktop(registryFile, { call, region, json: options.json ?? false, yes: options.yes ?? false });
}

async function withDesk(call: Call, options: Common, work: (desk: Desktop) => Promise<number>): Promise<number> {
  const desk = await desktop(call, options);
  return desk.explained(() => work(desk));
}
