import { Command, CommanderError, Option } from 'commander';
import { version } from '../../package.json';
import { flickerCallFlags, flickerExit } from '../../contract/flicker/settings';
import { SettingsError } from '../../contract/settings';
import { commands } from './commands';
import { CommandError, type Call } from './commands/command';
import { addRun } from './commands/run';

/** Runs the command line; the result is the exit code. */
export async function run(argv: readonly string[], env: Call['env']): Promise<number> {
  let code: number = flickerExit.ok;
  const program = createProgram({ env, debug: argv.includes('--debug'), end: (by) => (code = by) });
  try {
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? flickerExit.ok : flickerExit.usage;
    const known = error instanceof SettingsError ? flickerExit.usage : flickerExit.failed;
    if (!(error instanceof SettingsError || error instanceof CommandError)) throw error;
    const stack = argv.includes('--debug') && error.stack;
    process.stderr.write(`flicker: ${stack || error.message}\n`);
    return known;
  }
}

/** The command line with all its commands. */
export function createProgram(call: Call): Command {
  const program = new Command('flicker')
    .description('Ships log files and audit APIs; keeps its positions in one S3 object and no state in its container.')
    .version(version, '--version')
    // What stands behind a subcommand belongs to it.
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError();
  for (const add of commands) add(program, call);
  for (const command of program.commands) acceptDebug(command);
  addRun(program, call);
  return program;
}

/** A subcommand takes `--debug` too; the help of the program tells what it is. */
function acceptDebug(command: Command): void {
  if (command.commands.length === 0) command.addOption(new Option(flickerCallFlags.debug.flag).hideHelp());
  for (const one of command.commands) acceptDebug(one);
}
