import type { AddCommand } from './command';
import { addHealth } from './health';
import { addRegistry } from './registry';

/** The subcommands, in the order of the help. */
export const commands: readonly AddCommand[] = [addHealth, addRegistry];
