import { Option } from 'commander';
import { flickerSettings } from '../../../contract/flicker/settings';
import type { AddCommand } from './command';
import type { TestSourceFlags } from '../test-source';

/** `flicker test-source NAME`: one page of an API source, as it would be shipped. */
export const addTestSource: AddCommand = (program, call) => {
  const { configFile, registryFile } = flickerSettings;
  program
    .command('test-source <name>')
    .description('Show one page of an API source and the position it would save; nothing is sent or saved.')
    .addOption(new Option(configFile.flag, `${configFile.describe} [${configFile.env}]`))
    .option('--registry-file <location>', `Go on at the position saved there. [${registryFile.env}]`)
    .option('--start-from <time>', 'Where to start without a saved position; a day ago by default.')
    .option('--events <number>', 'Most events to print.', '10')
    .action(async (name: string, flags: TestSourceFlags) => {
      const { testSource } = await import('../test-source');
      call.end(await testSource(name, flags, call.env));
    });
};
