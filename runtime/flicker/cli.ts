import { Command, CommanderError } from 'commander';
import { version } from '../../package.json';
import { flickerExit } from '../../contract/flicker/settings';
import { SettingsError } from '../../contract/settings';
import { commands } from './commands';
import { CommandError, type Call } from './commands/command';
import { addRun } from './commands/run';

/** Runs the command line; the result is the exit code. */
export async function run(argv: readonly string[], env: Call['env']): Promise<number> {
  let code: number = flickerExit.ok;
  const program = createProgram({ env, end: (by) => (code = by) });
  try {
    await program.parseAsync([...argv]);
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? flickerExit.ok : flickerExit.usage;
    const known = error instanceof SettingsError ? flickerExit.usage : flickerExit.failed;
    if (!(error instanceof SettingsError || error instanceof CommandError)) throw error;
    const debug = argv.includes('--debug') && error.stack;
    process.stderr.write(`flicker: ${debug || error.message}\n`);
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
  addRun(program, call);
  return program;
}
