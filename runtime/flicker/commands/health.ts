import { flickerSettings } from '../../../contract/flicker/settings';
import type { AddCommand } from './command';

/** `flicker health`: for health checks of containers. */
export const addHealth: AddCommand = (program, call) => {
  program
    .command('health')
    .description('Ask the running flicker whether it is live; for health checks of containers.')
    .option('--port <number>', `Port that it listens on. [${flickerSettings.port.env}]`)
    .action(async ({ port }: { port?: string }) => {
      const { askHealth } = await import('../health');
      call.end(await askHealth(port, call.env));
    });
};
