import { flickerSettings } from '../../../contract/flicker/settings';
import type { StatusFlags } from '../status/ask';
import type { AddCommand } from './command';

/** `flicker status`: what the status page shows, in a terminal. */
export const addStatus: AddCommand = (program, call) => {
  program
    .command('status')
    .description('Show how the running flicker stands: its sources, its lease, its last save. 1 when it is not ready.')
    .option('--port <number>', `Port that it listens on, on this machine. [${flickerSettings.port.env}]`)
    .option('--url <url>', 'Address of its status page, on another machine.')
    .option('--watch', 'Show it again every 2 seconds.')
    .option('--json', 'Print JSON; with --watch one line each time.')
    .action(async (flags: StatusFlags) => {
      const { printStatus } = await import('../status/ask');
      call.end(await printStatus(flags, call.env));
    });
};
