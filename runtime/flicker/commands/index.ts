import type { AddCommand } from './command';
import { addDlq } from './dlq';
import { addHealth } from './health';
import { addRegistry } from './registry';
import { addStatus } from './status';
import { addTestSource } from './test-source';

/** The subcommands, in the order of the help. */
export const commands: readonly AddCommand[] = [addHealth, addStatus, addRegistry, addDlq, addTestSource];
