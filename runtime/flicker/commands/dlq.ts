import type { Command } from 'commander';
import { flickerSettings } from '../../../contract/flicker/settings';
import type { DlqDesk, DlqFlags } from '../dlq/desk';
import type { ReplayFlags } from '../dlq/replay';
import type { AddCommand } from './command';

/** `flicker dlq`: events that a destination refused for good. */
export const addDlq: AddCommand = (program, call) => {
  const { configFile, registryFile } = flickerSettings;
  const dlq = program.command('dlq').description('Look at events that a destination refused, and send them again.');
  const at = (command: Command) =>
    command
      .option(configFile.flag, `${configFile.describe} [${configFile.env}]`)
      .option('--registry-file <location>', `Dead letters beside this registry. [${registryFile.env}]`);
  const work = async (flags: DlqFlags, whole: boolean, run: (desk: DlqDesk) => Promise<number>): Promise<void> => {
    const { openDesk, explained } = await import('../dlq/desk');
    const desk = await openDesk(flags, call, whole);
    call.end(await explained(desk, () => run(desk)));
  };

  at(dlq.command('list'))
    .description('List files of dead letters, newest first.')
    .option('--source <name>', 'Only those of this source.')
    .option('--limit <number>', 'Most files to list.', '100')
    .option('--json', 'Print JSON, one file a line.')
    .action(async (flags: DlqFlags & { limit: string }) => {
      const { list } = await import('../dlq/look');
      await work(flags, false, (desk) => list(desk, flags));
    });
  at(dlq.command('show <name>'))
    .description('Show why events were refused, and the events: one a line, as they were sent.')
    .option('--json', 'Print the events alone.')
    .action(async (name: string, flags: DlqFlags) => {
      const { show } = await import('../dlq/look');
      await work(flags, false, (desk) => show(desk, name, flags));
    });
  at(dlq.command('replay [names...]'))
    .description('Send dead letters again, to the destination of their source; what is sent moves below replayed/.')
    .option('--all', 'All that are listed, oldest first.')
    .option('--source <name>', 'All of this source.')
    .option('--destination <name>', 'Where to, when the source has several destinations.')
    .option('--delete', 'Delete what is sent rather than move it.')
    .option('--yes', 'Do not ask before something is sent.')
    .action(async (names: string[], flags: ReplayFlags & { yes?: boolean }) => {
      const [{ replay }, { confirmed }] = await Promise.all([import('../dlq/replay'), import('./registry-desk')]);
      const confirm = (question: string) =>
        flags.yes ? Promise.resolve() : confirmed(question, process.stdin, process.stderr);
      await work(flags, true, (desk) => replay(desk, names, flags, confirm));
    });
};
