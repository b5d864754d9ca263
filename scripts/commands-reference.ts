import type { Argument, Command, Option } from 'commander';
import { flickerExit } from '../contract';
import { createProgram } from '../runtime/flicker/cli';
import { code, rows } from './markdown';

const INTRODUCTION = `# flicker: every command

Written from the program's own help by \`npm run docs\`. A flag wins over its variable, which stands in brackets. Every command
takes \`--debug\`: stack traces, and each call to S3.

| exit code | meaning |
| --- | --- |
| ${flickerExit.ok} | fine |
| ${flickerExit.failed} | failed; \`health\` and \`status\`: not live or not ready; \`registry verify\` and \`fsck\`: something is wrong |
| ${flickerExit.usage} | bad usage or config; a question that nobody was there to answer |
| ${flickerExit.fenced} | fenced by a new owner |

What writes shows before and after and asks; \`--yes\` does not ask. Without a terminal and without \`--yes\` it writes nothing,
which is a way to see what it would do. What \`registry\` writes is compared and swapped: it never undoes what an instance saves
at the same moment, and the instance goes on with what is written. See [operations](operations.md),
[disaster recovery](disaster-recovery.md), [migration](migration.md) and [troubleshooting](troubleshooting.md).`;

/** docs/commands.md: every command with its options, from the program itself. */
export function commandsReference(): string {
  const program = createProgram({ env: {}, debug: false, end: () => {} });
  return `${[INTRODUCTION, ...sections(program, '')].join('\n\n')}\n`;
}

function sections(command: Command, parents: string): string[] {
  const name = `${parents}${command.name()}`;
  const own = command.commands.filter((one) => one.name() !== 'help');
  const below = own.flatMap((one) => sections(one, `${name} `));
  const options = command.options.filter((option) => !option.hidden);
  // What only holds other commands has nothing to say that they do not.
  if (own.length > 0 && parents !== '') return [`## ${code(name)}`, command.description(), ...below];
  const usage = [name, ...command.registeredArguments.map((argument) => argumentText(argument))].join(' ');
  return [
    `${parents.trim().includes(' ') ? '###' : '##'} ${code(usage)}`,
    command.description(),
    ...(options.length > 0 ? [rows(['option', ''], options.map(optionRow))] : []),
    ...below,
  ];
}

function argumentText(argument: Argument): string {
  const { required, variadic } = argument;
  const text = `${argument.name()}${variadic ? '...' : ''}`;
  return required ? `<${text}>` : `[${text}]`;
}

function optionRow({ flags, description, defaultValue }: Option): [string, string] {
  const told =
    typeof defaultValue === 'string' || typeof defaultValue === 'number'
      ? ` Default: ${code(String(defaultValue))}.`
      : '';
  return [code(flags), `${description.replace(/ \[([A-Z_]+)\]$/, ' [`$1`]')}${told}`];
}
