/**
 * Aborts once when the platform asks the process to stop (SIGTERM, SIGINT). A second signal ends the process at once.
 */
export function stopSignal(): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143);
    controller.abort(new Stopping(name));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return {
    signal: controller.signal,
    dispose: () => {
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
    },
  };
}

/** The reason of a stop that was asked for. */
export class Stopping extends Error {
  override readonly name = 'Stopping';

  constructor(by: string) {
    super(`asked to stop by ${by}`);
  }
}
