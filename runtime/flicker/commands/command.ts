import type { Command } from 'commander';

/** What a command gets from the call besides its own options. */
export interface Call {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `--debug` was given. */
  readonly debug: boolean;
  /** Sets the exit code; without it a command that returns has exit code 0. */
  end(code: number): void;
}

/**
 * Adds a command to the program. What the command does is in modules that its action imports when it is called: whoever
 * asks for one command does not pay for the others.
 */
export type AddCommand = (program: Command, call: Call) => void;

/** A command could not do what it was asked for. The message is for people; the exit code is 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
