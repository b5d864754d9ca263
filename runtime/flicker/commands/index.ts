import type { AddCommand } from './command';
import { addHealth } from './health';

/** The subcommands, in the order of the help. */
export const commands: readonly AddCommand[] = [addHealth];
