import { Option, type Command } from 'commander';
import { flickerCallFlags, flickerExit, flickerSettings } from '../../../contract/flicker/settings';
import { nearest } from '../../../contract/settings';
import type { AddCommand } from './command';
import type { RunFlags } from '../run';

/** What flicker does without a subcommand: it runs. */
export const addRun: AddCommand = (program, call) => {
  for (const { flag, describe, env } of Object.values(flickerSettings)) {
    if (flag) program.addOption(new Option(flag, `${describe} [${env}]`));
  }
  for (const { flag, describe } of Object.values(flickerCallFlags)) program.addOption(new Option(flag, describe));
  program
    .allowExcessArguments()
    .action(async ({ config, ...flags }: RunFlags) => {
      refuseWords(program);
      const { start } = await import('../run');
      call.end(await start({ ...flags, ...(config !== undefined && { configFile: config }) }, call.env));
    })
    .addHelpText(
      'after',
      `
Exit codes: ${flickerExit.ok} fine, ${flickerExit.failed} failed, ${flickerExit.usage} bad usage or config, ${flickerExit.fenced} fenced by a new owner.

Examples:
  flicker -c config.yaml --validate
  flicker -c config.yaml --track --registry-file s3://bucket/flicker/prod/okta-registry.json`,
    );
};

function refuseWords(program: Command): void {
  const [word] = program.args;
  if (word === undefined) return;
  const near = nearest(
    word,
    program.commands.map((command) => command.name()),
  );
  program.error(`error: there is no command '${word}'${near ? `, did you mean '${near}'?` : '; see flicker --help'}`);
}
