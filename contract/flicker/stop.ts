import type { FlickerConfig } from './config';

/** Most seconds that Fargate waits between SIGTERM and SIGKILL (ECS task definition parameters, stopTimeout). */
export const FARGATE_MAX_STOP_SECONDS = 120;

/** Part of the shutdown that belongs to the final save, in milliseconds. */
export const FINAL_SAVE_MS = 2000;

/** The stop time-out that a platform must give, in seconds: the program's own drain and a margin for its exit. */
export function flickerStopSeconds(config: Pick<FlickerConfig, 'shutdown_timeout_ms'>): number {
  return Math.ceil(config.shutdown_timeout_ms / 1000) + 5;
}
