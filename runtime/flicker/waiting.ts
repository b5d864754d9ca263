import { systemClock as clock } from '../core/clock';

/** How long it may take that everything ends which was aborted. */
export const ABORT_MS = 300;

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Waits for a promise. After `ms` calls `late`, and soon after that waits no more. Tells whether the promise was kept. */
export async function within(promise: Promise<unknown>, ms: number, late: () => void): Promise<boolean> {
  const kept = new AbortController();
  const bound = async () => {
    await clock.sleep(ms, kept.signal);
    late();
    await clock.sleep(ABORT_MS, kept.signal);
    return false;
  };
  try {
    return await Promise.race([promise.then(() => true), bound()]);
  } finally {
    kept.abort();
  }
}
